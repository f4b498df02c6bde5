package account_test

import (
	"net/http"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestTheStartHasFiveSeatsOfD2Gamers(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Subscription(t, "sub_d2gamers")
	price := sub.Items.Data[0].Price
	if sub.Status != "active" || sub.Items.Data[0].Quantity != 5 || sub.Customer.ID != "cus_d2gamers" || price.ID != "price_sandboxseat" ||
		price.UnitAmount != 1000 || price.Currency != "eur" || price.Recurring.Interval != "month" || price.Product.ID != "prod_sandboxseat" {
		t.Errorf("subscription = %+v", sub)
	}
	if i := sub.LatestInvoice; i == nil || i.Status != "paid" || i.AmountPaid != 5000 || i.Subscription.ID != sub.ID {
		t.Errorf("invoice = %+v", i)
	}
	c := sandboxtest.Must[*stripe.Customer](t)(s.Customers.Get("cus_d2gamers", nil))
	if c.Metadata["organization_id"] != "org_d2gamers" || c.Name != "D2 Gamers" {
		t.Errorf("customer = %+v", c)
	}
	if list := s.Customers.List(&stripe.CustomerListParams{}).CustomerList(); len(list.Data) != 1 {
		t.Errorf("%d customers, want that of d2-gamers alone", len(list.Data))
	}
	s.Want(t) // nothing
}

func TestAResetBringsTheFirstSubscriptionBack(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	fresh := sandboxtest.Must[*stripe.Customer](t)(s.Customers.New(sandboxtest.KeyedCustomer("k", "Acme")))
	sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.Cancel("sub_d2gamers", &stripe.SubscriptionCancelParams{}))
	sandboxtest.Call(t, http.MethodPost, s.URL+"/sandbox/reset", "", 200)
	if got := s.Subscription(t, "sub_d2gamers"); got.Status != "active" || got.Items.Data[0].Quantity != 5 {
		t.Errorf("subscription = %+v", got)
	}
	_, err := s.Customers.Get(fresh.ID, nil)
	sandboxtest.WantStripeError(t, "a customer from before", err, 404, "resource_missing", "id")
	if again := sandboxtest.Must[*stripe.Customer](t)(s.Customers.New(sandboxtest.KeyedCustomer("k", "Acme"))); again.ID == fresh.ID {
		t.Error("the idempotency key outlived the reset")
	}
}
