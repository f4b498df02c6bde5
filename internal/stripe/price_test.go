package stripe

import (
	"errors"
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
		want   *Cost
	}{
		"plain":                {"", []string{five(priceJSON(thousand + monthly))}, &Cost{1000, "eur", "month", 1}},
		"of three months":      {"", []string{five(priceJSON(thousand + quarterly))}, &Cost{1000, "eur", "month", 3}},
		"beyond 32 bits":       {"", []string{five(priceJSON(`,"unit_amount":99999999999,"unit_amount_decimal":"99999999999"` + monthly))}, &Cost{99999999999, "eur", "month", 1}},
		"for nothing":          {"", []string{five(priceJSON(`,"unit_amount":0,"unit_amount_decimal":"0"` + monthly))}, &Cost{0, "eur", "month", 1}},
		"tiers":                {"", []string{five(strings.Replace(priceJSON(`,"unit_amount":null,"unit_amount_decimal":null,"tiers_mode":"volume"`+monthly), "per_unit", "tiered", 1))}, nil},
		"a fraction":           {"", []string{five(priceJSON(`,"unit_amount":null,"unit_amount_decimal":"1000.5"` + monthly))}, nil},
		"less than one":        {"", []string{five(priceJSON(`,"unit_amount":null,"unit_amount_decimal":"0.5"` + monthly))}, nil},
		"as the buyer wishes":  {"", []string{five(priceJSON(`,"unit_amount":null,"unit_amount_decimal":null,"custom_unit_amount":{"minimum":1}` + monthly))}, nil},
		"packages":             {"", []string{five(priceJSON(thousand + `,"transform_quantity":{"divide_by":5,"round":"up"}` + monthly))}, nil},
		"metered":              {"", []string{five(priceJSON(thousand + metered))}, nil},
		"paid once":            {"", []string{five(priceJSON(thousand))}, nil},
		"another currency":     {`,"currency":"usd"`, []string{five(priceJSON(thousand + monthly))}, &Cost{1100, "usd", "month", 1}},
		"a fraction in it":     {`,"currency":"gbp"`, []string{five(priceJSON(thousand + monthly))}, nil},
		"tiers in it":          {`,"currency":"chf"`, []string{five(priceJSON(thousand + monthly))}, nil},
		"not one of its own":   {`,"currency":"jpy"`, []string{five(priceJSON(thousand + monthly))}, nil},
		"no currency":          {`,"currency":""`, []string{five(priceJSON(thousand + monthly))}, nil},
		"a discount":           {`,"discount":{"id":"di_1","coupon":{"id":"half","percent_off":50}}`, []string{five(priceJSON(thousand + monthly))}, nil},
		"several discounts":    {`,"discounts":["di_1"]`, []string{five(priceJSON(thousand + monthly))}, nil},
		"the customer's":       {`,"latest_invoice":{"id":"in_1","status":"paid","paid":true,"discounts":["di_1"],"lines":` + fiveLines + `}`, []string{five(priceJSON(thousand + monthly))}, nil},
		"the price twice":      {"", []string{five(priceJSON(thousand + monthly)), strings.Replace(five(priceJSON(thousand+monthly)), "si_1", "si_2", 1)}, &Cost{1000, "eur", "month", 1}},
		"two prices":           {"", []string{five(priceJSON(thousand + monthly)), itemJSON("si_2", "price_old", 1)}, nil},
		"beside another thing": {"", []string{itemJSON("si_2", "price_support", 1), five(priceJSON(thousand + monthly))}, &Cost{1000, "eur", "month", 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stand) {
				t := s.t
				fields := paidInvoice + c.fields // of two alike the last one counts
				s.answer = routes(map[string]http.HandlerFunc{
					"GET /v1/subscriptions":     replies(200, listOf(false, subJSON("sub_1", "active", fields, c.items...))),
					"GET /v1/prices/price_seat": replies(200, priceJSON(thousand+monthly+options)),
				})
				for range 2 {
					got, err := s.client.Subscriptions(t.Context(), "cus_1")
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
	standIn(t, func(s *stand) {
		s.answer = routes(map[string]http.HandlerFunc{
			"GET /v1/subscriptions": replies(200, listOf(false, subJSON("sub_1", "active", strings.Replace(paidInvoice, "eur", "usd", 1), itemJSON("si_1", "price_seat", 5)))),
		})
		got, err := s.client.Subscriptions(s.t.Context(), "cus_1")
		if err != nil || got[0].Paid != 5 || got[0].Cost != nil {
			s.t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestSeatPricesAreCheckedAndTheSoldOneRemembered(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stand) {
		t := s.t
		sold := &Cost{1000, "eur", "month", 1}
		old := replies(200, strings.Replace(priceJSON(thousand+monthly), "price_seat", "price_old", 1))
		archived := func(text string) string { return strings.Replace(text, `"active":true`, `"active":false`, 1) }
		for _, c := range []struct {
			what      string
			seat, old http.HandlerFunc
			want      *Cost
			says      string // "": nothing is wrong
			person    bool   // a person must put it right
		}{
			{"away from the start", replies(503, ""), old, nil, "price_seat: stripe: prices.retrieve: unavailable", false},
			{"both are fine", replies(200, priceJSON(thousand+monthly)), old, sold, "", false},
			{"away", replies(503, ""), replies(503, ""), sold, "price_old: stripe", false},
			{"it costs more", replies(200, priceJSON(`,"unit_amount":1200,"unit_amount_decimal":"1200"`+quarterly)), old, &Cost{1200, "eur", "month", 3}, "", false},
			{"the old one is archived", replies(200, priceJSON(thousand+monthly)), replies(200, archived(strings.Replace(priceJSON(thousand+monthly), "price_seat", "price_old", 1))), sold, "", false},
			{"the old one is metered", replies(200, priceJSON(thousand+monthly)), replies(200, strings.Replace(priceJSON(thousand+metered), "price_seat", "price_old", 1)), sold, "price_old: the price cannot be used", true},
			{"a fraction", replies(200, priceJSON(`,"unit_amount":null,"unit_amount_decimal":"0.5"`+monthly)), old, nil, "", false},
			{"archived", replies(200, archived(priceJSON(thousand+monthly))), old, nil, "archived", true},
			{"fine again", replies(200, priceJSON(thousand+monthly)), old, sold, "", false},
			{"unknown", replies(404, says("invalid_request_error", codeMissing, "id")), old, nil, "does not know it", true},
			{"metered", replies(200, priceJSON(thousand+metered)), old, nil, "recurring", true},
			{"paid once", replies(200, priceJSON(thousand)), old, nil, "recurring", true},
		} {
			s.set(func() {
				s.answer = routes(map[string]http.HandlerFunc{"GET /v1/prices/price_seat": c.seat, "GET /v1/prices/price_old": c.old})
			})
			err := s.client.RefreshPrices(t.Context())
			if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || errors.Is(err, ErrPrice) != c.person) {
				t.Errorf("%s: got %v, want %q, a person's business: %t", c.what, err, c.says, c.person)
			}
			if diff := cmp.Diff(c.want, s.client.SoldPrice()); diff != "" {
				t.Errorf("%s: sold for (-want +got):\n%s", c.what, diff)
			}
			<-time.After(time.Hour) // what is away is asked again
		}
	})
}
