package seats

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// checkoutPage is a page of Stripe as it was made.
type checkoutPage struct {
	ID, Customer, Mode, Status string
	ClientReferenceID          string `json:"client_reference_id"`
	SuccessURL                 string `json:"success_url"`
	CancelURL                  string `json:"cancel_url"`
	LineItems                  struct {
		Data []struct {
			Quantity int
			Price    struct{ ID string }
		}
	} `json:"line_items"`
}

func checkoutSession(s *stacktest.Stack, address string) checkoutPage {
	s.T.Helper()
	var it checkoutPage
	s.Stripe(http.MethodGet, "/v1/checkout/sessions/"+lastOf(address), url.Values{"expand[]": {"line_items"}}, &it)
	return it
}

// urlOf is the address in an answer.
func urlOf(t *testing.T, answer stacktest.Reply) string {
	t.Helper()
	var got struct{ URL string }
	if err := json.Unmarshal(answer.Body, &got); err != nil || got.URL == "" {
		t.Fatalf("no address: %d %s", answer.Status, answer.Body)
	}
	return got.URL
}

// meddling is what a client may add to a request in the hope that it counts.
const meddling = `,"organizationId":"org_d2gamers","orgId":"org_d2gamers","tenantId":"org_d2gamers","clerkOrgId":"org_d2gamers",
	"customer":"cus_d2gamers","customerId":"cus_d2gamers","price":"price_cheap","priceId":"price_cheap","currency":"usd","unitAmount":1,"plan":"free",
	"clientReferenceId":"org_d2gamers","metadata":{"organization_id":"org_d2gamers"},"configuration":"bpc_x","successUrl":"https://evil.test/","returnUrl":"https://evil.test/"}`

// Price, customer and organization are the server's to choose, whatever a request says.
func TestACheckoutSellsSeatsToTheCallersOrganizationAlone(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	s.Stock("org_acme")
	token := s.Token("erin", "acme", 2)
	got := checkoutSession(s, urlOf(t, s.Post(stacktest.CreateCheckout, token, []byte(`{"quantity":7,"successPath":"/a?s={CHECKOUT_SESSION_ID}#b","cancelPath":"/c"`+meddling))))
	if len(got.LineItems.Data) != 1 || got.LineItems.Data[0].Quantity != 7 || got.LineItems.Data[0].Price.ID != s.Box.SeatPrice() {
		t.Errorf("lines: %+v", got.LineItems)
	}
	want := checkoutPage{
		ID: got.ID, Customer: s.Customer("org_acme"), Mode: "subscription", Status: "open", ClientReferenceID: "org_acme",
		SuccessURL: "https://app.example.com/a?s={CHECKOUT_SESSION_ID}#b", CancelURL: "https://app.example.com/c", LineItems: got.LineItems,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the page (-want +got):\n%s", diff)
	}
	details, _ := s.Column(`SELECT outcome || ' ' || details::text FROM audit_events WHERE tenant_id = 'org_acme' AND actor = 'user_erin'`)
	if diff := cmp.Diff([]string{`ok {"quantity": 7}`}, details); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	for _, quantity := range []string{"0", "-1", "10001", "1e9", `"x"`, "null", "1.5", "[]"} {
		body := `{"quantity":` + quantity + `,"successPath":"/","cancelPath":"/"}`
		s.Expect(t, "quantity "+quantity, s.Post(stacktest.CreateCheckout, token, []byte(body)), stacktest.Unreadable)
	}
	for user, org := range map[string]string{"alice": "d2-gamers", "bob": "d2-gamers", "charlie": "d2-gamers", "frank": "acme"} {
		for _, procedure := range []string{stacktest.CreateCheckout, stacktest.CreatePortal, stacktest.AssignSeat, stacktest.RevokeSeat} {
			answer := s.PostMessage(procedure, s.Token(user, org, 2), stacktest.Cases[procedure].Request(""))
			s.Expect(t, user+": "+procedure, answer, stacktest.Refusal{Code: connect.CodePermissionDenied, Reason: "PERMISSION_MISSING", Metadata: map[string]string{"permission": "org:licensing:manage"}})
		}
	}
}

func TestNobodyOpensThePortalOfAnotherOrganization(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	erin := s.Token("erin", "acme", 2)
	s.Expect(t, "without a subscription of their own", s.Post(stacktest.CreatePortal, erin, []byte(`{"returnPath":"/"`+meddling)), stacktest.Refused(connect.CodeFailedPrecondition, "NO_SUBSCRIPTION"))
	s.Stock("org_acme")
	// Each sees the page of their own customer.
	for token, customer := range map[string]string{erin: s.Customer("org_acme"), s.Token("dana", "d2-gamers", 2): s.Customer(gamersID)} {
		address := urlOf(t, s.Post(stacktest.CreatePortal, token, []byte(`{"returnPath":"/"`+meddling)))
		// What is done on the page is done to the customer: it has no subscription.
		answer, err := http.Post(originOf(s)+"/sandbox/portal/"+lastOf(address), "application/json", strings.NewReader(`{"cancel":"now"}`))
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 200)
		n, _ := answer.Body.Read(text)
		answer.Body.Close()
		if !strings.Contains(string(text[:n]), customer) {
			t.Errorf("the page is not of customer %s: %s", customer, text[:n])
		}
	}
}

