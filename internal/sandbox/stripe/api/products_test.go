package api_test

import (
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestProductsAndPricesAreMadeAndListed(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	product := sandboxtest.Must[*stripe.Product](t)(s.Products.New(&stripe.ProductParams{
		Name: stripe.String("Seat"), Metadata: map[string]string{"teamtask": "seat"}, UnitLabel: stripe.String("seat"),
	}))
	price := sandboxtest.Must[*stripe.Price](t)(s.Prices.New(&stripe.PriceParams{
		Product: stripe.String(product.ID), Currency: stripe.String("usd"), UnitAmount: stripe.Int64(1250), LookupKey: stripe.String("seat"),
		Recurring: &stripe.PriceRecurringParams{Interval: stripe.String("year"), UsageType: stripe.String("licensed")},
	}))
	if price.UnitAmount != 1250 || price.UnitAmountDecimal != 1250 || price.Recurring.Interval != "year" || price.Product.ID != product.ID || price.Type != "recurring" {
		t.Errorf("price = %+v", price)
	}
	list := s.Prices.List(&stripe.PriceListParams{Product: stripe.String(product.ID)}).PriceList()
	if len(list.Data) != 1 || list.Data[0].ID != price.ID {
		t.Errorf("prices = %+v", list)
	}
	if list := s.Products.List(&stripe.ProductListParams{Active: stripe.Bool(true)}).ProductList(); len(list.Data) != 2 {
		t.Errorf("products = %+v", list)
	}
	off := sandboxtest.Must[*stripe.Price](t)(s.Prices.Update(price.ID, &stripe.PriceParams{Active: stripe.Bool(false)}))
	if off.Active {
		t.Error("the price is still active")
	}
	params := sandboxtest.CheckoutParams(s, s.NewCustomer(t).ID, 1)
	params.LineItems[0].Price = stripe.String(price.ID)
	_, err := s.CheckoutSessions.New(params)
	sandboxtest.WantStripeError(t, "an inactive price", err, 400, "", "line_items[0][price]")
	renamed := sandboxtest.Must[*stripe.Product](t)(s.Products.Update(product.ID, &stripe.ProductParams{Name: stripe.String("Chair")}))
	if renamed.Name != "Chair" || renamed.Metadata["teamtask"] != "seat" {
		t.Errorf("product = %+v", renamed)
	}
	expand := &stripe.PriceParams{}
	expand.AddExpand("product")
	if got := sandboxtest.Must[*stripe.Price](t)(s.Prices.Get(price.ID, expand)); got.Product.Name != "Chair" {
		t.Errorf("expanded = %+v", got.Product)
	}
}
