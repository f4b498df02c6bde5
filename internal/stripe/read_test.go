package stripe

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/outbound"
)

// itemJSON is an item of a subscription.
func itemJSON(id, priceID string, quantity int64) string {
	return fmt.Sprintf(`{"id":%q,"object":"subscription_item","quantity":%d,"price":{"id":%q,"object":"price","active":true,"currency":"eur","unit_amount":1000,
		"unit_amount_decimal":"1000","billing_scheme":"per_unit","product":"prod_1","recurring":{"interval":"month","interval_count":1,"usage_type":"licensed"}}}`, id, quantity, priceID)
}

// subJSON is a subscription with further fields and items.
func subJSON(id, status, fields string, items ...string) string {
	return fmt.Sprintf(`{"id":%q,"object":"subscription","customer":"cus_1","status":%q,"created":1700000000,"current_period_end":1702592000%s,"items":%s}`,
		id, status, fields, listOf(false, items...))
}

const (
	paidInvoice = `,"currency":"eur","latest_invoice":{"id":"in_1","object":"invoice","billing_reason":"subscription_create","status":"paid","paid":true,"total":5000,"lines":` + fiveLines + `}`
	openInvoice = `,"currency":"eur","latest_invoice":{"id":"in_2","object":"invoice","billing_reason":"subscription_cycle","status":"open","paid":false,"total":5000,"lines":` + fiveLines + `}`
	openSwitch  = `,"currency":"eur","latest_invoice":{"id":"in_3","object":"invoice","billing_reason":"subscription_update","status":"open","paid":false,"total":1000,"lines":` + switchLines + `}`

	switchLines = `{"object":"list","data":[{"id":"il_2","type":"invoiceitem","quantity":5,"amount":-3000,"subscription_item":"si_1","price":{"id":"price_before"}},
		{"id":"il_3","type":"invoiceitem","quantity":5,"amount":4000,"subscription_item":"si_1","price":{"id":"price_seat"}}]}`

	fiveLines = `{"object":"list","data":[{"id":"il_1","type":"subscription","quantity":5,"amount":5000,"subscription_item":"si_1","price":{"id":"price_seat"}}]}`
)

func at(unix int64) *time.Time { t := time.Unix(unix, 0).UTC(); return &t }

