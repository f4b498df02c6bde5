package sandbox_test

import (
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestQuantitiesChangeThroughTheAPI(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	sub := s.bought(t, 5)
	item := sub.Items.Data[0].ID
	got := must[*stripe.SubscriptionItem](t)(s.SubscriptionItems.Update(item, &stripe.SubscriptionItemParams{
		Quantity: stripe.Int64(7), ProrationBehavior: stripe.String("none"),
	}))
	if got.Quantity != 7 || got.Subscription != sub.ID || must[*stripe.SubscriptionItem](t)(s.SubscriptionItems.Get(item, nil)).Quantity != 7 {
		t.Errorf("item = %+v", got)
	}
	s.told(t, "customer.subscription.updated")
	changed := must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{
		Items: []*stripe.SubscriptionItemsParams{{ID: stripe.String(item), Quantity: stripe.Int64(2)}}, ProrationBehavior: stripe.String("always_invoice"),
	}))
	if changed.Items.Data[0].Quantity != 2 || changed.LatestInvoice.ID == sub.LatestInvoice.ID {
		t.Errorf("subscription = %+v", changed)
	}
	s.forget(t)
	must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{
		Items: []*stripe.SubscriptionItemsParams{{ID: stripe.String(item), Quantity: stripe.Int64(2)}},
	}))
	s.told(t) // nothing changed

	// An item without its id is another one.
	other := must[*stripe.Price](t)(s.Prices.New(&stripe.PriceParams{
		Product: stripe.String("prod_sandboxseat"), Currency: stripe.String("eur"), UnitAmount: stripe.Int64(1),
		Recurring: &stripe.PriceRecurringParams{Interval: stripe.String("month")},
	}))
	two := must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{
		Items: []*stripe.SubscriptionItemsParams{{Price: stripe.String(other.ID), Quantity: stripe.Int64(3)}},
	}))
	if len(two.Items.Data) != 2 {
		t.Errorf("items = %+v", two.Items.Data)
	}
	if list := s.SubscriptionItems.List(&stripe.SubscriptionItemListParams{Subscription: stripe.String(sub.ID)}).SubscriptionItemList(); len(list.Data) != 2 {
		t.Errorf("items = %+v", list)
	}
	one := must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{
		Items: []*stripe.SubscriptionItemsParams{{ID: stripe.String(two.Items.Data[1].ID), Deleted: stripe.Bool(true)}},
	}))
	if len(one.Items.Data) != 1 || one.Items.Data[0].ID != item {
		t.Errorf("items = %+v", one.Items.Data)
	}
}

func TestSubscriptionsAreListedByCustomerStatusAndPrice(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	sub := s.bought(t, 5)
	must[*stripe.Subscription](t)(s.Subscriptions.Cancel(sub.ID, &stripe.SubscriptionCancelParams{}))
	_, err := s.Subscriptions.Cancel(sub.ID, &stripe.SubscriptionCancelParams{})
	stripeRefused(t, "canceled twice", err, 404, "resource_missing", "id")
	for _, c := range []struct {
		params stripe.SubscriptionListParams
		want   int
	}{
		{stripe.SubscriptionListParams{}, 1},
		{stripe.SubscriptionListParams{Status: stripe.String("all")}, 2},
		{stripe.SubscriptionListParams{Status: stripe.String("canceled")}, 1},
		{stripe.SubscriptionListParams{Status: stripe.String("ended")}, 1},
		{stripe.SubscriptionListParams{Customer: stripe.String(sub.Customer.ID)}, 0},
		{stripe.SubscriptionListParams{Customer: stripe.String(sub.Customer.ID), Status: stripe.String("all")}, 1},
		{stripe.SubscriptionListParams{Price: stripe.String(s.SeatPrice()), Status: stripe.String("all")}, 2},
		{stripe.SubscriptionListParams{Price: stripe.String("price_no"), Status: stripe.String("all")}, 0},
	} {
		list := s.Subscriptions.List(&c.params)
		if got := list.SubscriptionList(); len(got.Data) != c.want || list.Err() != nil {
			t.Errorf("%+v: %d, want %d: %v", c.params, len(got.Data), c.want, list.Err())
		}
	}
}

