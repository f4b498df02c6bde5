package stripe_test

import (
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

// A lie about a subscription shows the change, makes none and sends no event.
func TestALieAboutASubscriptionChangesNothing(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Buy(t, 5)
	s.NewCheckout(t, sub.Customer.ID, 1)
	sandboxtest.Clerk{URL: s.URL}.InjectFailure(t, `{"service":"stripe","lie":true,"times":3}`)
	more := &stripe.SubscriptionItemParams{Quantity: stripe.Int64(9), ProrationBehavior: stripe.String("always_invoice")}
	if got := sandboxtest.Must[*stripe.SubscriptionItem](t)(s.SubscriptionItems.Update(sub.Items.Data[0].ID, more)); got.Quantity != 9 {
		t.Errorf("the lie says %d", got.Quantity)
	}
	if got := sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Cancel(sub.ID, &stripe.SubscriptionCancelParams{})); got.Status != "canceled" {
		t.Errorf("the lie says %s", got.Status)
	}
	if _, err := s.Customers.Del(sub.Customer.ID, &stripe.CustomerParams{}); err != nil {
		t.Error(err)
	}
	got := s.Subscription(t, sub.ID)
	if got.Items.Data[0].Quantity != 5 || got.Status != "active" || got.LatestInvoice.ID != sub.LatestInvoice.ID || got.Customer.ID != sub.Customer.ID {
		t.Errorf("the lie changed %+v", got)
	}
	sandboxtest.Must[*stripe.Customer](t)(s.Customers.Get(sub.Customer.ID, nil))
	s.Want(t)
}

func TestStripesFailuresAndWhatAKeySaves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fault string
		status      int
		made        int // by the first request
		replayed    int // status of the second request with the key
		replay      bool
		total       int
	}{
		{"failed and applied", `"status":500,"apply_first":true`, 500, 1, 200, true, 1},
		{"lost behind a proxy", `"status":502,"apply_first":true`, 502, 1, 200, true, 1},
		{"failed", `"status":500`, 500, 0, 500, true, 0},
		{"a proxy failed", `"status":503`, 503, 0, 200, false, 1},
		{"too many", `"status":429,"retry_after":3`, 429, 0, 200, false, 1},
		{"locked", `"status":409`, 409, 0, 200, false, 1},
		{"a lie", `"lie":true`, 200, 0, 200, false, 1},
		{"late", `"delay_ms":20`, 200, 1, 200, true, 1},
		{"HTML", `"status":502,"body":"<html>Bad gateway</html>"`, 502, 0, 200, false, 1},
		{"broken JSON", `"body":"{\"id\":"`, 200, 0, 200, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := sandboxtest.NewStripe(t, sandbox.Options{})
			was := s.CountCustomers(t)
			sandboxtest.Clerk{URL: s.URL}.InjectFailure(t, `{"service":"stripe","method":"POST","path":"/v1/customers",`+c.fault+`}`)
			first := s.Post(t, "/customers", "k", "name=Acme")
			if got := s.CountCustomers(t) - was; first.Status != c.status || got != c.made {
				t.Errorf("first: %d %s, %d made; want %d and %d", first.Status, first.Body, got, c.status, c.made)
			}
			again := s.Post(t, "/customers", "k", "name=Acme")
			if got := s.CountCustomers(t) - was; again.Status != c.replayed || (again.Header.Get("Idempotent-Replayed") == "true") != c.replay || got != c.total {
				t.Errorf("again: %d %s %v, %d made; want %d and %d", again.Status, again.Body, again.Header, got, c.replayed, c.total)
			}
			if c.status == 429 && first.Header.Get("Retry-After") != "3" {
				t.Errorf("Retry-After = %q", first.Header.Get("Retry-After"))
			}
		})
	}
}

func TestTheRateLimitIsToldAsStripeDoes(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sandboxtest.Clerk{URL: s.URL}.InjectFailure(t, `{"service":"stripe","status":429}`)
	_, err := s.Customers.Get("cus_d2gamers", nil)
	sandboxtest.WantStripeError(t, "rate limit", err, 429, "rate_limit", "")
}
