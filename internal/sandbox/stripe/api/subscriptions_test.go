package api_test

import (
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestQuantitiesChangeThroughTheAPI(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Buy(t, 5)
	item := sub.Items.Data[0].ID
	got := sandboxtest.Must[*stripe.SubscriptionItem](t)(s.SubscriptionItems.Update(item, &stripe.SubscriptionItemParams{
		Quantity: stripe.Int64(7), ProrationBehavior: stripe.String("none"),
	}))
	if got.Quantity != 7 || got.Subscription != sub.ID || sandboxtest.Must[*stripe.SubscriptionItem](t)(s.SubscriptionItems.Get(item, nil)).Quantity != 7 {
		t.Errorf("item = %+v", got)
	}
	s.Want(t, "customer.subscription.updated")
	changed := sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{
		Items: []*stripe.SubscriptionItemsParams{{ID: stripe.String(item), Quantity: stripe.Int64(2)}}, ProrationBehavior: stripe.String("always_invoice"),
	}))
	if changed.Items.Data[0].Quantity != 2 || changed.LatestInvoice.ID == sub.LatestInvoice.ID {
		t.Errorf("subscription = %+v", changed)
	}
	s.DropEvents(t)
	sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{
		Items: []*stripe.SubscriptionItemsParams{{ID: stripe.String(item), Quantity: stripe.Int64(2)}},
	}))
	s.Want(t) // nothing changed

	// An item without its id is another one.
	other := sandboxtest.Must[*stripe.Price](t)(s.Prices.New(&stripe.PriceParams{
		Product: stripe.String("prod_sandboxseat"), Currency: stripe.String("eur"), UnitAmount: stripe.Int64(1),
		Recurring: &stripe.PriceRecurringParams{Interval: stripe.String("month")},
	}))
	two := sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{
		Items: []*stripe.SubscriptionItemsParams{{Price: stripe.String(other.ID), Quantity: stripe.Int64(3)}},
	}))
	if len(two.Items.Data) != 2 {
		t.Errorf("items = %+v", two.Items.Data)
	}
	if list := s.SubscriptionItems.List(&stripe.SubscriptionItemListParams{Subscription: stripe.String(sub.ID)}).SubscriptionItemList(); len(list.Data) != 2 {
		t.Errorf("items = %+v", list)
	}
	one := sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{
		Items: []*stripe.SubscriptionItemsParams{{ID: stripe.String(two.Items.Data[1].ID), Deleted: stripe.Bool(true)}},
	}))
	if len(one.Items.Data) != 1 || one.Items.Data[0].ID != item {
		t.Errorf("items = %+v", one.Items.Data)
	}
}

func TestSubscriptionsAreListedByCustomerStatusAndPrice(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Buy(t, 5)
	sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Cancel(sub.ID, &stripe.SubscriptionCancelParams{}))
	_, err := s.Subscriptions.Cancel(sub.ID, &stripe.SubscriptionCancelParams{})
	sandboxtest.WantStripeError(t, "canceled twice", err, 404, "resource_missing", "id")
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

// A card that fails for more seats leaves the subscription past due, or changes nothing with error_if_incomplete.
func TestADeclinedChangeDoesWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Buy(t, 5)
	bad := sandboxtest.Must[*stripe.PaymentMethod](t)(s.PaymentMethods.Attach("pm_card_chargeCustomerFail", &stripe.PaymentMethodAttachParams{Customer: stripe.String(sub.Customer.ID)}))
	sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{DefaultPaymentMethod: stripe.String(bad.ID)}))
	change := func(behavior string) error {
		_, err := s.SubscriptionItems.Update(sub.Items.Data[0].ID, &stripe.SubscriptionItemParams{
			Quantity: stripe.Int64(9), ProrationBehavior: stripe.String("always_invoice"), PaymentBehavior: stripe.String(behavior),
		})
		return err
	}
	sandboxtest.WantStripeError(t, "error_if_incomplete", change("error_if_incomplete"), 402, "card_declined", "")
	if got := s.Subscription(t, sub.ID); got.Items.Data[0].Quantity != 5 || got.Status != "active" {
		t.Errorf("refused, and %+v", got)
	}
	if err := change("allow_incomplete"); err != nil {
		t.Error(err)
	}
	if got := s.Subscription(t, sub.ID); got.Items.Data[0].Quantity != 9 || got.Status != "past_due" || got.LatestInvoice.Status != "open" {
		t.Errorf("allowed, and %+v", got)
	}
}

func TestCancellationsAreTakenBackThroughTheAPI(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Buy(t, 5)
	set := func(on bool) *stripe.Subscription {
		return sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{CancelAtPeriodEnd: stripe.Bool(on)}))
	}
	if got := set(true); got.CancelAt != got.CurrentPeriodEnd || got.CanceledAt == 0 || got.CancellationDetails.Reason != "cancellation_requested" {
		t.Errorf("leaving = %+v", got)
	}
	if got := set(false); got.CancelAt != 0 || got.CanceledAt != 0 || got.CancelAtPeriodEnd {
		t.Errorf("staying = %+v", got)
	}
	got := sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{CancelAt: stripe.Int64(sub.CurrentPeriodEnd - 60)}))
	if got.CancelAt != sub.CurrentPeriodEnd-60 || got.CancelAtPeriodEnd {
		t.Errorf("leaving at a time = %+v", got)
	}
	if ended := sandboxtest.Control[stripe.Subscription](t, s, "/subscriptions/"+sub.ID+"/advance", ``); ended.Status != "canceled" {
		t.Errorf("ended = %+v", ended)
	}
	sandboxtest.Call(t, "POST", s.URL+"/sandbox/subscriptions/"+sub.ID+"/advance", `{}`, 400)
}
