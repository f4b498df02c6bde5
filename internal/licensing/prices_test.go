package licensing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// priceJSON is a seat price with other fields than the usual.
func priceJSON(fields string) string {
	return `{"id":"price_seat","object":"price","active":true,"currency":"eur","billing_scheme":"per_unit","product":"prod_1"` + fields + `}`
}

const (
	monthly   = `,"recurring":{"interval":"month","interval_count":1,"usage_type":"licensed"}`
	quarterly = `,"recurring":{"interval":"month","interval_count":3,"usage_type":"licensed"}`
	metered   = `,"recurring":{"interval":"month","interval_count":1,"usage_type":"metered"}`
	thousand  = `,"unit_amount":1000,"unit_amount_decimal":"1000"`
)

// A wrong amount is worse than none.
func TestASeatsCostIsSaidOnlyWhereItIsExact(t *testing.T) {
	t.Parallel()
	options := `,"currency_options":{"eur":{"unit_amount":1000,"unit_amount_decimal":"1000"},"usd":{"unit_amount":1100,"unit_amount_decimal":"1100"},
		"gbp":{"unit_amount":null,"unit_amount_decimal":"900.5"},"chf":{"unit_amount":null,"unit_amount_decimal":null,"tiers":[{"unit_amount":5,"up_to":null}]}}`
	five := func(price string) string { return `{"id":"si_1","quantity":5,"price":` + price + `}` }
	for name, c := range map[string]struct {
		fields string // of the subscription
		items  []string
		want   *cost
	}{
		"plain":                {"", []string{five(priceJSON(thousand + monthly))}, &cost{1000, "eur", "month", 1}},
		"of three months":      {"", []string{five(priceJSON(thousand + quarterly))}, &cost{1000, "eur", "month", 3}},
		"beyond 32 bits":       {"", []string{five(priceJSON(`,"unit_amount":99999999999,"unit_amount_decimal":"99999999999"` + monthly))}, &cost{99999999999, "eur", "month", 1}},
		"for nothing":          {"", []string{five(priceJSON(`,"unit_amount":0,"unit_amount_decimal":"0"` + monthly))}, &cost{0, "eur", "month", 1}},
		"tiers":                {"", []string{five(strings.Replace(priceJSON(`,"unit_amount":null,"unit_amount_decimal":null,"tiers_mode":"volume"`+monthly), "per_unit", "tiered", 1))}, nil},
		"a fraction":           {"", []string{five(priceJSON(`,"unit_amount":null,"unit_amount_decimal":"1000.5"` + monthly))}, nil},
		"less than one":        {"", []string{five(priceJSON(`,"unit_amount":null,"unit_amount_decimal":"0.5"` + monthly))}, nil},
		"as the buyer wishes":  {"", []string{five(priceJSON(`,"unit_amount":null,"unit_amount_decimal":null,"custom_unit_amount":{"minimum":1}` + monthly))}, nil},
		"packages":             {"", []string{five(priceJSON(thousand + `,"transform_quantity":{"divide_by":5,"round":"up"}` + monthly))}, nil},
		"metered":              {"", []string{five(priceJSON(thousand + metered))}, nil},
		"paid once":            {"", []string{five(priceJSON(thousand))}, nil},
		"another currency":     {`,"currency":"usd"`, []string{five(priceJSON(thousand + monthly))}, &cost{1100, "usd", "month", 1}},
		"a fraction in it":     {`,"currency":"gbp"`, []string{five(priceJSON(thousand + monthly))}, nil},
		"tiers in it":          {`,"currency":"chf"`, []string{five(priceJSON(thousand + monthly))}, nil},
		"not one of its own":   {`,"currency":"jpy"`, []string{five(priceJSON(thousand + monthly))}, nil},
		"no currency":          {`,"currency":""`, []string{five(priceJSON(thousand + monthly))}, nil},
		"a discount":           {`,"discount":{"id":"di_1","coupon":{"id":"half","percent_off":50}}`, []string{five(priceJSON(thousand + monthly))}, nil},
		"several discounts":    {`,"discounts":["di_1"]`, []string{five(priceJSON(thousand + monthly))}, nil},
		"the customer's":       {`,"latest_invoice":{"id":"in_1","status":"paid","paid":true,"discounts":["di_1"],"lines":` + fiveLines + `}`, []string{five(priceJSON(thousand + monthly))}, nil},
		"the price twice":      {"", []string{five(priceJSON(thousand + monthly)), strings.Replace(five(priceJSON(thousand+monthly)), "si_1", "si_2", 1)}, &cost{1000, "eur", "month", 1}},
		"two prices":           {"", []string{five(priceJSON(thousand + monthly)), itemJSON("si_2", "price_old", 1)}, nil},
		"beside another thing": {"", []string{itemJSON("si_2", "price_support", 1), five(priceJSON(thousand + monthly))}, &cost{1000, "eur", "month", 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stripeStand) {
				t := s.t
				fields := paidInvoice + c.fields // of two alike the last one counts
				s.answer = routes(map[string]http.HandlerFunc{
					"GET /v1/subscriptions":     replies(200, stripeList(false, subJSON("sub_1", "active", fields, c.items...))),
					"GET /v1/prices/price_seat": replies(200, priceJSON(thousand+monthly+options)),
				})
				for range 2 {
					got, err := s.client.subscriptions(t.Context(), "cus_1")
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(c.want, got[0].Cost); diff != "" {
						t.Errorf("-want +got:\n%s", diff)
					}
				}
				asked := 0
				for _, r := range s.got() {
					if strings.HasPrefix(r.path, "/v1/prices") {
						asked++
					}
				}
				if asked > 1 {
					t.Errorf("the price was asked for %d times, want once an hour", asked)
				}
			})
		})
	}
}

