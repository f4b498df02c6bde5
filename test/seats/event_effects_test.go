package seats

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v76/webhook"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// told are the events of the kind that Stripe has sent, newest first, as they were sent.
func (s *shop) told(kind string) []map[string]any {
	s.T.Helper()
	var list struct{ Data []map[string]any }
	s.stripe(http.MethodGet, "/v1/events", url.Values{"type": {kind}, "limit": {"100"}}, &list)
	return list.Data
}

// tells sends an event to the server, signed now, and answers the status.
func (s *shop) tells(event map[string]any) int {
	s.T.Helper()
	body, err := json.Marshal(event)
	if err != nil {
		s.T.Fatal(err)
	}
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: s.Sandbox.StripeWebhookSecret()})
	request, err := http.NewRequestWithContext(s.T.Context(), http.MethodPost, s.URL+server.StripeEventsPath, strings.NewReader(string(body)))
	if err != nil {
		s.T.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("Stripe-Signature", signed.Header)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.T.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// tries does what control does, and answers whether the sandbox took it.
func (s *shop) tries(path, body string) bool {
	s.T.Helper()
	answer, err := http.Post(s.Box+path, "application/json", strings.NewReader(body))
	if err != nil {
		s.T.Fatal(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode == http.StatusOK
}

// Refunds and disputes move no seat. They are told of once, however often the same event
// comes.
func TestARefundAndADisputeMoveNoSeatAndAreToldOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora", "p1")
	p1 := s.buyer("p1", "new-co")
	subscription := nora.buys(2)
	nora.has("ACTIVE", 2, 0, 0)
	nora.assigns("p1")
	s.Control(http.MethodPost, "/sandbox/subscriptions/"+subscription+"/refund", `{"amount": 1}`)
	s.Control(http.MethodPost, "/sandbox/subscriptions/"+subscription+"/dispute", "")
	s.rests()
	for kind, method := range map[string]string{"charge.refunded": "licensing.refund", "charge.dispute.created": "licensing.dispute"} {
		event := s.told(kind)[0]
		for range 4 {
			if got := s.tells(event); got != http.StatusNoContent {
				t.Errorf("%s again: %d", kind, got)
			}
		}
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				for range 3 {
					if got := s.tells(event); got != http.StatusNoContent {
						t.Errorf("%s again, at once: %d", kind, got)
					}
				}
			})
		}
		all.Wait()
		s.rests()
		if n := s.count(`SELECT count(*) FROM audit_events WHERE method = $1 AND tenant_id = $2`, method, s.idOf("new-co")); n != 1 {
			t.Errorf("%d lines of %s, want 1", n, kind)
		}
	}
	if n := strings.Count(s.Log.String(), `"kind":"refund"`) + strings.Count(s.Log.String(), `"kind":"dispute"`); n != 2 {
		t.Errorf("%d alerts, want 2", n)
	}
	nora.has("ACTIVE", 2, 1, 0)
	if got := p1.works(); got != "" {
		t.Errorf("who has a seat: got %q", got)
	}
}

// What is said late of a subscription that is over does nothing to the one that came
// after it, and brings nothing back.
func TestLateNewsOfAnOldSubscriptionChangeNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora", "p1")
	p1 := s.buyer("p1", "new-co")
	nora.buys(4)
	nora.has("ACTIVE", 4, 0, 0)
	nora.assigns("p1")
	nora.portal(`{"cancel": "now"}`)
	nora.has("CANCELED", 0, 1, 1)
	s.rests()
	var late []map[string]any
	for _, kind := range []string{"customer.subscription.deleted", "customer.subscription.updated", "customer.subscription.created", "checkout.session.completed", "invoice.paid"} {
		late = append(late, s.told(kind)...)
	}
	say := func(as string) {
		t.Helper()
		for i, event := range late {
			event["id"] = fmt.Sprintf("evt_late%s%d", as, i) // an event of its own, as Stripe may make for the same change
			if got := s.tells(event); got != http.StatusNoContent {
				t.Errorf("late news: %d", got)
			}
		}
		s.rests()
	}
	say("A")
	nora.has("CANCELED", 0, 1, 1)
	if got := p1.works(); got != "SEAT_REQUIRED" {
		t.Errorf("late news of what is over brought it back: got %q", got)
	}
	nora.buys(2)
	nora.has("ACTIVE", 2, 1, 0)
	say("B")
	nora.has("ACTIVE", 2, 1, 0)
	if got := p1.works(); got != "" {
		t.Errorf("late news of the old subscription ended the new one: got %q", got)
	}
}

