package account_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

// The whole life of a subscription, with the events that Stripe sends of it.
func TestASubscriptionFromItsPurchaseToItsEnd(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	c := s.NewCustomer(t)
	s.Want(t, "customer.created")
	session := s.NewCheckout(t, c.ID, 5)
	if session.Status != "open" || session.URL != s.URL+"/stripe/checkout/"+session.ID || !strings.HasPrefix(session.ID, "cs_test_") || session.AmountTotal != 5000 {
		t.Errorf("session = %+v", session)
	}

	// Bought, with another quantity than was offered.
	done := sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"quantity":6,"outcome":"paid"}`)
	all := s.Want(t, "charge.succeeded", "payment_method.attached", "invoice.created", "customer.subscription.created", "invoice.updated",
		"invoice.updated", "invoice.finalized", "customer.subscription.updated", "invoice.paid", "invoice.payment_succeeded",
		"payment_intent.created", "payment_intent.succeeded", "checkout.session.completed")
	created := all["customer.subscription.created"]
	if got := created.GetObjectValue("status"); got != "incomplete" {
		t.Errorf("created as %s", got)
	}
	updated := all["customer.subscription.updated"]
	if updated.GetObjectValue("status") != "active" || updated.GetPreviousValue("status") != "incomplete" || updated.APIVersion != "2023-10-16" {
		t.Errorf("updated = %+v", updated)
	}
	if done.Status != "complete" || done.PaymentStatus != "paid" || done.AmountTotal != 6000 || done.URL != "" || done.Customer.ID != c.ID {
		t.Errorf("session = %+v", done)
	}
	sub := s.Subscription(t, done.Subscription.ID)
	if sub.Status != "active" || sub.Items.Data[0].Quantity != 6 || sub.Metadata["organization_id"] != "org_acme" || sub.LatestInvoice.Status != "paid" {
		t.Errorf("subscription = %+v", sub)
	}

	// Up and down in the portal.
	at := "/portal/" + s.NewPortalSession(t, c.ID, "always_invoice", "at_period_end").ID
	sandboxtest.Control[stripe.Subscription](t, s, at, `{"quantity":8}`)
	all = s.Want(t, "customer.subscription.updated", "invoiceitem.created", "invoiceitem.created", "invoice.created", "payment_intent.created",
		"invoice.updated", "invoice.finalized", "charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid",
		"invoice.payment_succeeded")
	if was := all["customer.subscription.updated"].Data.PreviousAttributes; was["quantity"] != 6.0 || was["items"] == nil {
		t.Errorf("previous = %v", was)
	}
	if i := s.Subscription(t, sub.ID).LatestInvoice; i.Status != "paid" || i.BillingReason != "subscription_update" || i.Total < 1990 || i.Total > 2000 {
		t.Errorf("invoice = %s %s %d", i.Status, i.BillingReason, i.Total)
	}
	sandboxtest.Control[stripe.Subscription](t, s, at, `{"quantity":3}`)
	s.Want(t, "customer.subscription.updated", "invoiceitem.created", "invoiceitem.created", "invoice.created", "invoice.updated",
		"invoice.finalized", "invoice.updated", "invoice.paid", "invoice.payment_succeeded")
	if balance := sandboxtest.Must[*stripe.Customer](t)(s.Customers.Get(c.ID, nil)).Balance; balance > -4990 {
		t.Errorf("balance = %d, want about 5000 to the customer's good", balance)
	}

	// A renewal that is not paid, twice, and then is.
	advance := "/subscriptions/" + sub.ID + "/advance"
	before := s.Subscription(t, sub.ID).CurrentPeriodEnd
	renewed := sandboxtest.Control[stripe.Subscription](t, s, advance, `{"payment":"paid"}`) // from the credit
	if renewed.CurrentPeriodStart != before || renewed.CurrentPeriodEnd <= before || renewed.Status != "active" {
		t.Errorf("period = %d to %d, want it from %d", renewed.CurrentPeriodStart, renewed.CurrentPeriodEnd, before)
	}
	s.Want(t, "customer.subscription.updated", "invoice.created", "invoice.updated", "invoice.finalized", "invoice.updated", "invoice.paid",
		"invoice.payment_succeeded")
	failed := sandboxtest.Control[stripe.Subscription](t, s, advance, `{"payment":"failed"}`)
	s.Want(t, "customer.subscription.updated", "invoice.created", "payment_intent.created", "invoice.updated", "invoice.finalized",
		"charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed", "customer.subscription.updated")
	if due := s.Subscription(t, sub.ID).LatestInvoice.AmountDue; failed.Status != "past_due" || due != 3000 {
		t.Errorf("status = %s with %d due, want past_due with 3000 and no credit", failed.Status, due)
	}
	failed = sandboxtest.Control[stripe.Subscription](t, s, advance, `{"payment":"failed"}`)
	s.Want(t, "charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed", "customer.subscription.updated")
	if failed.Status != "unpaid" {
		t.Errorf("status = %s", failed.Status)
	}
	paid := sandboxtest.Control[stripe.Subscription](t, s, advance, `{"payment":"paid"}`)
	s.Want(t, "charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded",
		"customer.subscription.updated")
	if paid.Status != "active" {
		t.Errorf("status = %s", paid.Status)
	}

	// Leaving, staying, and leaving for good.
	leaving := sandboxtest.Control[stripe.Subscription](t, s, at, `{"cancel":"period_end"}`)
	s.Want(t, "customer.subscription.updated")
	if !leaving.CancelAtPeriodEnd || leaving.CancelAt != leaving.CurrentPeriodEnd || leaving.Status != "active" {
		t.Errorf("leaving = %+v", leaving)
	}
	if sandboxtest.Control[stripe.Subscription](t, s, at, `{"resume":true}`).CancelAtPeriodEnd {
		t.Error("still leaving")
	}
	s.Want(t, "customer.subscription.updated")
	sandboxtest.Control[stripe.Subscription](t, s, at, `{"cancel":"period_end"}`)
	if ended := sandboxtest.Control[stripe.Subscription](t, s, advance, `{}`); ended.Status != "canceled" || ended.EndedAt == 0 {
		t.Errorf("ended = %+v", ended)
	}
	s.Want(t, "customer.subscription.updated", "customer.subscription.deleted")

	// And once more, until it is canceled at once.
	session = s.NewCheckout(t, c.ID, 2)
	sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", ``)
	if ended := sandboxtest.Control[stripe.Subscription](t, s, at, `{"cancel":"now"}`); ended.Status != "canceled" || ended.ID == sub.ID {
		t.Errorf("ended = %+v", ended)
	}
	sandboxtest.Call(t, http.MethodPost, s.URL+"/sandbox"+at, `{"cancel":"now"}`, 400)
}

func TestATrialEndsWithItsFirstPayment(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	for payment, status := range map[string]stripe.SubscriptionStatus{"paid": "active", "failed": "past_due"} {
		params := sandboxtest.CheckoutParams(s, s.NewCustomer(t).ID, 5)
		params.SubscriptionData.TrialPeriodDays = stripe.Int64(14)
		session := sandboxtest.Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.New(params))
		done := sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{}`)
		sub := s.Subscription(t, done.Subscription.ID)
		if done.PaymentStatus != "no_payment_required" || sub.Status != "trialing" || sub.TrialEnd == 0 || sub.LatestInvoice.Total != 0 || sub.LatestInvoice.Status != "paid" {
			t.Errorf("session = %s, subscription = %+v", done.PaymentStatus, sub)
		}
		after := sandboxtest.Control[stripe.Subscription](t, s, "/subscriptions/"+sub.ID+"/advance", `{"payment":"`+payment+`"}`)
		if after.Status != status || after.CurrentPeriodStart != sub.TrialEnd {
			t.Errorf("after the trial: %+v", after)
		}
	}
}

