package billing

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/fault"
)

// declined is an organization whose card was declined on the page cs_1: sub_1 waits for its
// first payment.
func declined(t *testing.T) *fixture {
	t.Helper()
	f := shop(t)
	f.opens(3)
	f.till.declines("sub_1", "cus_made_"+ours, 3)
	if err := f.sync(t.Context(), ours, nil); err != nil {
		t.Fatal(err)
	}
	f.till.heard()
	return f
}

func TestADeclinedCardBlocksNoCheckout(t *testing.T) {
	t.Parallel()
	f := declined(t)
	if got := f.summary(ours).Status; got != statusIncomplete {
		t.Errorf("the license is %s, want that it waits for its payment", got)
	}
	if url := f.opens(3); !strings.HasSuffix(url, "cs_1") {
		t.Errorf("asked for the same: got %s, want the page that is open", url)
	}
	if got := f.till.subscriptions["sub_1"].status; got != statusIncomplete {
		t.Errorf("asked for the same: the subscription is %s", got)
	}
	f.till.heard()
	f.opens(5)
	f.wantPages("asked for something else", "cs_2")
	want := []string{"POST checkout/sessions/cs_1/expire", "POST invoices/in_sub_1/void", "DELETE subscriptions/sub_1", "POST checkout/sessions"}
	if diff := cmp.Diff(want, f.till.heard()); diff != "" {
		t.Errorf("what was asked of Stripe (-want +got):\n%s", diff)
	}
	if got := f.till.payable(); len(got) != 0 {
		t.Errorf("%v can still be paid", got)
	}
	if got := f.summary(ours).Status; got != statusCanceled {
		t.Errorf("the license is %s", got)
	}
	if got := f.texts(`SELECT target FROM audit_events WHERE method = 'licensing.subscription.cancel'`); len(got) != 1 || got[0] != "sub_1" {
		t.Errorf("the log has %v as ended, want sub_1", got)
	}
}

// What was declined where there is no page to come back to, as in the dashboard, blocks
// nothing either.
func TestAnIncompleteSubscriptionWithoutAPageBlocksNoCheckout(t *testing.T) {
	t.Parallel()
	f := declined(t)
	f.till.did(func() { f.till.sessions["cs_1"] = "expired" })
	f.till.declines("sub_2", "cus_made_"+ours, 9)
	f.opens(3)
	f.wantPages("afterwards", "cs_2")
	if got := f.till.payable(); len(got) != 0 {
		t.Errorf("%v can still be paid", got)
	}
}

// A card that is declined after the license was looked at and before the page is closed
// leaves nothing that can be paid beside the next page.
func TestACardDeclinedOnAPageThatClosesLeavesNothingToPay(t *testing.T) {
	t.Parallel()
	f := shop(t)
	f.opens(3)
	f.till.asked = func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/cs_1/expire") {
			f.till.declines("sub_1", "cus_made_"+ours, 3)
		}
	}
	f.opens(5)
	f.wantPages("afterwards", "cs_2")
	if got := f.till.payable(); len(got) != 0 {
		t.Errorf("%v can still be paid", got)
	}
}

// A payment that has come in or may come in by itself is not given up, and nothing else is
// sold meanwhile.
func TestAFirstPaymentUnderWayIsNotGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*sale)
		gone   bool // it is given up
	}{
		"processed":            {func(s *sale) { s.intent = "processing" }, false},
		"authorized":           {func(s *sale) { s.intent = "requires_capture" }, false},
		"come in":              {func(s *sale) { s.intent = "succeeded" }, false},
		"paid":                 {func(s *sale) { s.invoice = "paid" }, false},
		"active":               {func(s *sale) { s.status, s.invoice, s.intent = statusActive, "paid", "succeeded" }, false},
		"being authenticated":  {func(s *sale) { s.intent = "requires_action" }, true},
		"to be confirmed":      {func(s *sale) { s.intent = "requires_confirmation" }, true},
		"uncollectible":        {func(s *sale) { s.invoice, s.intent = "uncollectible", "requires_payment_method" }, false}, // the till voids open ones alone
		"void, and not ended":  {func(s *sale) { s.invoice, s.intent = "void", "canceled" }, true},
		"ended, and not known": {func(s *sale) { s.status, s.invoice, s.intent = statusIncompleteExpired, "void", "canceled" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := declined(t)
			f.till.did(func() { f.till.sessions["cs_1"] = "complete" })
			f.till.answered = func(path string) { // after the license was looked at
				if path == "subscriptions" {
					f.till.did(func() {
						if s := f.till.subscriptions["sub_1"]; s.status == statusIncomplete && s.invoice == "" && s.intent == "requires_payment_method" {
							c.change(s)
						}
					})
				}
			}
			_, err := f.Checkout(t.Context(), boss(ours), 5, "/a", "/b")
			ended := slices.Contains([]string{statusCanceled, statusIncompleteExpired}, f.till.subscriptions["sub_1"].status)
			if c.gone {
				if err != nil || !ended || len(f.till.payable()) != 0 {
					t.Errorf("got %v, the subscription %+v; want it to be given up", err, f.till.subscriptions["sub_1"])
				}
				f.wantPages("afterwards", "cs_2")
				return
			}
			if name != "uncollectible" && !errors.Is(err, errSubscriptionExists) || err == nil || ended {
				t.Errorf("got %v, the subscription %+v; want it to stay and SUBSCRIPTION_EXISTS", err, f.till.subscriptions["sub_1"])
			}
			f.wantPages("while a payment is awaited")
		})
	}
}