func TestASubscriptionIsReadAsItIs(t *testing.T) {
	t.Parallel()
	seat := Cost{1000, "eur", "month", 1}
	base := func(status string, change func(*Subscription)) Subscription {
		s := Subscription{
			ID: "sub_1", Customer: "cus_1", Status: status, Quantity: 5, Paid: 5, Seats: true, Started: true, Cost: &seat,
			CreateTime: *at(1700000000), CurrentPeriodEnd: at(1702592000),
		}
		if change != nil {
			change(&s)
		}
		return s
	}
	five := itemJSON("si_1", "price_seat", 5)
	unasked := func(s *Subscription) { s.Started, s.Paid = false, 0 }
	first, renewal := strings.Replace(openInvoice, "cycle", "create", 1), openInvoice
	listed := func(invoices ...string) string { // of fields of subscriptions
		var rows []string
		for _, i := range invoices {
			rows = append(rows, i[strings.Index(i, `{"id"`):])
		}
		return listOf(false, rows...)
	}
	changed := func(id, status string, total, balance, from, to int64) string {
		return fmt.Sprintf(`{"id":%q,"object":"invoice","billing_reason":"subscription_update","status":%q,"paid":%t,"total":%d,"amount_paid":0,"starting_balance":%d,"lines":`+
			`{"object":"list","data":[{"id":"il_4","type":"invoiceitem","quantity":%d,"amount":-%[6]d,"subscription_item":"si_1","price":{"id":"price_seat"}},`+
			`{"id":"il_5","type":"invoiceitem","quantity":%[7]d,"amount":%[7]d,"subscription_item":"si_1","price":{"id":"price_seat"}}]}}`, id, status, status == "paid", total, balance, from, to)
	}
	onCredit := strings.Replace(paidInvoice, `create","status":"paid"`, `cycle","status":"paid","amount_paid":0,"paid_out_of_band":false,"starting_balance":-9990`, 1)
	creditOpen, credit, raiseOpen := changed("in_6", "open", 40, -9990, 1, 5), changed("in_5", "paid", -9990, 0, 1000, 1), changed("in_4", "open", 9990, 0, 1, 1000)
	onePaid := strings.Replace(paidInvoice, `"quantity":5`, `"quantity":1`, 1)
	for name, c := range map[string]struct {
		json     string
		invoices string // newest first; "" where they must not be asked for
		want     Subscription
	}{
		"active":     {subJSON("sub_1", "active", paidInvoice, five), "", base("active", nil)},
		"no invoice": {subJSON("sub_1", "active", `,"currency":"eur","latest_invoice":null`, five), "", base("active", nil)},
		"paid by status": {
			subJSON("sub_1", "active", strings.Replace(paidInvoice, `"paid":true`, `"paid":false`, 1), five), "", base("active", nil),
		},
		"first unpaid": {subJSON("sub_1", "active", first, five), listed(first), base("active", unasked)},
		"later unpaid": {subJSON("sub_1", "past_due", renewal, five), listed(renewal, paidInvoice), base("past_due", nil)},
		"not expanded": {subJSON("sub_1", "active", `,"currency":"eur","latest_invoice":"in_1"`, five), listed(renewal, paidInvoice), base("active", nil)},
		"another price, unpaid": {
			subJSON("sub_1", "active", openSwitch, five), listed(openSwitch, strings.Replace(paidInvoice, "price_seat", "price_before", 1)), base("active", nil),
		},
		"paid from credit for unpaid seats": {
			subJSON("sub_1", "active", onCredit, five), listed(onCredit, creditOpen, credit, raiseOpen, onePaid),
			base("active", func(s *Subscription) { s.Paid = 1 }),
		},
		"paid from other credit": {subJSON("sub_1", "active", onCredit, five), listed(onCredit, onePaid), base("active", nil)},
		"paid out of band": {
			subJSON("sub_1", "active", strings.Replace(onCredit, `"paid_out_of_band":false`, `"paid_out_of_band":true`, 1), five), "", base("active", nil),
		},
		"paid in part from credit": {
			subJSON("sub_1", "active", strings.Replace(onCredit, `"amount_paid":0`, `"amount_paid":1`, 1), five), "", base("active", nil),
		},
		"forgiven beside credit": {
			subJSON("sub_1", "active", strings.Replace(onCredit, `"starting_balance":-9990`, `"starting_balance":-4990`, 1), five), "", base("active", nil),
		},
		"unpaid":     {subJSON("sub_1", "unpaid", renewal, five), "", base("unpaid", unasked)},
		"incomplete": {subJSON("sub_1", "incomplete", first, five), "", base("incomplete", unasked)},
		"invoices sent": {
			subJSON("sub_1", "active", first+`,"collection_method":"send_invoice"`, five), "", base("active", nil),
		},
		"the first one sent is past due": {
			subJSON("sub_1", "past_due", first+`,"collection_method":"send_invoice"`, five), listed(first), base("past_due", unasked),
		},
		"trial": {
			subJSON("sub_1", "trialing", openInvoice+`,"trial_end":1701000000`, five), "",
			base("trialing", func(s *Subscription) { s.TrialEnd = at(1701000000) }),
		},
		"cancels at period end": {
			subJSON("sub_1", "active", paidInvoice+`,"cancel_at_period_end":true`, five), "",
			base("active", func(s *Subscription) { s.CancelTime = at(1702592000) }),
		},
		"cancels at a time": {
			subJSON("sub_1", "active", paidInvoice+`,"cancel_at":1702000000`, five), "",
			base("active", func(s *Subscription) { s.CancelTime = at(1702000000) }),
		},
		"canceled": {
			subJSON("sub_1", "canceled", openInvoice+`,"cancel_at":1702000000,"ended_at":1701500000`, five), "",
			base("canceled", func(s *Subscription) { unasked(s); s.CancelTime = at(1701500000) }),
		},
		"several items": {
			subJSON("sub_1", "active", paidInvoice, itemJSON("si_0", "price_support", 1), five, itemJSON("si_2", "price_old", 2)), "",
			base("active", func(s *Subscription) { s.Quantity, s.Paid, s.Cost = 7, 7, nil }),
		},
		"no seats": {
			subJSON("sub_1", "active", paidInvoice, itemJSON("si_0", "price_support", 9)), "",
			base("active", func(s *Subscription) { s.Quantity, s.Paid, s.Seats, s.Cost = 0, 0, false, nil }),
		},
		"no items": {
			subJSON("sub_1", "active", paidInvoice), "",
			base("active", func(s *Subscription) { s.Quantity, s.Paid, s.Seats, s.Cost = 0, 0, false, nil }),
		},
		"a plan of old": {
			subJSON("sub_1", "active", paidInvoice, `{"id":"si_1","quantity":5,"price":null,"plan":{"id":"price_seat"}}`), "",
			base("active", func(s *Subscription) { s.Cost = nil }),
		},
		"a deleted price": {
			subJSON("sub_1", "active", paidInvoice, `{"id":"si_1","quantity":5,"price":{"id":"price_seat","deleted":true}}`), "",
			base("active", func(s *Subscription) { s.Cost = nil }),
		},
		"a price that is an id": {
			subJSON("sub_1", "active", paidInvoice, `{"id":"si_1","quantity":5,"price":"price_seat"}`), "",
			base("active", func(s *Subscription) { s.Cost = nil }),
		},
		"a metered item without quantity": {
			subJSON("sub_1", "active", paidInvoice, five, `{"id":"si_2","price":{"id":"price_requests","recurring":{"usage_type":"metered"}}}`), "",
			base("active", nil),
		},
		"an item of something else without end": {
			subJSON("sub_1", "active", paidInvoice, five, `{"id":"si_2","quantity":9000000000,"price":null}`), "", base("active", nil),
		},
		"seats without quantity": {
			subJSON("sub_1", "active", paidInvoice, itemJSON("si_0", "price_seat", 0)), "",
			base("active", func(s *Subscription) { s.Quantity, s.Paid = 0, 0 }),
		},
		"a status of tomorrow": {
			strings.Replace(subJSON("sub_1", "STATUS", paidInvoice, five), "STATUS", `so\u0000met\u00e4hing\n`+strings.Repeat("x", 100), 1), "",
			base("something"+strings.Repeat("x", 55), unasked),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stand) {
				t := s.t
				answers := map[string]http.HandlerFunc{
					"GET /v1/subscriptions":   replies(http.StatusOK, listOf(false, c.json)),
					"GET /v1/customers/cus_1": replies(http.StatusOK, customerJSON),
				}
				if c.invoices != "" {
					answers["GET /v1/invoices"] = replies(http.StatusOK, c.invoices)
				}
				s.answer = routes(answers)
				got, err := s.client.Subscriptions(t.Context(), "cus_1")
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]Subscription{c.want}, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				first := s.got()[0]
				if q := first.query; q.Get("customer") != "cus_1" || q.Get("status") != "all" || q.Get("limit") != "100" || q.Get("expand[0]") != "data.latest_invoice" {
					t.Errorf("asked with %v", q)
				}
				for _, r := range s.got() {
					if r.path == "/v1/invoices" && r.query.Get("limit") != "100" {
						t.Errorf("asked for invoices with %v", r.query)
					}
				}
			})
		})
	}
}