// Where another currency's amount cannot be had, what is bought is kept all the same.
func TestAPriceThatCannotBeHadHoldsUpNothing(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		s.answer = routes(map[string]http.HandlerFunc{
			"GET /v1/subscriptions": replies(200, stripeList(false, subJSON("sub_1", "active", strings.Replace(paidInvoice, "eur", "usd", 1), itemJSON("si_1", "price_seat", 5)))),
		})
		got, err := s.client.subscriptions(s.t.Context(), "cus_1")
		if err != nil || got[0].Paid != 5 || got[0].Cost != nil {
			s.t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestSeatPricesAreCheckedAndTheSoldOneRemembered(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		t := s.t
		sold := &cost{1000, "eur", "month", 1}
		old := replies(200, strings.Replace(priceJSON(thousand+monthly), "price_seat", "price_old", 1))
		archived := func(text string) string { return strings.Replace(text, `"active":true`, `"active":false`, 1) }
		for _, c := range []struct {
			what      string
			seat, old http.HandlerFunc
			want      *cost
			says      string // "": nothing is wrong
			person    bool   // a person must put it right
		}{
			{"away from the start", replies(503, ""), old, nil, "price_seat: stripe: prices.retrieve: unavailable", false},
			{"both are fine", replies(200, priceJSON(thousand+monthly)), old, sold, "", false},
			{"away", replies(503, ""), replies(503, ""), sold, "price_old: stripe", false},
			{"it costs more", replies(200, priceJSON(`,"unit_amount":1200,"unit_amount_decimal":"1200"`+quarterly)), old, &cost{1200, "eur", "month", 3}, "", false},
			{"the old one is archived", replies(200, priceJSON(thousand+monthly)), replies(200, archived(strings.Replace(priceJSON(thousand+monthly), "price_seat", "price_old", 1))), sold, "", false},
			{"the old one is metered", replies(200, priceJSON(thousand+monthly)), replies(200, strings.Replace(priceJSON(thousand+metered), "price_seat", "price_old", 1)), sold, "price_old: the price cannot be used", true},
			{"a fraction", replies(200, priceJSON(`,"unit_amount":null,"unit_amount_decimal":"0.5"`+monthly)), old, nil, "", false},
			{"archived", replies(200, archived(priceJSON(thousand+monthly))), old, nil, "archived", true},
			{"fine again", replies(200, priceJSON(thousand+monthly)), old, sold, "", false},
			{"unknown", replies(404, stripeSays("invalid_request_error", codeMissing, "id")), old, nil, "does not know it", true},
			{"metered", replies(200, priceJSON(thousand+metered)), old, nil, "recurring", true},
			{"paid once", replies(200, priceJSON(thousand)), old, nil, "recurring", true},
		} {
			s.set(func() {
				s.answer = routes(map[string]http.HandlerFunc{"GET /v1/prices/price_seat": c.seat, "GET /v1/prices/price_old": c.old})
			})
			err := s.client.RefreshPrices(t.Context())
			if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || errors.Is(err, errPrice) != c.person) {
				t.Errorf("%s: got %v, want %q, a person's business: %t", c.what, err, c.says, c.person)
			}
			if diff := cmp.Diff(c.want, s.client.soldPrice()); diff != "" {
				t.Errorf("%s: sold for (-want +got):\n%s", c.what, diff)
			}
			<-time.After(time.Hour) // what is away is asked again
		}
	})
}

