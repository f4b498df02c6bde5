package account_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestSessionsExpireAfterADay(t *testing.T) {
	t.Parallel()
	clock := sandboxtest.NewClock()
	s := sandboxtest.NewStripe(t, sandbox.Options{Now: clock.Now})
	c := s.NewCustomer(t)
	session := s.NewCheckout(t, c.ID, 5)
	s.DropEvents(t)
	clock.Advance(24 * time.Hour)
	got := sandboxtest.Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.Get(session.ID, nil))
	if got.Status != "expired" || got.URL != "" {
		t.Errorf("session = %+v", got)
	}
	s.Want(t, "checkout.session.expired")
	sandboxtest.Call(t, "POST", s.URL+"/sandbox/checkout/"+session.ID+"/complete", `{}`, 400)
	_, err := s.CheckoutSessions.Expire(session.ID, &stripe.CheckoutSessionExpireParams{})
	sandboxtest.WantStripeError(t, "expired twice", err, 400, "", "")
}

func TestTheQuantityOfACheckoutStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	c := s.NewCustomer(t)
	at := s.URL + "/sandbox/checkout/" + s.NewCheckout(t, c.ID, 5).ID + "/complete"
	for _, body := range []string{`{"quantity":0}`, `{"quantity":10001}`, `{"quantity":-3}`, `{"quantity":1.5}`, `{"outcome":"free"}`, `{"nonsense":1}`} {
		sandboxtest.Call(t, "POST", at, body, 400)
	}
	fixed := sandboxtest.CheckoutParams(s, c.ID, 5)
	fixed.LineItems[0].AdjustableQuantity = nil
	made := sandboxtest.Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.New(fixed))
	sandboxtest.Call(t, "POST", s.URL+"/sandbox/checkout/"+made.ID+"/complete", `{"quantity":6}`, 400)
	sandboxtest.Call(t, "POST", s.URL+"/sandbox/checkout/cs_no/complete", `{}`, 404)
	if done := sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+made.ID+"/complete", `{"quantity":5}`); done.AmountTotal != 5000 {
		t.Errorf("session = %+v", done)
	}
	if list := s.CheckoutSessions.List(&stripe.CheckoutSessionListParams{Customer: stripe.String(c.ID), Status: stripe.String("open")}).CheckoutSessionList(); len(list.Data) != 1 {
		t.Errorf("open sessions = %+v", list)
	}
}

func TestADeclinedCardCanBeReplacedInTheSameSession(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	c := s.NewCustomer(t)
	session := s.NewCheckout(t, c.ID, 5)
	s.DropEvents(t)
	at := "/checkout/" + session.ID + "/complete"
	if got := sandboxtest.Control[stripe.CheckoutSession](t, s, at, `{"outcome":"declined"}`); got.Status != "open" || got.PaymentStatus != "unpaid" {
		t.Errorf("session = %+v", got)
	}
	s.Want(t, "charge.failed", "invoice.created", "customer.subscription.created", "invoice.updated", "invoice.updated", "invoice.finalized",
		"payment_intent.created", "payment_intent.payment_failed", "invoice.payment_failed")
	list := s.Subscriptions.List(&stripe.SubscriptionListParams{Customer: stripe.String(c.ID)}).SubscriptionList().Data
	if len(list) != 1 || list[0].Status != "incomplete" {
		t.Fatalf("subscriptions = %+v", list)
	}
	done := sandboxtest.Control[stripe.CheckoutSession](t, s, at, `{"outcome":"paid"}`)
	s.Want(t, "charge.succeeded", "payment_method.attached", "invoice.updated", "customer.subscription.updated", "invoice.paid",
		"invoice.payment_succeeded", "payment_intent.succeeded", "checkout.session.completed")
	if done.Subscription.ID != list[0].ID || s.Subscription(t, list[0].ID).Status != "active" {
		t.Errorf("session = %+v", done)
	}
	sandboxtest.Call(t, http.MethodPost, s.URL+"/sandbox"+at, `{}`, 400) // it is complete

	// With another quantity it is another subscription.
	session = s.NewCheckout(t, s.NewCustomer(t).ID, 5)
	sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"outcome":"declined"}`)
	done = sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"quantity":6}`)
	both := s.Subscriptions.List(&stripe.SubscriptionListParams{Customer: stripe.String(done.Customer.ID), Status: stripe.String("all")}).SubscriptionList().Data
	if len(both) != 2 || both[0].Status != "active" || both[0].Items.Data[0].Quantity != 6 || both[1].Status != "incomplete_expired" || both[0].ID != done.Subscription.ID {
		t.Errorf("subscriptions = %+v", both)
	}

	// A session that ends takes the incomplete subscription with it.
	session = s.NewCheckout(t, c.ID, 5)
	sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"outcome":"declined"}`)
	s.DropEvents(t)
	sandboxtest.Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.Expire(session.ID, &stripe.CheckoutSessionExpireParams{}))
	s.Want(t, "payment_intent.canceled", "invoice.voided", "customer.subscription.updated", "checkout.session.expired")
}

func TestAPaymentThatTakesDaysIsSettledLater(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	for paid, status := range map[string]string{"true": "active", "false": "past_due"} {
		session := s.NewCheckout(t, s.NewCustomer(t).ID, 5)
		s.DropEvents(t)
		done := sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"outcome":"unpaid"}`)
		s.Want(t, "payment_method.attached", "invoice.created", "customer.subscription.created", "invoice.updated", "invoice.finalized",
			"customer.subscription.updated", "payment_intent.created", "payment_intent.processing", "checkout.session.completed")
		if done.Status != "complete" || done.PaymentStatus != "unpaid" {
			t.Errorf("session = %+v", done)
		}
		if sub := s.Subscription(t, done.Subscription.ID); sub.Status != "active" || sub.LatestInvoice.Status != "open" {
			t.Errorf("subscription = %s, invoice = %s", sub.Status, sub.LatestInvoice.Status)
		}
		sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/settle", `{"paid":`+paid+`}`)
		if paid == "true" {
			s.Want(t, "charge.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded", "payment_intent.succeeded",
				"checkout.session.async_payment_succeeded")
			sandboxtest.Call(t, http.MethodPost, s.URL+"/sandbox/checkout/"+session.ID+"/settle", `{"paid":true}`, 400)
		} else {
			s.Want(t, "charge.failed", "invoice.updated", "customer.subscription.updated", "payment_intent.payment_failed",
				"invoice.payment_failed", "checkout.session.async_payment_failed")
		}
		if got := s.Subscription(t, done.Subscription.ID).Status; string(got) != status {
			t.Errorf("status = %s, want %s", got, status)
		}
	}
}
