package seats

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// raises changes the quantity as a program does that lets the payment wait, and returns
// the invoice.
func (s *shop) raises(subscription, quantity string, further url.Values) string {
	s.T.Helper()
	var now struct {
		Items         struct{ Data []struct{ ID string } }
		LatestInvoice string `json:"latest_invoice"`
	}
	s.stripe(http.MethodGet, "/v1/subscriptions/"+subscription, nil, &now)
	form := url.Values{
		"items[0][id]": {now.Items.Data[0].ID}, "items[0][quantity]": {quantity},
		"proration_behavior": {"always_invoice"}, "payment_behavior": {"default_incomplete"},
	}
	maps.Copy(form, further)
	s.stripe(http.MethodPost, "/v1/subscriptions/"+subscription, form, &now)
	s.rests()
	return now.LatestInvoice
}

func (s *shop) pays(invoice string) {
	s.T.Helper()
	s.stripe(http.MethodPost, "/v1/invoices/"+invoice+"/pay", nil, &struct{}{})
}

func TestSeatsThatAreNotPaidForAreNotGiven(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora", "p1", "p2")
	subscription := nora.buys(1)
	nora.has("ACTIVE", 1, 0, 0)
	nora.assigns("p1")
	raise := s.raises(subscription, "1000", nil)
	nora.has("ACTIVE", 1, 1, 0)
	nora.refuses("p2", exhaustedAt(1, 1))
	s.raises(subscription, "999", nil) // gives credit, and so it is paid
	nora.has("ACTIVE", 1, 1, 0)
	s.pays(raise)
	nora.has("ACTIVE", 999, 1, 0)
	s.raises(subscription, "5", nil)
	nora.has("ACTIVE", 5, 1, 0)

	olga := s.found("old-co", "olga")
	subscription = olga.buys(5)
	olga.has("ACTIVE", 5, 0, 0)
	raise = s.raises(subscription, "8", nil)
	s.stripe(http.MethodPost, "/v1/invoices/"+raise+"/void", nil, &struct{}{})
	s.raises(subscription, "9", url.Values{"proration_behavior": {"none"}}) // Stripe is told that it costs nothing
	olga.has("ACTIVE", 6, 0, 0)
	s.advance(subscription, "failed") // the renewal
	olga.has("PAST_DUE", 5, 0, 0)
	s.advance(subscription, "paid")
	olga.has("ACTIVE", 9, 0, 0)
	s.raises(subscription, "12", url.Values{"proration_behavior": {"create_prorations"}})
	olga.has("ACTIVE", 12, 0, 0)
}

func TestCustomersWhoAreSentInvoicesWorkUntilPastDue(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora", "p1")
	s.Until("there is a customer", func() bool { return len(s.customers("new-co")) == 1 })
	var made struct{ ID string }
	s.stripe(http.MethodPost, "/v1/subscriptions", url.Values{
		"customer": {s.customers("new-co")[0]}, "items[0][price]": {s.Sandbox.SeatPrice()}, "items[0][quantity]": {"3"},
		"collection_method": {"send_invoice"}, "days_until_due": {"30"},
	}, &made)
	nora.has("ACTIVE", 3, 0, 0)
	nora.assigns("p1")
	p1 := s.buyer("p1", "new-co")
	if got := p1.works(); got != "" {
		t.Errorf("the first invoice is open: got %q", got)
	}
	s.raises(made.ID, "5", nil)
	nora.has("ACTIVE", 5, 1, 0)
	s.advance(made.ID, "paid")
	s.advance(made.ID, "paid") // the next period, whose invoice is sent
	nora.has("ACTIVE", 5, 1, 0)
	s.raises(made.ID, "7", nil)
	nora.has("ACTIVE", 7, 1, 0)
	s.advance(made.ID, "failed")
	nora.has("PAST_DUE", 5, 1, 0)

	olga := s.found("old-co", "olga", "q1") // who never pays
	s.Until("there is a customer", func() bool { return len(s.customers("old-co")) == 1 })
	s.stripe(http.MethodPost, "/v1/subscriptions", url.Values{
		"customer": {s.customers("old-co")[0]}, "items[0][price]": {s.Sandbox.SeatPrice()}, "items[0][quantity]": {"3"},
		"collection_method": {"send_invoice"}, "days_until_due": {"30"},
	}, &made)
	olga.has("ACTIVE", 3, 0, 0)
	s.advance(made.ID, "failed")
	if l := olga.has("INCOMPLETE", 0, 0, 0); l.GetWorking() {
		t.Errorf("past due and never paid: %v", l)
	}
}

