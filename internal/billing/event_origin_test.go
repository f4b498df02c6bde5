package billing

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/stripe"
)

// comesAs stores an event about sub_1 of an instance of Stripe's and applies it, as the inbox
// does.
func (f *fixture) comesAs(instance string, attempt int) error {
	f.t.Helper()
	const kind = "customer.subscription.updated"
	body := about("sub_1", "cus_1")
	id, err := f.delivery(f.t.Context(), Consumer, providerStripe, kind, body)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.Consumer().Apply(f.t.Context(), inbox.Event{
		ID: id, Provider: providerStripe, Kind: kind, Instance: instance, Body: []byte(body), Attempt: attempt,
	})
}

// An event of another mode or account changes nothing here, although it is signed and names
// a customer of ours.
func TestAnEventOfAnotherModeOrAccountIsNotApplied(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	live := f.till.stripeWith("rk_live_1")
	for _, c := range []struct {
		stripe   *stripe.Client
		instance string
		mended   bool // it is applied
		refused  bool // with an error, and an alert
	}{
		{f.stripe, "test", true, false},
		{f.stripe, "", true, false}, // an event that says neither
		{f.stripe, "live", false, true},
		{f.stripe, "acct_own:live", false, true},
		{f.stripe, "acct_own:test", true, false},
		{f.stripe, "acct_other:test", false, false},
		{f.stripe, "acct_other:", false, false},
		{live, "live", true, false},
		{live, "test", false, true},
		{live, "acct_other:live", false, false},
	} {
		f.stripe = c.stripe
		f.exec(`UPDATE licenses SET purchased = 5`)
		f.till.did(func() { f.till.subscriptions["sub_1"].quantity = 6 })
		f.exec(`UPDATE subscriptions SET quantity = 5, seats = 5`)
		f.alarmed()
		for attempt := 1; attempt <= 2; attempt++ {
			err := f.comesAs(c.instance, attempt)
			if errors.Is(err, errOtherMode) != c.refused || err != nil && !c.refused {
				t.Errorf("%s for %q: got %v", c.instance, c.stripe.Mode(), err)
			}
			if got, want := fmt.Sprintf("%T", err), fmt.Sprintf("%T", inbox.Permanent(nil)); c.refused && got != want {
				t.Errorf("%s for %q: got a %s, want what is never tried again", c.instance, c.stripe.Mode(), got)
			}
		}
		want := 5
		if c.mended {
			want = 6
		}
		if got := f.summary(ours).Purchased; int(got) != want {
			t.Errorf("%s for %q: %d seats, want %d", c.instance, c.stripe.Mode(), got, want)
		}
		if got := f.alarmed(); slices.Contains(got, alertMode) != c.refused || c.refused && len(got) != 1 {
			t.Errorf("%s for %q: alerts %v", c.instance, c.stripe.Mode(), got)
		}
	}
}

// A key that may not read its own account compares nothing: the event is a hint like any
// other. While Stripe cannot be asked, the event waits.
func TestAnAccountThatCannotBeReadIsNotCompared(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.till.did(func() {
		f.till.subscriptions["sub_1"].quantity = 7
		f.till.broken["account"] = http.StatusServiceUnavailable
	})
	if err := f.comesAs("acct_x:test", 1); !errors.Is(err, stripe.Unavailable) {
		t.Errorf("got %v, want that Stripe cannot be asked", err)
	}
	f.till.did(func() { f.till.broken["account"] = http.StatusForbidden })
	if err := f.comesAs("acct_x:test", 1); err != nil {
		t.Error(err)
	}
	if got := f.summary(ours).Purchased; got != 7 {
		t.Errorf("%d seats, want 7", got)
	}
}
