package billing

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/teamtask/teamtask/internal/stripe"
)

// till is a Stripe that has customers, subscriptions and charges, and remembers what it
// was asked.
type till struct {
	mu            sync.Mutex
	customers     map[string]*buyer
	subscriptions map[string]*sale
	charges       map[string]string // whose they are
	sessions      map[string]string // the statuses of checkouts
	made          map[string]string // customers and checkouts by idempotency key
	things        map[string]string // other answers, by path
	lies          bool              // says that it has made customers, and has not
	requests      []string
	broken        map[string]int        // by the path's beginning: the status that is answered
	refuses       map[string]string     // by verb and path: the error that is answered with 400
	lied          map[string]bool       // by verb and path: what is answered with 200 and not done
	keys          []string              // of the writes
	asked         func(r *http.Request) // called before an answer is made; may be nil
	answered      func(path string)     // and before it arrives; may be nil

	transport func(*http.Request) *http.Response // takes the place of answer; may be nil
}

// buyer is a customer.
type buyer struct {
	org     string
	deleted bool
}

// sale is a subscription.
type sale struct {
	customer string
	status   string
	quantity int64
	price    string
	unpaid   bool  // its first invoice
	paid     int64 // the quantity before a raise that is not paid; 0: all of it is
	bare     bool  // without items
	created  int64
	invoice  string // the status of its first invoice; "": open or paid
	intent   string // and of its payment
}

// first is the status of its first invoice.
func (s *sale) first() string {
	if s.invoice != "" {
		return s.invoice
	}
	if s.unpaid {
		return "open"
	}
	return "paid"
}

// payable returns the subscriptions whose first invoice can still be paid.
func (s *till) payable() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, id := range slices.Sorted(maps.Keys(s.subscriptions)) {
		if s.subscriptions[id].first() == "open" {
			all = append(all, id)
		}
	}
	return all
}

// declines has a card declined: the subscription waits for its first payment.
func (s *till) declines(id, customer string, quantity int64) {
	s.did(func() {
		s.subscriptions[id] = &sale{
			customer: customer, status: statusIncomplete, quantity: quantity, price: seatPrice, unpaid: true, created: epoch.Unix(),
			intent: "requires_payment_method",
		}
	})
}

// invoices are those of the sale of that id, newest first.
func (s *sale) invoices(id string) []string {
	const first, update = "subscription_create", "subscription_update"
	intent := cmp.Or(s.intent, "succeeded")
	if s.paid == 0 {
		return []string{invoiceText("in_"+id, first, s.first(), intent, lineText("subscription", s.price, s.quantity, 1500*s.quantity))}
	}
	return []string{
		invoiceText("in_raise_"+id, update, "open", intent, lineText("invoiceitem", s.price, s.paid, -1500*s.paid), lineText("invoiceitem", s.price, s.quantity, 1500*s.quantity)),
		invoiceText("in_"+id, first, "paid", intent, lineText("subscription", s.price, s.paid, 1500*s.paid)),
	}
}

func invoiceText(id, reason, status, intent string, lines ...string) string {
	return fmt.Sprintf(`{"id":%q,"object":"invoice","billing_reason":%q,"paid":%t,"status":%q,"total":1000,"lines":%s,
		"payment_intent":{"id":"pi_%s","object":"payment_intent","status":%q}}`, id, reason, status == "paid", status, listText(lines), id, intent)
}

func lineText(kind, price string, quantity, amount int64) string {
	return fmt.Sprintf(`{"id":"il_%d","object":"line_item","type":%q,"subscription_item":"si_1","quantity":%d,"amount":%d,"price":%s}`,
		quantity, kind, quantity, amount, priceText(price))
}

func priceText(id string) string {
	return fmt.Sprintf(`{"id":%q,"object":"price","active":true,"billing_scheme":"per_unit","unit_amount":1500,"unit_amount_decimal":"1500","currency":"eur",
		"recurring":{"interval":"month","interval_count":1,"usage_type":"licensed"}}`, id)
}

func newTill() *till {
	return &till{customers: map[string]*buyer{}, subscriptions: map[string]*sale{}, charges: map[string]string{}, sessions: map[string]string{}, made: map[string]string{}, broken: map[string]int{}}
}

// stripe is a client of it, without a network between.
func (s *till) stripe() *stripe.Client { return s.stripeWith("sk_test_1") }

