package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestTheStartHasFiveSeatsOfD2Gamers(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	sub := s.subscription(t, "sub_d2gamers")
	price := sub.Items.Data[0].Price
	if sub.Status != "active" || sub.Items.Data[0].Quantity != 5 || sub.Customer.ID != "cus_d2gamers" || price.ID != "price_sandboxseat" ||
		price.UnitAmount != 1000 || price.Currency != "eur" || price.Recurring.Interval != "month" || price.Product.ID != "prod_sandboxseat" {
		t.Errorf("subscription = %+v", sub)
	}
	if i := sub.LatestInvoice; i == nil || i.Status != "paid" || i.AmountPaid != 5000 || i.Subscription.ID != sub.ID {
		t.Errorf("invoice = %+v", i)
	}
	c := must[*stripe.Customer](t)(s.Customers.Get("cus_d2gamers", nil))
	if c.Metadata["organization_id"] != "org_d2gamers" || c.Name != "D2 Gamers" {
		t.Errorf("customer = %+v", c)
	}
	if list := s.Customers.List(&stripe.CustomerListParams{}).CustomerList(); len(list.Data) != 1 {
		t.Errorf("%d customers, want that of d2-gamers alone", len(list.Data))
	}
	s.told(t) // nothing
}

// The whole life of a subscription, with the events that Stripe sends of it.
func TestASubscriptionFromItsPurchaseToItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	c := s.customer(t)
	s.told(t, "customer.created")
	session := s.checkout(t, c.ID, 5)
	if session.Status != "open" || session.URL != s.url+"/stripe/checkout/"+session.ID || !strings.HasPrefix(session.ID, "cs_test_") || session.AmountTotal != 5000 {
		t.Errorf("session = %+v", session)
	}

	// Bought, with another quantity than was offered.
	done := control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"quantity":6,"outcome":"paid"}`)
	all := s.told(t, "charge.succeeded", "payment_method.attached", "invoice.created", "customer.subscription.created", "invoice.updated",
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
	sub := s.subscription(t, done.Subscription.ID)
	if sub.Status != "active" || sub.Items.Data[0].Quantity != 6 || sub.Metadata["organization_id"] != "org_acme" || sub.LatestInvoice.Status != "paid" {
		t.Errorf("subscription = %+v", sub)
	}

	// Up and down in the portal.
	at := "/portal/" + s.portal(t, c.ID, "always_invoice", "at_period_end").ID
	control[stripe.Subscription](t, s, at, `{"quantity":8}`)
	all = s.told(t, "customer.subscription.updated", "invoiceitem.created", "invoiceitem.created", "invoice.created", "payment_intent.created",
		"invoice.updated", "invoice.finalized", "charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid",
		"invoice.payment_succeeded")
	if was := all["customer.subscription.updated"].Data.PreviousAttributes; was["quantity"] != 6.0 || was["items"] == nil {
		t.Errorf("previous = %v", was)
	}
	if i := s.subscription(t, sub.ID).LatestInvoice; i.Status != "paid" || i.BillingReason != "subscription_update" || i.Total < 1990 || i.Total > 2000 {
		t.Errorf("invoice = %s %s %d", i.Status, i.BillingReason, i.Total)
	}
	control[stripe.Subscription](t, s, at, `{"quantity":3}`)
	s.told(t, "customer.subscription.updated", "invoiceitem.created", "invoiceitem.created", "invoice.created", "invoice.updated",
		"invoice.finalized", "invoice.updated", "invoice.paid", "invoice.payment_succeeded")
	if balance := must[*stripe.Customer](t)(s.Customers.Get(c.ID, nil)).Balance; balance > -4990 {
		t.Errorf("balance = %d, want about 5000 to the customer's good", balance)
	}

	// A renewal that is not paid, twice, and then is.
	advance := "/subscriptions/" + sub.ID + "/advance"
	before := s.subscription(t, sub.ID).CurrentPeriodEnd
	renewed := control[stripe.Subscription](t, s, advance, `{"payment":"paid"}`) // from the credit
	if renewed.CurrentPeriodStart != before || renewed.CurrentPeriodEnd <= before || renewed.Status != "active" {
		t.Errorf("period = %d to %d, want it from %d", renewed.CurrentPeriodStart, renewed.CurrentPeriodEnd, before)
	}
	s.told(t, "customer.subscription.updated", "invoice.created", "invoice.updated", "invoice.finalized", "invoice.updated", "invoice.paid",
		"invoice.payment_succeeded")
	failed := control[stripe.Subscription](t, s, advance, `{"payment":"failed"}`)
	s.told(t, "customer.subscription.updated", "invoice.created", "payment_intent.created", "invoice.updated", "invoice.finalized",
		"charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed", "customer.subscription.updated")
	if due := s.subscription(t, sub.ID).LatestInvoice.AmountDue; failed.Status != "past_due" || due != 3000 {
		t.Errorf("status = %s with %d due, want past_due with 3000 and no credit", failed.Status, due)
	}
	failed = control[stripe.Subscription](t, s, advance, `{"payment":"failed"}`)
	s.told(t, "charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed", "customer.subscription.updated")
	if failed.Status != "unpaid" {
		t.Errorf("status = %s", failed.Status)
	}
	paid := control[stripe.Subscription](t, s, advance, `{"payment":"paid"}`)
	s.told(t, "charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded",
		"customer.subscription.updated")
	if paid.Status != "active" {
		t.Errorf("status = %s", paid.Status)
	}

	// Leaving, staying, and leaving for good.
	leaving := control[stripe.Subscription](t, s, at, `{"cancel":"period_end"}`)
	s.told(t, "customer.subscription.updated")
	if !leaving.CancelAtPeriodEnd || leaving.CancelAt != leaving.CurrentPeriodEnd || leaving.Status != "active" {
		t.Errorf("leaving = %+v", leaving)
	}
	if control[stripe.Subscription](t, s, at, `{"resume":true}`).CancelAtPeriodEnd {
		t.Error("still leaving")
	}
	s.told(t, "customer.subscription.updated")
	control[stripe.Subscription](t, s, at, `{"cancel":"period_end"}`)
	if ended := control[stripe.Subscription](t, s, advance, `{}`); ended.Status != "canceled" || ended.EndedAt == 0 {
		t.Errorf("ended = %+v", ended)
	}
	s.told(t, "customer.subscription.updated", "customer.subscription.deleted")

	// And once more, until it is canceled at once.
	session = s.checkout(t, c.ID, 2)
	control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", ``)
	if ended := control[stripe.Subscription](t, s, at, `{"cancel":"now"}`); ended.Status != "canceled" || ended.ID == sub.ID {
		t.Errorf("ended = %+v", ended)
	}
	order(t, http.MethodPost, s.url+"/sandbox"+at, `{"cancel":"now"}`, 400)
}

func TestADeclinedCardCanBeReplacedInTheSameSession(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	c := s.customer(t)
	session := s.checkout(t, c.ID, 5)
	s.forget(t)
	at := "/checkout/" + session.ID + "/complete"
	if got := control[stripe.CheckoutSession](t, s, at, `{"outcome":"declined"}`); got.Status != "open" || got.PaymentStatus != "unpaid" {
		t.Errorf("session = %+v", got)
	}
	s.told(t, "charge.failed", "invoice.created", "customer.subscription.created", "invoice.updated", "invoice.updated", "invoice.finalized",
		"payment_intent.created", "payment_intent.payment_failed", "invoice.payment_failed")
	list := s.Subscriptions.List(&stripe.SubscriptionListParams{Customer: stripe.String(c.ID)}).SubscriptionList().Data
	if len(list) != 1 || list[0].Status != "incomplete" {
		t.Fatalf("subscriptions = %+v", list)
	}
	done := control[stripe.CheckoutSession](t, s, at, `{"outcome":"paid"}`)
	s.told(t, "charge.succeeded", "payment_method.attached", "invoice.updated", "customer.subscription.updated", "invoice.paid",
		"invoice.payment_succeeded", "payment_intent.succeeded", "checkout.session.completed")
	if done.Subscription.ID != list[0].ID || s.subscription(t, list[0].ID).Status != "active" {
		t.Errorf("session = %+v", done)
	}
	order(t, http.MethodPost, s.url+"/sandbox"+at, `{}`, 400) // it is complete

	// With another quantity it is another subscription.
	session = s.checkout(t, s.customer(t).ID, 5)
	control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"outcome":"declined"}`)
	done = control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"quantity":6}`)
	both := s.Subscriptions.List(&stripe.SubscriptionListParams{Customer: stripe.String(done.Customer.ID), Status: stripe.String("all")}).SubscriptionList().Data
	if len(both) != 2 || both[0].Status != "active" || both[0].Items.Data[0].Quantity != 6 || both[1].Status != "incomplete_expired" || both[0].ID != done.Subscription.ID {
		t.Errorf("subscriptions = %+v", both)
	}

	// A session that ends takes the incomplete subscription with it.
	session = s.checkout(t, c.ID, 5)
	control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"outcome":"declined"}`)
	s.forget(t)
	must[*stripe.CheckoutSession](t)(s.CheckoutSessions.Expire(session.ID, &stripe.CheckoutSessionExpireParams{}))
	s.told(t, "payment_intent.canceled", "invoice.voided", "customer.subscription.updated", "checkout.session.expired")
}