// A price that is wrong is said once, and again when it is wrong in another way.
func TestPricesAreWatched(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.till.did(func() { f.till.broken["prices"] = http.StatusNotFound })
	ctx, end := context.WithCancel(t.Context())
	over := make(chan struct{})
	transport := f.stripe.wire.transport.client.Transport
	asked := make(chan struct{}, 100)
	f.stripe.wire.transport.client.Transport = wireless(func(r *http.Request) *http.Response {
		select {
		case asked <- struct{}{}:
		default:
		}
		response, _ := transport.RoundTrip(r)
		return response
	})
	go func() { f.WatchPrices(ctx); close(over) }()
	<-asked
	end()
	<-over
	if got := f.stripe.soldPrice(); got != nil {
		t.Errorf("got %v, want that it is not known", got)
	}
	f.till.did(func() { clear(f.till.broken) })
	if err := f.stripe.RefreshPrices(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&cost{1500, "eur", "month", 1}, f.stripe.soldPrice()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	f.reportPrices(t.Context(), fmt.Errorf("seat price: %w", errPrice))
	if diff := cmp.Diff([]string{alertPrice}, f.alarmed()); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// What a seat costs is shown from what is stored: nobody waits for Stripe.
func TestNobodyWaitsForAPrice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a")
	asked := 0
	f.till.asked = hook(func() { asked++ })
	costs := func(want *cost) {
		t.Helper()
		s, err := f.License(t.Context(), boss(ours))
		if err != nil {
			t.Fatal(err)
		}
		_, given, err := f.Assign(t.Context(), boss(ours), "user_a")
		if err != nil && !ended(err, seatsExhausted) {
			t.Fatal(err)
		}
		all := []summary{s}
		if err == nil {
			all = append(all, given)
		}
		for _, s := range all {
			var got *cost
			if s.Amount != nil {
				got = &cost{*s.Amount, s.Currency, s.Interval, s.IntervalCount}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		}
	}
	costs(nil) // not known yet
	if asked != 0 {
		t.Errorf("Stripe was asked %d times", asked)
	}
	if err := f.stripe.RefreshPrices(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked = 0
	costs(&cost{1500, "eur", "month", 1})
	big := bought("sub_1", statusActive, 2)
	big.Cost = &cost{99999999999, "usd", "year", 2}
	f.has(ours, big)
	costs(big.Cost)
	vague := bought("sub_1", statusActive, 2)
	vague.Cost = nil
	f.has(ours, vague)
	costs(nil) // and not what is sold now
	f.has(ours, big, bought("sub_2", statusActive, 1))
	costs(nil) // it depends on the seat
	f.has(ours, big, bought("sub_2", statusUnpaid, 1))
	costs(big.Cost)
	f.exec(`UPDATE subscriptions SET unit_amount = 900, currency = 'eur' WHERE id = 'sub_1'`) // by a server of the version before
	costs(nil)
	f.has(ours, bought("sub_1", statusCanceled, 2))
	costs(&cost{1500, "eur", "month", 1})
	if asked != 0 {
		t.Errorf("Stripe was asked %d times", asked)
	}
}