// The payment comes in between the look at it and the end of it.
func TestAPaymentThatComesInAtTheLastMomentIsKept(t *testing.T) {
	t.Parallel()
	f := declined(t)
	f.till.asked = func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/void") {
			f.till.did(func() {
				s := f.till.subscriptions["sub_1"]
				s.status, s.unpaid, s.intent = statusActive, false, "succeeded"
			})
		}
	}
	if _, err := f.Checkout(t.Context(), boss(ours), 5, "/a", "/b"); !errors.Is(err, errSubscriptionExists) {
		t.Errorf("got %v, want SUBSCRIPTION_EXISTS", err)
	}
	f.wantPages("afterwards")
	if s := f.summary(ours); s.Status != statusActive || s.Purchased != 3 {
		t.Errorf("got %s of %d seats, want 3 that work", s.Status, s.Purchased)
	}
}

// Whatever Stripe answers, there is no second thing to pay, and the next try goes through.
func TestNothingIsPayableTwiceWhateverStripeAnswers(t *testing.T) {
	t.Parallel()
	const void, cancel = "POST invoices/in_sub_1/void", "DELETE subscriptions/sub_1"
	for name, c := range map[string]struct {
		lie    string
		refuse string
		body   string
		want   error
	}{
		"the void is a lie":       {lie: void, want: fault.ProviderUnavailable},
		"the cancel is a lie":     {lie: cancel, want: fault.ProviderUnavailable},
		"the void is refused":     {refuse: void, body: `{"error":{"type":"invalid_request_error"}}`, want: errPaymentRefused},
		"the cancel is refused":   {refuse: cancel, body: `{"error":{"type":"invalid_request_error"}}`, want: errPaymentRefused},
		"no permission to void":   {refuse: void, body: `{"error":{"type":"invalid_request_error","message":"The provided key does not have the required permissions"}}`, want: errPaymentRefused},
		"it is gone at the void":  {refuse: void, body: `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"id"}}`, want: errPaymentRefused},
		"it is gone at its end":   {refuse: cancel, body: `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"id"}}`, want: errPaymentRefused},
		"the expiry is a lie":     {lie: "POST checkout/sessions/cs_1/expire", want: fault.ProviderUnavailable},
		"the expiry is forbidden": {refuse: "POST checkout/sessions/cs_1/expire", body: `{"error":{"type":"invalid_request_error"}}`, want: errPaymentRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := declined(t)
			f.till.did(func() {
				f.till.lied, f.till.refuses = map[string]bool{c.lie: true}, map[string]string{c.refuse: c.body}
			})
			_, err := f.Checkout(t.Context(), boss(ours), 5, "/a", "/b")
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if open := f.pages(); len(open)+len(f.till.payable()) > 1 && !slices.Equal(open, []string{"cs_1"}) {
				t.Errorf("pages %v are open and %v can be paid", open, f.till.payable())
			}
			f.till.did(func() { f.till.lied, f.till.refuses = nil, nil })
			f.opens(5)
			f.wantPages("once Stripe is itself again", "cs_2")
			if got := f.till.payable(); len(got) != 0 {
				t.Errorf("%v can still be paid", got)
			}
		})
	}
}

// Two servers, buyers with declined cards and different wishes: one page at most is open, and
// nothing can be paid beside it.
func TestServersThatBuyAgainstEachOtherLeaveOnePage(t *testing.T) {
	t.Parallel()
	f := shop(t)
	f.opens(1)
	other := New(Options{DB: f.db, Licensing: f.Licensing, Stripe: f.till.stripe(), Clerk: f.people, AppURL: f.appURL, Log: slog.New(slog.DiscardHandler)})
	for round := range 5 {
		var all sync.WaitGroup
		for i, server := range []*Billing{f.Billing, other, f.Billing, other} {
			all.Go(func() {
				_, err := server.Checkout(t.Context(), boss(ours), int32(10*round+i+2), "/a", "/b")
				if _, ok := errors.AsType[*fault.Fault](err); err != nil && !ok {
					t.Errorf("got %v, want a page or a fault", err)
				}
			})
		}
		all.Go(func() { f.till.declines(fmt.Sprintf("sub_%d", round), "cus_made_"+ours, 3) })
		all.Wait()
		if n := len(f.pages()); n > 1 {
			t.Fatalf("round %d: %d pages are open", round, n)
		}
	}
	f.opens(999)
	if n := len(f.pages()); n != 1 || len(f.till.payable()) != 0 {
		t.Errorf("%d pages are open, %v can be paid; want one page and nothing else", n, f.till.payable())
	}
}

func TestNothingIsLeftToPayOfAnOrganizationThatIsGone(t *testing.T) {
	t.Parallel()
	f := declined(t)
	f.people.did(func() { delete(f.people.organizations, ours) })
	f.hearsOf(ours, "")
	if err := f.cancelAll(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	f.wantPages("of an organization that is gone")
	if got := f.till.payable(); len(got) != 0 {
		t.Errorf("%v can still be paid", got)
	}
	if got := f.till.subscriptions["sub_1"].status; got != statusCanceled {
		t.Errorf("it is %s", got)
	}
}