func TestAPaymentThatTakesDaysIsSettledLater(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	for paid, status := range map[string]string{"true": "active", "false": "past_due"} {
		session := s.checkout(t, s.customer(t).ID, 5)
		s.forget(t)
		done := control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"outcome":"unpaid"}`)
		s.told(t, "payment_method.attached", "invoice.created", "customer.subscription.created", "invoice.updated", "invoice.finalized",
			"customer.subscription.updated", "payment_intent.created", "payment_intent.processing", "checkout.session.completed")
		if done.Status != "complete" || done.PaymentStatus != "unpaid" {
			t.Errorf("session = %+v", done)
		}
		if sub := s.subscription(t, done.Subscription.ID); sub.Status != "active" || sub.LatestInvoice.Status != "open" {
			t.Errorf("subscription = %s, invoice = %s", sub.Status, sub.LatestInvoice.Status)
		}
		control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/settle", `{"paid":`+paid+`}`)
		if paid == "true" {
			s.told(t, "charge.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded", "payment_intent.succeeded",
				"checkout.session.async_payment_succeeded")
			order(t, http.MethodPost, s.url+"/sandbox/checkout/"+session.ID+"/settle", `{"paid":true}`, 400)
		} else {
			s.told(t, "charge.failed", "invoice.updated", "customer.subscription.updated", "payment_intent.payment_failed",
				"invoice.payment_failed", "checkout.session.async_payment_failed")
		}
		if got := s.subscription(t, done.Subscription.ID).Status; string(got) != status {
			t.Errorf("status = %s, want %s", got, status)
		}
	}
}

func TestATrialEndsWithItsFirstPayment(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	for payment, status := range map[string]stripe.SubscriptionStatus{"paid": "active", "failed": "past_due"} {
		params := checkoutParams(s, s.customer(t).ID, 5)
		params.SubscriptionData.TrialPeriodDays = stripe.Int64(14)
		session := must[*stripe.CheckoutSession](t)(s.CheckoutSessions.New(params))
		done := control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{}`)
		sub := s.subscription(t, done.Subscription.ID)
		if done.PaymentStatus != "no_payment_required" || sub.Status != "trialing" || sub.TrialEnd == 0 || sub.LatestInvoice.Total != 0 || sub.LatestInvoice.Status != "paid" {
			t.Errorf("session = %s, subscription = %+v", done.PaymentStatus, sub)
		}
		after := control[stripe.Subscription](t, s, "/subscriptions/"+sub.ID+"/advance", `{"payment":"`+payment+`"}`)
		if after.Status != status || after.CurrentPeriodStart != sub.TrialEnd {
			t.Errorf("after the trial: %+v", after)
		}
	}
}