func TestASubscriptionWithoutItemsHoldsUpNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora")
	nora.buys(3)
	nora.has("ACTIVE", 3, 0, 0)
	var card, second struct{ ID string }
	customer := s.customers("new-co")[0]
	s.stripe(http.MethodPost, "/v1/payment_methods/pm_card_visa/attach", url.Values{"customer": {customer}}, &card)
	s.stripe(http.MethodPost, "/v1/subscriptions", url.Values{
		"customer": {customer}, "default_payment_method": {card.ID}, "items[0][price]": {s.Sandbox.SeatPrice()}, "items[0][quantity]": {"4"},
	}, &second)
	nora.has("ACTIVE", 7, 0, 0)
	s.raises(second.ID, "4", url.Values{"items[0][deleted]": {"true"}})
	nora.has("ACTIVE", 3, 0, 0)
}

// The price of the license is that of the subscription, where it is exact; and what is
// wrong with a configured one is said at the start, which it does not stop.
func TestTheLicenseShowsWhatASeatCosts(t *testing.T) {
	t.Parallel()
	s := prepareShop(t)
	prices := []string{s.Sandbox.SeatPrice()}
	sells := func(form url.Values) string {
		t.Helper()
		form.Set("product_data[name]", "Seat")
		form.Set("currency", "eur")
		var made struct{ ID string }
		s.stripe(http.MethodPost, "/v1/prices", form, &made)
		prices = append(prices, made.ID)
		return made.ID
	}
	quarterly := sells(url.Values{"unit_amount": {"9000000000"}, "recurring[interval]": {"month"}, "recurring[interval_count]": {"3"},
		"currency_options[usd][unit_amount]": {"9900000000"}, "currency_options[gbp][unit_amount_decimal]": {"0.5"}})
	fraction := sells(url.Values{"unit_amount_decimal": {"1000.5"}, "recurring[interval]": {"month"}})
	tiered := sells(url.Values{"billing_scheme": {"tiered"}, "tiers_mode": {"volume"}, "tiers[0][unit_amount]": {"900"}, "tiers[0][up_to]": {"inf"}, "recurring[interval]": {"month"}})
	packages := sells(url.Values{"unit_amount": {"1000"}, "transform_quantity[divide_by]": {"5"}, "transform_quantity[round]": {"up"}, "recurring[interval]": {"month"}})
	s.Env["STRIPE_SEAT_PRICE"] = strings.Join(prices, ",")
	s.opens()
	s.Until("a price that cannot be counted is reported", func() bool { return strings.Contains(s.Log.String(), "STRIPE_SEAT_PRICE is not usable") })
	for i, c := range []struct {
		price, currency string
		want            *teamtaskv1.Price
	}{
		{prices[0], "", &teamtaskv1.Price{UnitAmount: 1000, Currency: "eur", Interval: "month", IntervalCount: 1}},
		{quarterly, "", &teamtaskv1.Price{UnitAmount: 9000000000, Currency: "eur", Interval: "month", IntervalCount: 3}},
		{quarterly, "usd", &teamtaskv1.Price{UnitAmount: 9900000000, Currency: "usd", Interval: "month", IntervalCount: 3}},
		{quarterly, "gbp", nil},
		{fraction, "", nil},
		{tiered, "", nil},
		{packages, "", nil},
	} {
		org := fmt.Sprintf("co-%d", i)
		nora := s.found(org, fmt.Sprintf("nora%d", i))
		s.Until("there is a customer", func() bool { return len(s.customers(org)) == 1 })
		form := url.Values{
			"customer": s.customers(org), "items[0][price]": {c.price}, "items[0][quantity]": {"5"},
			"collection_method": {"send_invoice"}, "days_until_due": {"30"},
		}
		if c.currency != "" {
			form.Set("currency", c.currency)
		}
		s.stripe(http.MethodPost, "/v1/subscriptions", form, &struct{}{})
		if diff := cmp.Diff(c.want, nora.has("ACTIVE", 5, 0, 0).GetPrice(), protocmp.Transform()); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.price, c.currency, diff)
		}
	}
}
