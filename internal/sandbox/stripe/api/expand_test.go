package api_test

import (
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestAnswersAreExpanded(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	params := &stripe.SubscriptionParams{}
	for _, path := range []string{"latest_invoice.payment_intent.latest_charge", "customer", "items.data.price.product", "default_payment_method"} {
		params.AddExpand(path)
	}
	sub := sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Get("sub_d2gamers", params))
	if sub.LatestInvoice.PaymentIntent.LatestCharge.Amount != 5000 || sub.Customer.Name != "D2 Gamers" || sub.Items.Data[0].Price.Product.Name != "Seat" ||
		sub.DefaultPaymentMethod.Card.Last4 != "4242" {
		t.Errorf("expanded = %+v", sub)
	}
	list := &stripe.SubscriptionListParams{Customer: stripe.String("cus_d2gamers"), Status: stripe.String("all")}
	list.AddExpand("data.latest_invoice")
	if got := s.Subscriptions.List(list).SubscriptionList().Data; len(got) != 1 || got[0].LatestInvoice.Status != "paid" {
		t.Errorf("list = %+v", got)
	}
	session := &stripe.CheckoutSessionParams{}
	session.AddExpand("line_items")
	made := s.NewCheckout(t, s.NewCustomer(t).ID, 7)
	if made.LineItems != nil {
		t.Error("the lines come without being asked for")
	}
	got := sandboxtest.Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.Get(made.ID, session))
	if got.LineItems == nil || got.LineItems.Data[0].Quantity != 7 || got.LineItems.Data[0].Price.ID != s.SeatPrice() {
		t.Errorf("session = %+v", got.LineItems)
	}
	lines := s.CheckoutSessions.ListLineItems(&stripe.CheckoutSessionListLineItemsParams{Session: stripe.String(made.ID)}).LineItemList()
	if len(lines.Data) != 1 || lines.Data[0].Quantity != 7 {
		t.Errorf("lines = %+v", lines)
	}
	with := &stripe.CustomerParams{}
	with.AddExpand("subscriptions")
	if c := sandboxtest.Must[*stripe.Customer](t)(s.Customers.Get("cus_d2gamers", with)); len(c.Subscriptions.Data) != 1 {
		t.Errorf("subscriptions = %+v", c.Subscriptions)
	}
}