func TestAPausedSubscriptionIsResumedWithAPayment(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	sub := s.bought(t, 5)
	if _, err := s.Subscriptions.Resume(sub.ID, &stripe.SubscriptionResumeParams{}); err == nil {
		t.Error("an active subscription was resumed")
	}
	at := "/subscriptions/" + sub.ID
	if got := control[stripe.Subscription](t, s, at+"/pause", ``); got.Status != "paused" {
		t.Errorf("status = %s", got.Status)
	}
	s.told(t, "customer.subscription.updated", "customer.subscription.paused")
	order(t, http.MethodPost, s.url+"/sandbox"+at+"/advance", `{}`, 400)
	if got := must[*stripe.Subscription](t)(s.Subscriptions.Resume(sub.ID, &stripe.SubscriptionResumeParams{})); got.Status != "active" {
		t.Errorf("status = %s", got.Status)
	}
	s.told(t, "customer.subscription.updated", "invoice.created", "payment_intent.created", "invoice.updated", "invoice.finalized",
		"charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded",
		"customer.subscription.resumed")
	control[stripe.Subscription](t, s, at+"/pause", ``)
	if got := control[stripe.Subscription](t, s, at+"/resume", ``); got.Status != "active" {
		t.Errorf("status = %s", got.Status)
	}
}