func TestAllSubscriptionsAndAllTheirItemsAreRead(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stand) {
		t := s.t
		many := strings.Replace(subJSON("sub_1", "active", paidInvoice, itemJSON("si_1", "price_seat", 1)), `"has_more":false`, `"has_more":true`, 1)
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			switch r.URL.Path + " " + q.Get("starting_after") {
			case "/v1/subscriptions ":
				replies(http.StatusOK, listOf(true, many))(w, r)
			case "/v1/subscriptions sub_1":
				replies(http.StatusOK, listOf(false, subJSON("sub_2", "canceled", paidInvoice, itemJSON("si_9", "price_seat", 3))))(w, r)
			case "/v1/subscription_items si_1":
				replies(http.StatusOK, listOf(true, itemJSON("si_2", "price_other", 10)))(w, r)
			case "/v1/subscription_items si_2":
				replies(http.StatusOK, listOf(false, itemJSON("si_3", "price_seat", 100)))(w, r)
			default:
				replies(http.StatusNotFound, "")(w, r)
			}
		}
		got, err := s.client.Subscriptions(t.Context(), "cus_1")
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[0].Quantity != 101 || got[1].ID != "sub_2" || got[1].Quantity != 3 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestACustomerWhoIsUnknownOrDeletedIsSaidToBeNone(t *testing.T) {
	t.Parallel()
	const deleted = `{"id":"cus_1","object":"customer","deleted":true}`
	ended := listOf(false, subJSON("sub_1", "canceled", paidInvoice, itemJSON("si_1", "price_seat", 5)))
	for name, c := range map[string]struct {
		list, customer http.HandlerFunc
		none           bool
	}{
		"unknown to the list": {replies(400, says("invalid_request_error", codeMissing, "customer")), replies(200, customerJSON), true},
		"unknown":             {replies(200, listOf(false)), replies(404, says("invalid_request_error", codeMissing, "id")), true},
		"deleted":             {replies(200, listOf(false)), replies(200, deleted), true},
		"deleted with ended":  {replies(200, ended), replies(200, deleted), true},
		"there":               {replies(200, listOf(false)), replies(200, customerJSON), false},
		"there with ended":    {replies(200, ended), replies(200, customerJSON), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stand) {
				t := s.t
				s.answer = routes(map[string]http.HandlerFunc{"GET /v1/subscriptions": c.list, "GET /v1/customers/cus_1": c.customer})
				_, err := s.client.Subscriptions(t.Context(), "cus_1")
				if errors.Is(err, ErrNoCustomer) != c.none || err != nil && !c.none {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// A provider that lies, or a proxy that mixes up answers, must not give seats.
func TestSubscriptionsThatCannotBeAreNotBelieved(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]string{
		"another's":         listOf(false, strings.ReplaceAll(subJSON("sub_1", "active", paidInvoice), "cus_1", "cus_2")),
		"null for items":    listOf(false, `{"id":"sub_1","customer":"cus_1","status":"active","items":{"object":"list","data":null}}`),
		"no customer":       listOf(false, strings.ReplaceAll(subJSON("sub_1", "active", paidInvoice), `"cus_1"`, "null")),
		"no items":          listOf(false, `{"id":"sub_1","customer":"cus_1","status":"active"}`),
		"no status":         listOf(false, subJSON("sub_1", "", paidInvoice)),
		"null":              listOf(false, "null"),
		"negative":          listOf(false, subJSON("sub_1", "active", paidInvoice, itemJSON("si_1", "price_seat", -5))),
		"absurd":            listOf(false, subJSON("sub_1", "active", paidInvoice, itemJSON("si_1", "price_seat", quantityMax+1))),
		"an id that is not": listOf(false, subJSON("../sub", "active", paidInvoice)),
		"more of nothing":   listOf(true),
		"for ever":          listOf(true, subJSON("sub_1", "active", paidInvoice)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stand) {
				t := s.t
				s.answer = routes(map[string]http.HandlerFunc{"GET /v1/subscriptions": replies(200, list), "GET /v1/customers/cus_1": replies(200, customerJSON)})
				got, err := s.client.Subscriptions(t.Context(), "cus_1")
				if wantError(t, err, Unavailable); got != nil {
					t.Errorf("got %+v", got)
				}
				if n := len(s.got()); n > outbound.AttemptsMax {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

func TestCustomersOfOrganizationsAreListedAndOthersSkipped(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stand) {
		t := s.t
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("starting_after") == "" {
				replies(200, listOf(true, customerJSON, `{"id":"cus-by@hand","metadata":{"organization_id":"org_9"}}`))(w, r)
				return
			}
			replies(200, listOf(false, `{"id":"cus_2"}`, `{"id":"cus_3","metadata":{"organization_id":"org_3"}}`))(w, r)
		}
		var got []Customer
		for c, err := range s.client.Customers(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, c)
		}
		if diff := cmp.Diff([]Customer{{"cus_1", "org_1"}, {"cus_3", "org_3"}}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if after := s.got()[1].query.Get("starting_after"); after != "cus-by@hand" {
			t.Errorf("the second page was asked for behind %q", after)
		}
		s.set(func() { s.answer = replies(500, "") })
		n := 0
		for _, err := range s.client.Customers(t.Context()) {
			wantError(t, err, Unavailable)
			n++
		}
		if n != 1 {
			t.Errorf("%d rows after an error", n)
		}
	})
}

func TestAChargeLeadsToItsCustomer(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"id":"ch_1","customer":"cus_1"}`:                       "cus_1",
		`{"id":"ch_1","customer":{"id":"cus_2","name":"x"}}`:     "cus_2",
		`{"id":"ch_1","customer":null}`:                          "",
		`{"id":"ch_1","billing_details":{"name":"` + "x" + `"}}`: "",
	} {
		standIn(t, func(s *stand) {
			s.answer = routes(map[string]http.HandlerFunc{"GET /v1/charges/ch_1": replies(200, body)})
			if got, err := s.client.CustomerOfCharge(s.t.Context(), "ch_1"); got != want || err != nil {
				s.t.Errorf("%s: got %q, %v", body, got, err)
			}
			_, err := s.client.CustomerOfCharge(s.t.Context(), "ch_2")
			wantError(s.t, err, NotFound)
		})
	}
}

func TestIdsThatAreNoneAreNotSentToStripe(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stand) {
		t := s.t
		s.answer = replies(200, customerJSON)
		for _, id := range []string{"", "../customers", "cus_1/x", "cus_1?x=y", "cus 1", "cus_\u00e4", strings.Repeat("c", 256)} {
			_, err := s.client.Subscriptions(t.Context(), id)
			wantError(t, err, Refused)
			_, err = s.client.CustomerGone(t.Context(), id)
			wantError(t, err, Refused)
			_, err = s.client.CustomerOfCharge(t.Context(), id)
			wantError(t, err, Refused)
			_, err = s.client.CreateCheckout(t.Context(), "k", Checkout{Customer: id})
			wantError(t, err, Refused)
			_, err = s.client.CreatePortal(t.Context(), "k", id, "https://app.test/")
			wantError(t, err, Refused)
			wantError(t, s.client.Cancel(t.Context(), "k", id), Refused)
			wantError(t, s.client.ExpireCheckout(t.Context(), "k", id), Refused)
		}
		if n := len(s.got()); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}