func TestAPausedSubscriptionIsResumedWithAPayment(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Buy(t, 5)
	if _, err := s.Subscriptions.Resume(sub.ID, &stripe.SubscriptionResumeParams{}); err == nil {
		t.Error("an active subscription was resumed")
	}
	at := "/subscriptions/" + sub.ID
	if got := sandboxtest.Control[stripe.Subscription](t, s, at+"/pause", ``); got.Status != "paused" {
		t.Errorf("status = %s", got.Status)
	}
	s.Want(t, "customer.subscription.updated", "customer.subscription.paused")
	sandboxtest.Call(t, http.MethodPost, s.URL+"/sandbox"+at+"/advance", `{}`, 400)
	if got := sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Resume(sub.ID, &stripe.SubscriptionResumeParams{})); got.Status != "active" {
		t.Errorf("status = %s", got.Status)
	}
	s.Want(t, "customer.subscription.updated", "invoice.created", "payment_intent.created", "invoice.updated", "invoice.finalized",
		"charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded",
		"customer.subscription.resumed")
	sandboxtest.Control[stripe.Subscription](t, s, at+"/pause", ``)
	if got := sandboxtest.Control[stripe.Subscription](t, s, at+"/resume", ``); got.Status != "active" {
		t.Errorf("status = %s", got.Status)
	}
}

func TestADeletedCustomerLosesTheSubscription(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Buy(t, 5)
	if gone := sandboxtest.Must[*stripe.Customer](t)(s.Customers.Del(sub.Customer.ID, &stripe.CustomerParams{})); !gone.Deleted {
		t.Errorf("gone = %+v", gone)
	}
	s.Want(t, "customer.subscription.deleted", "customer.deleted")
	if c := sandboxtest.Must[*stripe.Customer](t)(s.Customers.Get(sub.Customer.ID, nil)); !c.Deleted {
		t.Errorf("customer = %+v", c)
	}
	if got := s.Subscription(t, sub.ID).Status; got != "canceled" {
		t.Errorf("status = %s", got)
	}
	_, err := s.CheckoutSessions.New(sandboxtest.CheckoutParams(s, sub.Customer.ID, 1))
	sandboxtest.WantStripeError(t, "a checkout", err, 400, "resource_missing", "customer")
	_, err = s.Customers.Update(sub.Customer.ID, &stripe.CustomerParams{Name: stripe.String("back")})
	sandboxtest.WantStripeError(t, "an update", err, 404, "resource_missing", "id")
}