func TestRefundsAndDisputesLeaveTheSubscriptionAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	sub := s.bought(t, 5)
	at := "/subscriptions/" + sub.ID
	r := control[stripe.Refund](t, s, at+"/refund", `{"amount":2000}`)
	charge := must[*stripe.Charge](t)(s.Charges.Get(r.Charge.ID, nil))
	if r.Amount != 2000 || charge.AmountRefunded != 2000 || charge.Refunded || charge.Customer.ID != sub.Customer.ID || charge.Invoice.ID != sub.LatestInvoice.ID {
		t.Errorf("refund = %+v of %+v", r, charge)
	}
	must[*stripe.Refund](t)(s.Refunds.New(&stripe.RefundParams{Charge: stripe.String(charge.ID)}))
	_, err := s.Refunds.New(&stripe.RefundParams{Charge: stripe.String(charge.ID)})
	stripeRefused(t, "a third refund", err, 400, "charge_already_refunded", "")
	s.told(t, "charge.refunded", "charge.refunded")

	d := control[stripe.Dispute](t, s, at+"/dispute", ``)
	s.told(t, "charge.dispute.created")
	if got := must[*stripe.Dispute](t)(s.Disputes.Get(d.ID, nil)); got.Charge.ID != charge.ID || got.Status != "needs_response" {
		t.Errorf("dispute = %+v", got)
	}
	if got := s.subscription(t, sub.ID); got.Status != "active" || got.Items.Data[0].Quantity != 5 {
		t.Errorf("subscription = %+v", got)
	}
}

func TestADeletedCustomerLosesTheSubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	sub := s.bought(t, 5)
	if gone := must[*stripe.Customer](t)(s.Customers.Del(sub.Customer.ID, &stripe.CustomerParams{})); !gone.Deleted {
		t.Errorf("gone = %+v", gone)
	}
	s.told(t, "customer.subscription.deleted", "customer.deleted")
	if c := must[*stripe.Customer](t)(s.Customers.Get(sub.Customer.ID, nil)); !c.Deleted {
		t.Errorf("customer = %+v", c)
	}
	if got := s.subscription(t, sub.ID).Status; got != "canceled" {
		t.Errorf("status = %s", got)
	}
	_, err := s.CheckoutSessions.New(checkoutParams(s, sub.Customer.ID, 1))
	stripeRefused(t, "a checkout", err, 400, "resource_missing", "customer")
	_, err = s.Customers.Update(sub.Customer.ID, &stripe.CustomerParams{Name: stripe.String("back")})
	stripeRefused(t, "an update", err, 404, "resource_missing", "id")
}

func TestAResetBringsTheFirstSubscriptionBack(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	fresh := must[*stripe.Customer](t)(s.Customers.New(keyed("k", "Acme")))
	must[*stripe.Subscription](t)(s.Subscriptions.Cancel("sub_d2gamers", &stripe.SubscriptionCancelParams{}))
	order(t, http.MethodPost, s.url+"/sandbox/reset", "", 200)
	if got := s.subscription(t, "sub_d2gamers"); got.Status != "active" || got.Items.Data[0].Quantity != 5 {
		t.Errorf("subscription = %+v", got)
	}
	_, err := s.Customers.Get(fresh.ID, nil)
	stripeRefused(t, "a customer from before", err, 404, "resource_missing", "id")
	if again := must[*stripe.Customer](t)(s.Customers.New(keyed("k", "Acme"))); again.ID == fresh.ID {
		t.Error("the idempotency key outlived the reset")
	}
}

// Every event's object says what Stripe's library can read.
func TestEventsCarryWholeObjects(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	session := s.checkout(t, s.customer(t).ID, 5)
	control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", ``)
	var kinds []string
	list := s.Events.List(&stripe.EventListParams{})
	for list.Next() {
		e := list.Event()
		kinds = append(kinds, string(e.Type))
		var object struct{ ID, Object string }
		if err := json.Unmarshal(e.Data.Raw, &object); err != nil || object.ID == "" || object.Object == "" || e.APIVersion != stripe.APIVersion || e.Livemode {
			t.Errorf("%s: %+v %s: %v", e.Type, e, e.Data.Raw, err)
		}
		if e.Type == "customer.created" && (e.Request == nil || e.Request.ID == "" || e.Request.IdempotencyKey == "") {
			t.Errorf("the request of %s is not told", e.Type)
		}
	}
	if len(kinds) != 14 || kinds[0] != "checkout.session.completed" || list.Err() != nil {
		t.Errorf("events = %q: %v", kinds, list.Err())
	}
	one := must[*stripe.Event](t)(s.Events.Get(list.EventList().Data[0].ID, nil))
	if diff := cmp.Diff(list.EventList().Data[0].Type, one.Type); diff != "" {
		t.Error(diff)
	}
	filtered := s.Events.List(&stripe.EventListParams{Type: stripe.String("customer.subscription.*")}).EventList()
	if len(filtered.Data) != 2 {
		t.Errorf("%d events of the subscription, want 2", len(filtered.Data))
	}
}