func originOf(s *stacktest.Stack) string { return strings.TrimSuffix(s.Box.StripeURL(), "/stripe") }

// Somebody who was taken the permission, or the membership, after their token was issued
// buys and gives nothing.
func TestATokenFromBeforeTheRoleEndedBuysNothing(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	token := s.Token("dana", "d2-gamers", 2)
	before := s.Snapshot(gamersID)
	for what, reason := range map[string]string{
		`UPDATE members SET role = 'org:viewer', role_time = now() + interval '1 second' WHERE tenant_id = $1 AND user_id = 'user_dana'`:                    "TOKEN_STALE",
		`UPDATE members SET role = 'org:admin', role_time = NULL, remove_time = now() + interval '1 second' WHERE tenant_id = $1 AND user_id = 'user_dana'`: "MEMBERSHIP_ENDED",
	} {
		s.Exec(what, gamersID)
		for _, procedure := range []string{stacktest.GetLicense, stacktest.ListSeats, stacktest.AssignSeat, stacktest.RevokeSeat, stacktest.CreateCheckout, stacktest.CreatePortal} {
			if got := s.PostMessage(procedure, token, stacktest.Cases[procedure].Request("")).Told(t).Reason; got != reason {
				t.Errorf("%s: got %q, want %q", procedure, got, reason)
			}
		}
		s.Exec(`UPDATE members SET role = 'org:admin', role_time = NULL, remove_time = NULL WHERE tenant_id = $1 AND user_id = 'user_dana'`, gamersID)
	}
	if diff := cmp.Diff(before, s.Snapshot(gamersID)); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
}

// Numbers and names of another organization are read by nobody, whatever is asked for.
func TestLicensesAreReadOfTheCallersOrganizationAlone(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	s.People("org_nobody", "nobody", stacktest.Canary)
	s.Exec(`UPDATE members SET name = $2, email = $2 WHERE tenant_id = $1`, gamersID, stacktest.Canary)
	for _, procedure := range []string{stacktest.GetLicense, stacktest.ListSeats} {
		for _, body := range []string{`{"x":1` + meddling, `{"x":1` + strings.ReplaceAll(meddling, `Id":`, `_id":`)} {
			answer := s.Post(procedure, s.Token("erin", "acme", 2), []byte(body))
			if answer.Status != http.StatusOK || strings.Contains(string(answer.Body), stacktest.Canary) || strings.Contains(string(answer.Body), "purchased") {
				t.Errorf("%s: %d %s", procedure, answer.Status, answer.Body)
			}
		}
		for _, version := range []int{1, 2} {
			s.Expect(t, procedure+" without an organization", s.Post(procedure, s.Token("dana", "", version), []byte("{}")), stacktest.Refused(connect.CodeFailedPrecondition, "ORGANIZATION_REQUIRED"))
		}
		s.Expect(t, procedure+" of nobody", s.Post(procedure, "", []byte("{}")), stacktest.Refused(connect.CodeUnauthenticated, "UNAUTHENTICATED"))
	}
}

// A customer that was deleted at Stripe, of which no event has come yet, is found out by
// whoever asks: it has no portal, and the organization buys as another one.
func TestACustomerThatWasDeletedIsFoundOut(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	token := s.Token("dana", "d2-gamers", 2)
	was := s.Customer(gamersID)
	s.Stripe(http.MethodDelete, "/v1/customers/"+was, nil, &struct{}{})
	for range 2 {
		s.Expect(t, "the portal", s.PostMessage(stacktest.CreatePortal, token, stacktest.Cases[stacktest.CreatePortal].Request("")), stacktest.Refused(connect.CodeFailedPrecondition, "NO_SUBSCRIPTION"))
	}
	if got := checkoutSession(s, urlOf(t, s.PostMessage(stacktest.CreateCheckout, token, stacktest.Cases[stacktest.CreateCheckout].Request("")))); got.Customer == was || got.Customer == "" {
		t.Errorf("it buys as %q", got.Customer)
	}
	if got := writes(s, s.Token("alice", "d2-gamers", 2)); got != "SEAT_REQUIRED" {
		t.Errorf("whoever had a seat: got %q", got)
	}
}
