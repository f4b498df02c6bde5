package seats

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// clicks sends a form of a page of Stripe, and answers where it leads to, or the page.
func (s *shop) clicks(page string, form url.Values) (location, text string) {
	s.T.Helper()
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := stay.PostForm(page, form)
	if err != nil {
		s.T.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= http.StatusInternalServerError {
		s.T.Fatalf("%s: %d %s %v", page, answer.StatusCode, body, err)
	}
	return answer.Header.Get("Location"), string(body)
}

// A buyer may change the quantity on the page, pays there and comes back to the frontend;
// what is added later in the portal is charged for the rest of the month too, with the next
// invoice or, by STRIPE_PRORATION, at once.
func TestABuyerPaysOnStripesPagesAndComesBack(t *testing.T) {
	t.Parallel()
	for proration, atOnce := range map[string]bool{"": false, "always_invoice": true} {
		t.Run(proration, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{}
			if proration != "" {
				env["STRIPE_PRORATION"] = proration
			}
			buysOnPages(t, newShop(t, env), atOnce)
		})
	}
}

func buysOnPages(t *testing.T, s *shop, atOnce bool) {
	t.Helper()
	nora := s.found("new-co", "nora")
	answer, err := nora.licensing.CreateCheckoutSession(t.Context(), &teamtaskv1.CreateCheckoutSessionRequest{
		Quantity: 2, SuccessPath: "/bought?session={CHECKOUT_SESSION_ID}#seats", CancelPath: "/seats?left=1",
	})
	if err != nil {
		t.Fatal(err)
	}
	page := answer.GetUrl()
	if to, _ := s.clicks(page, url.Values{"outcome": {"back"}}); to != "https://app.example.com/seats?left=1" {
		t.Errorf("back leads to %q", to)
	}
	if to, text := s.clicks(page, url.Values{"outcome": {"declined"}}); to != "" || !strings.Contains(text, "<form") {
		t.Errorf("a declined card leads to %q: %s", to, text)
	}
	if to, _ := s.clicks(page, url.Values{"outcome": {"paid"}, "quantity": {"4"}}); to != "https://app.example.com/bought?session="+lastOf(page)+"#seats" {
		t.Errorf("paying leads to %q", to)
	}
	nora.has("ACTIVE", 4, 0, 0)

	visit, err := nora.licensing.CreatePortalSession(t.Context(), &teamtaskv1.CreatePortalSessionRequest{ReturnPath: "/seats"})
	if err != nil {
		t.Fatal(err)
	}
	paid := s.paid("new-co")
	if _, text := s.clicks(visit.GetUrl(), url.Values{"do": {"change"}, "quantity": {"9"}}); strings.Contains(text, "does not let") {
		t.Errorf("the portal does not let the quantity be changed: %s", text)
	}
	nora.has("ACTIVE", 9, 0, 0)
	if more := s.paid("new-co") - paid; more > 0 != atOnce {
		t.Errorf("five seats more were charged with %d, want them charged at once: %t", more, atOnce)
	}
	s.clicks(visit.GetUrl(), url.Values{"do": {"cancel"}})
	s.Until("the end is known", func() bool { return nora.license().GetCancelTime() != nil })
	s.clicks(visit.GetUrl(), url.Values{"do": {"resume"}})
	s.Until("the end is taken back", func() bool { return nora.license().GetCancelTime() == nil })
	nora.has("ACTIVE", 9, 0, 0)
	s.advance(strings.Fields(s.subscriptions("new-co")[0])[0], "paid")
	const month, rest = 9 * 1000, 4900 // of five seats, to within a day
	if total := s.paid("new-co") - paid; total < month+rest {
		t.Errorf("a month of nine seats and the rest of one of five were charged with %d", total)
	}
}

// paid is what the organization has paid until now.
func (s *shop) paid(org string) int {
	s.T.Helper()
	var list struct {
		Data []struct {
			AmountPaid int `json:"amount_paid"`
		}
	}
	s.stripe(http.MethodGet, "/v1/invoices", url.Values{"customer": {s.customers(org)[0]}, "limit": {"100"}}, &list)
	sum := 0
	for _, invoice := range list.Data {
		sum += invoice.AmountPaid
	}
	return sum
}