func TestInvoicesArePaidThroughTheAPI(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	c := s.customer(t)
	bad := must[*stripe.PaymentMethod](t)(s.PaymentMethods.Attach("pm_card_chargeCustomerFail", &stripe.PaymentMethodAttachParams{Customer: stripe.String(c.ID)}))
	good := must[*stripe.PaymentMethod](t)(s.PaymentMethods.Attach("pm_card_visa", &stripe.PaymentMethodAttachParams{Customer: stripe.String(c.ID)}))
	if list := s.PaymentMethods.List(&stripe.PaymentMethodListParams{Customer: stripe.String(c.ID), Type: stripe.String("card")}).PaymentMethodList(); len(list.Data) != 2 {
		t.Errorf("methods = %+v", list)
	}
	sub := must[*stripe.Subscription](t)(s.Subscriptions.New(&stripe.SubscriptionParams{
		Customer: stripe.String(c.ID), DefaultPaymentMethod: stripe.String(bad.ID),
		Items: []*stripe.SubscriptionItemsParams{{Price: stripe.String(s.SeatPrice()), Quantity: stripe.Int64(2)}},
	}))
	if sub.Status != "incomplete" {
		t.Errorf("status = %s", sub.Status)
	}
	open := s.Invoices.List(&stripe.InvoiceListParams{Subscription: stripe.String(sub.ID), Status: stripe.String("open")}).InvoiceList().Data
	if len(open) != 1 || open[0].AmountDue != 2000 || open[0].AttemptCount != 1 || open[0].Number == "" {
		t.Fatalf("open = %+v", open)
	}
	_, err := s.Invoices.Pay(open[0].ID, &stripe.InvoicePayParams{})
	stripeRefused(t, "a bad card", err, 402, "card_declined", "")
	paid := must[*stripe.Invoice](t)(s.Invoices.Pay(open[0].ID, &stripe.InvoicePayParams{PaymentMethod: stripe.String(good.ID)}))
	if !paid.Paid || paid.AmountRemaining != 0 || s.subscription(t, sub.ID).Status != "active" {
		t.Errorf("paid = %+v", paid)
	}
	_, err = s.Invoices.Pay(paid.ID, &stripe.InvoicePayParams{})
	stripeRefused(t, "paid twice", err, 400, "invoice_already_paid", "")
	charges := s.Charges.List(&stripe.ChargeListParams{Customer: stripe.String(c.ID)}).ChargeList().Data
	if len(charges) != 3 || !charges[0].Paid || charges[1].Paid {
		t.Errorf("charges = %+v", charges)
	}
}

// A card that fails for more seats leaves the subscription past due, or changes nothing where that was asked for.
func TestADeclinedChangeDoesWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	sub := s.bought(t, 5)
	bad := must[*stripe.PaymentMethod](t)(s.PaymentMethods.Attach("pm_card_chargeCustomerFail", &stripe.PaymentMethodAttachParams{Customer: stripe.String(sub.Customer.ID)}))
	must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{DefaultPaymentMethod: stripe.String(bad.ID)}))
	change := func(behavior string) error {
		_, err := s.SubscriptionItems.Update(sub.Items.Data[0].ID, &stripe.SubscriptionItemParams{
			Quantity: stripe.Int64(9), ProrationBehavior: stripe.String("always_invoice"), PaymentBehavior: stripe.String(behavior),
		})
		return err
	}
	stripeRefused(t, "error_if_incomplete", change("error_if_incomplete"), 402, "card_declined", "")
	if got := s.subscription(t, sub.ID); got.Items.Data[0].Quantity != 5 || got.Status != "active" {
		t.Errorf("refused, and %+v", got)
	}
	if err := change("allow_incomplete"); err != nil {
		t.Error(err)
	}
	if got := s.subscription(t, sub.ID); got.Items.Data[0].Quantity != 9 || got.Status != "past_due" || got.LatestInvoice.Status != "open" {
		t.Errorf("allowed, and %+v", got)
	}
}