func (s *till) stripeWith(key string) *stripe.Client {
	return stripe.New(stripe.Options{
		URL: "http://stripe.test", SecretKey: key, SeatPrices: []string{seatPrice},
		Transport: wireless(func(r *http.Request) *http.Response {
			s.mu.Lock()
			answer := s.transport
			s.mu.Unlock()
			if answer == nil {
				return s.answer(r)
			}
			return answer(r)
		}),
	})
}

type wireless func(*http.Request) *http.Response

func (w wireless) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w(r), nil
}

// did changes something in Stripe.
func (s *till) did(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// sells has a subscription.
func (s *till) sells(id, customer, status string, quantity int64) {
	s.did(func() {
		s.subscriptions[id] = &sale{customer: customer, status: status, quantity: quantity, price: seatPrice, created: epoch.Unix()}
	})
}

func (s *till) knows(customer, org string) {
	s.did(func() { s.customers[customer] = &buyer{org: org} })
}

// heard returns what was asked, reads left out, since it was asked last.
func (s *till) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

func (s *till) answer(r *http.Request) *http.Response {
	if s.asked != nil {
		s.asked(r)
	}
	if s.answered != nil {
		defer s.answered(strings.TrimPrefix(r.URL.Path, "/v1/"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := httptest.NewRecorder()
	status, body := s.reply(r)
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	response := w.Result()
	response.Request = r
	return response
}

func (s *till) reply(r *http.Request) (int, string) {
	path, query := strings.TrimPrefix(r.URL.Path, "/v1/"), r.URL.Query()
	if r.Method != http.MethodGet {
		s.requests = append(s.requests, r.Method+" "+path)
		s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	}
	if s.lied[r.Method+" "+path] {
		parts := strings.Split(strings.TrimSuffix(strings.TrimSuffix(path, "/void"), "/expire"), "/")
		return http.StatusOK, fmt.Sprintf(`{"id":%q}`, parts[len(parts)-1])
	}
	if body, ok := s.refuses[r.Method+" "+path]; ok {
		return http.StatusBadRequest, body
	}
	for prefix, status := range s.broken {
		if strings.HasPrefix(path, prefix) {
			if status < http.StatusInternalServerError {
				return status, `{"error":{"type":"invalid_request_error"}}`
			}
			return status, `{"error":{"type":"api_error"}}`
		}
	}
	if text := s.things[path]; text != "" {
		return http.StatusOK, text
	}
	kind, id, _ := strings.Cut(path, "/")
	switch {
	case kind == "account":
		return http.StatusOK, `{"id":"acct_own","object":"account"}`
	case kind == "prices":
		return http.StatusOK, priceText(strings.TrimPrefix(path, "prices/"))
	case kind == "customers" && id == "" && r.Method == http.MethodPost:
		return s.addCustomer(r)
	case kind == "customers" && id == "":
		var rows []string
		for _, id := range slices.Sorted(maps.Keys(s.customers)) {
			if !s.customers[id].deleted {
				rows = append(rows, s.customerText(id))
			}
		}
		return http.StatusOK, listText(rows)
	case kind == "customers" && s.customers[id] != nil:
		return http.StatusOK, s.customerText(id)
	case kind == "subscriptions" && id == "":
		return s.listSubscriptions(query.Get("customer"))
	case kind == "invoices" && strings.HasSuffix(id, "/void"):
		return s.void(strings.TrimSuffix(strings.TrimPrefix(id, "in_"), "/void"))
	case kind == "subscriptions" && r.Method == http.MethodDelete && s.subscriptions[id] != nil:
		s.subscriptions[id].status = statusCanceled
		return http.StatusOK, s.subscriptionText(id)
	case kind == "subscriptions" && s.subscriptions[id] != nil:
		return http.StatusOK, s.subscriptionText(id)
	case kind == "invoices" && id == "":
		sold := s.subscriptions[query.Get("subscription")]
		if sold == nil {
			return http.StatusOK, listText(nil)
		}
		return http.StatusOK, listText(sold.invoices(query.Get("subscription")))
	case kind == "checkout":
		return s.checkout(r.Header.Get("Idempotency-Key"), strings.TrimPrefix(id, "sessions"))
	case path == "billing_portal/configurations" && r.Method == http.MethodGet:
		return http.StatusOK, listText(nil)
	case strings.HasPrefix(path, "billing_portal/configurations"):
		return http.StatusOK, `{"id":"bpc_1","object":"billing_portal.configuration","active":true}`
	case kind == "billing_portal":
		return http.StatusBadRequest, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"customer"}}` // it knows none
	case kind == "charges" && s.charges[id] != "":
		return http.StatusOK, fmt.Sprintf(`{"id":%q,"object":"charge","customer":%q}`, id, s.charges[id])
	}
	return http.StatusNotFound, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"id"}}`
}

// void takes the first invoice of a subscription back, unless its payment is under way.
func (s *till) void(subscription string) (int, string) {
	sold := s.subscriptions[subscription]
	if sold == nil || sold.first() != "open" || sold.intent == "processing" {
		return http.StatusBadRequest, `{"error":{"type":"invalid_request_error"}}`
	}
	sold.invoice, sold.intent = "void", "canceled"
	return http.StatusOK, fmt.Sprintf(`{"id":"in_%s","object":"invoice","status":"void"}`, subscription)
}

// addCustomer makes one customer for each idempotency key.
func (s *till) addCustomer(r *http.Request) (int, string) {
	key := r.Header.Get("Idempotency-Key")
	if err := r.ParseForm(); err != nil || key == "" {
		return http.StatusBadRequest, `{"error":{"type":"invalid_request_error"}}`
	}
	if s.made[key] == "" {
		org := r.PostForm.Get("metadata[organization_id]")
		s.made[key] = "cus_made_" + org
		if len(s.made) > 1 {
			s.made[key] += fmt.Sprint("_", len(s.made))
		}
		s.customers[s.made[key]] = &buyer{org: org}
	}
	if s.lies {
		text := s.customerText(s.made[key])
		delete(s.customers, s.made[key])
		return http.StatusOK, text
	}
	return http.StatusOK, s.customerText(s.made[key])
}

// checkout opens a page, looks at it or ends it.
func (s *till) checkout(key, path string) (int, string) {
	id, end := strings.CutSuffix(strings.TrimPrefix(path, "/"), "/expire")
	switch {
	case id == "" && s.made[key] != "":
		id = s.made[key]
	case id == "":
		id = fmt.Sprintf("cs_%d", len(s.sessions)+1)
		s.made[key], s.sessions[id] = id, "open"
	case s.sessions[id] == "":
		return http.StatusNotFound, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"session"}}`
	case end && s.sessions[id] != "open":
		return http.StatusBadRequest, `{"error":{"type":"invalid_request_error"}}`
	case end:
		s.sessions[id] = "expired"
	}
	return http.StatusOK, fmt.Sprintf(`{"id":%q,"object":"checkout.session","url":"https://checkout.stripe.test/%s","expires_at":1800000000,"status":%q}`, id, id, s.sessions[id])
}

func (s *till) listSubscriptions(customer string) (int, string) {
	c := s.customers[customer]
	if c == nil || c.deleted {
		return http.StatusBadRequest, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"customer"}}`
	}
	var rows []string
	for _, id := range slices.Sorted(maps.Keys(s.subscriptions)) {
		if s.subscriptions[id].customer == customer {
			rows = append(rows, s.subscriptionText(id))
		}
	}
	return http.StatusOK, listText(rows)
}

func listText(rows []string) string {
	return `{"object":"list","has_more":false,"data":[` + strings.Join(rows, ",") + `]}`
}

func (s *till) customerText(id string) string {
	c := s.customers[id]
	if c.deleted {
		return fmt.Sprintf(`{"id":%q,"object":"customer","deleted":true}`, id)
	}
	text, err := json.Marshal(map[string]any{"id": id, "object": "customer", "metadata": map[string]string{"organization_id": c.org}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (s *till) subscriptionText(id string) string {
	sold := s.subscriptions[id]
	items := []any{}
	if !sold.bare {
		items = append(items, map[string]any{
			"id": "si_1", "object": "subscription_item", "quantity": sold.quantity, "price": json.RawMessage(priceText(sold.price)),
		})
	}
	text, err := json.Marshal(map[string]any{
		"id": id, "object": "subscription", "customer": sold.customer, "status": sold.status, "created": cmp.Or(sold.created, epoch.Unix()),
		"currency": "eur", "current_period_end": epoch.AddDate(1, 0, 0).Unix(),
		"latest_invoice": json.RawMessage(sold.invoices(id)[0]),
		"items":          map[string]any{"object": "list", "has_more": false, "data": items},
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// hook calls fn before each answer.
func hook(fn func()) func(*http.Request) { return func(*http.Request) { fn() } }