// What an event says is not taken for true: it only says whom to ask about.
func TestWhatAnEventSaysIsNotTakenForTrue(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora, olga := s.found("new-co", "nora"), s.found("old-co", "olga")
	nora.buys(2)
	nora.has("ACTIVE", 2, 0, 0)
	s.rests()
	theirs := s.customers("new-co")[0]
	for i, lie := range []string{
		`{"object":"subscription","id":"sub_lie","customer":%q,"status":"active","quantity":1000,"items":{"data":[{"quantity":1000,"price":{"id":%q}}]}}`,
		`{"object":"subscription","id":"sub_lie","customer":%q,"status":"canceled","metadata":{"organization_id":"org_acme"},"items":{"data":[{"price":{"id":%q}}]}}`,
		`{"object":"checkout.session","id":"cs_lie","customer":%q,"client_reference_id":"org_acme","payment_status":"paid","metadata":{"price":%q}}`,
	} {
		var object map[string]any
		if err := json.Unmarshal(fmt.Appendf(nil, lie, theirs, s.Sandbox.SeatPrice()), &object); err != nil {
			t.Fatal(err)
		}
		object["client_reference_id"] = s.idOf("old-co")
		object["metadata"] = map[string]any{"organization_id": s.idOf("old-co")}
		kind := []string{"customer.subscription.updated", "customer.subscription.deleted", "checkout.session.completed"}[i]
		event := map[string]any{"id": fmt.Sprintf("evt_lie%d", i), "object": "event", "type": kind, "api_version": "2023-10-16", "livemode": false, "data": map[string]any{"object": object}}
		if got := s.tells(event); got != http.StatusNoContent {
			t.Errorf("%s: %d", kind, got)
		}
	}
	s.rests()
	nora.has("ACTIVE", 2, 0, 0)
	olga.has("NONE", 0, 0, 0)
}

// What Stripe refuses to say to an event is asked again, until it is said.
func TestAnEventWhoseWorkFailsIsDoneLater(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora")
	subscription := nora.buys(2)
	nora.has("ACTIVE", 2, 0, 0)
	s.rests()
	s.Control(http.MethodPost, "/sandbox/faults", `{"service": "stripe", "method": "GET", "path": "/subscriptions", "status": 403, "times": 3}`)
	s.advance(subscription, "failed")
	nora.has("PAST_DUE", 2, 0, 0)
	if !strings.Contains(s.Log.String(), "event not applied") {
		t.Error("the event was applied at the first attempt: Stripe refused nothing")
	}
	s.rests()
}

// However two purchases of one organization interleave, one subscription comes of them.
func TestOfTwoPurchasesOneSubscriptionComes(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	for i, order := range [][]string{
		{"open 5", "open 3", "pay 5", "pay 3"}, {"open 5", "open 3", "pay 3", "pay 5"}, {"open 5", "pay 5", "open 3", "pay 3"},
		{"open 3", "open 5", "pay 5", "pay 3"}, {"open 3", "open 5", "pay 3", "pay 5"}, {"open 3", "pay 3", "open 5", "pay 5"},
	} {
		org := fmt.Sprintf("org-%d", i)
		nora := s.found(org, fmt.Sprintf("nora%d", i))
		pages, paid := map[string]string{}, ""
		for _, step := range order {
			what, quantity, _ := strings.Cut(step, " ")
			switch what {
			case "open":
				n := map[string]int32{"5": 5, "3": 3}[quantity]
				answer, err := nora.licensing.CreateCheckoutSession(t.Context(), &teamtaskv1.CreateCheckoutSessionRequest{Quantity: n, SuccessPath: "/", CancelPath: "/"})
				if got := stacktest.RefusalOf(t, err).Reason; paid != "" && got != "SUBSCRIPTION_EXISTS" || paid == "" && got != "" {
					t.Errorf("%v: %s: got %q", order, step, got)
				}
				pages[quantity] = lastOf(answer.GetUrl())
			case "pay":
				if pages[quantity] != "" && s.tries("/sandbox/checkout/"+pages[quantity]+"/complete", `{}`) {
					if paid != "" {
						t.Errorf("%v: paid twice", order)
					}
					paid = quantity
				}
			}
		}
		s.Until("the purchase is known", func() bool { return fmt.Sprint(nora.license().GetPurchased()) == paid })
		var live []string
		for _, subscription := range s.subscriptions(org) {
			live = append(live, strings.SplitN(subscription, " ", 2)[1])
		}
		if diff := cmp.Diff([]string{"active " + paid}, live); diff != "" {
			t.Errorf("%v (-want +got):\n%s", order, diff)
		}
	}
}

// Whoever passes one seat around among many is seen to.
func TestASeatThatIsPassedAroundIsAudited(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora", "p1", "p2")
	nora.buys(1)
	nora.has("ACTIVE", 1, 0, 0)
	for i := range 4 {
		from, to := fmt.Sprintf("p%d", 1+i%2), fmt.Sprintf("p%d", 1+(i+1)%2)
		if _, err := nora.licensing.RevokeSeat(t.Context(), &teamtaskv1.RevokeSeatRequest{UserId: "user_" + from}); err != nil {
			t.Fatal(err)
		}
		nora.assigns(to)
		nora.refuses(from, exhaustedAt(1, 1))
	}
	if n := s.count(`SELECT count(*) FROM audit_events WHERE actor = 'user_nora' AND method IN ($1, $2) AND outcome = 'ok' AND details ? 'licensed'`, stacktest.AssignSeat, stacktest.RevokeSeat); n != 7 {
		t.Errorf("%d lines of seats that changed hands, want 7", n)
	}
	s.shown("new-co", "p1") // within Clerk's limits, and the last wish at last
}