// A lie about a subscription shows the change, and neither makes it nor tells of it.
func TestALieAboutASubscriptionChangesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	sub := s.bought(t, 5)
	s.checkout(t, sub.Customer.ID, 1)
	backend{url: s.url}.fault(t, `{"service":"stripe","lie":true,"times":3}`)
	more := &stripe.SubscriptionItemParams{Quantity: stripe.Int64(9), ProrationBehavior: stripe.String("always_invoice")}
	if got := must[*stripe.SubscriptionItem](t)(s.SubscriptionItems.Update(sub.Items.Data[0].ID, more)); got.Quantity != 9 {
		t.Errorf("the lie says %d", got.Quantity)
	}
	if got := must[*stripe.Subscription](t)(s.Subscriptions.Cancel(sub.ID, &stripe.SubscriptionCancelParams{})); got.Status != "canceled" {
		t.Errorf("the lie says %s", got.Status)
	}
	if _, err := s.Customers.Del(sub.Customer.ID, &stripe.CustomerParams{}); err != nil {
		t.Error(err)
	}
	got := s.subscription(t, sub.ID)
	if got.Items.Data[0].Quantity != 5 || got.Status != "active" || got.LatestInvoice.ID != sub.LatestInvoice.ID || got.Customer.ID != sub.Customer.ID {
		t.Errorf("the lie changed %+v", got)
	}
	must[*stripe.Customer](t)(s.Customers.Get(sub.Customer.ID, nil))
	s.told(t)
}

func TestCancellationsAreTakenBackThroughTheAPI(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	sub := s.bought(t, 5)
	set := func(on bool) *stripe.Subscription {
		return must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{CancelAtPeriodEnd: stripe.Bool(on)}))
	}
	if got := set(true); got.CancelAt != got.CurrentPeriodEnd || got.CanceledAt == 0 || got.CancellationDetails.Reason != "cancellation_requested" {
		t.Errorf("leaving = %+v", got)
	}
	if got := set(false); got.CancelAt != 0 || got.CanceledAt != 0 || got.CancelAtPeriodEnd {
		t.Errorf("staying = %+v", got)
	}
	got := must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{CancelAt: stripe.Int64(sub.CurrentPeriodEnd - 60)}))
	if got.CancelAt != sub.CurrentPeriodEnd-60 || got.CancelAtPeriodEnd {
		t.Errorf("leaving at a time = %+v", got)
	}
	if ended := control[stripe.Subscription](t, s, "/subscriptions/"+sub.ID+"/advance", ``); ended.Status != "canceled" {
		t.Errorf("ended = %+v", ended)
	}
	order(t, "POST", s.url+"/sandbox/subscriptions/"+sub.ID+"/advance", `{}`, 400)
}

func TestSessionsExpireAfterADay(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	s := newShop(t, sandbox.Options{Now: clock.Now})
	c := s.customer(t)
	session := s.checkout(t, c.ID, 5)
	s.forget(t)
	clock.add(24 * time.Hour)
	got := must[*stripe.CheckoutSession](t)(s.CheckoutSessions.Get(session.ID, nil))
	if got.Status != "expired" || got.URL != "" {
		t.Errorf("session = %+v", got)
	}
	s.told(t, "checkout.session.expired")
	order(t, "POST", s.url+"/sandbox/checkout/"+session.ID+"/complete", `{}`, 400)
	_, err := s.CheckoutSessions.Expire(session.ID, &stripe.CheckoutSessionExpireParams{})
	stripeRefused(t, "expired twice", err, 400, "", "")
}

func TestTheQuantityOfACheckoutStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	c := s.customer(t)
	at := s.url + "/sandbox/checkout/" + s.checkout(t, c.ID, 5).ID + "/complete"
	for _, body := range []string{`{"quantity":0}`, `{"quantity":10001}`, `{"quantity":-3}`, `{"quantity":1.5}`, `{"outcome":"free"}`, `{"nonsense":1}`} {
		order(t, "POST", at, body, 400)
	}
	fixed := checkoutParams(s, c.ID, 5)
	fixed.LineItems[0].AdjustableQuantity = nil
	made := must[*stripe.CheckoutSession](t)(s.CheckoutSessions.New(fixed))
	order(t, "POST", s.url+"/sandbox/checkout/"+made.ID+"/complete", `{"quantity":6}`, 400)
	order(t, "POST", s.url+"/sandbox/checkout/cs_no/complete", `{}`, 404)
	if done := control[stripe.CheckoutSession](t, s, "/checkout/"+made.ID+"/complete", `{"quantity":5}`); done.AmountTotal != 5000 {
		t.Errorf("session = %+v", done)
	}
	if list := s.CheckoutSessions.List(&stripe.CheckoutSessionListParams{Customer: stripe.String(c.ID), Status: stripe.String("open")}).CheckoutSessionList(); len(list.Data) != 1 {
		t.Errorf("open sessions = %+v", list)
	}
}
