package stripe

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// account is an account at Stripe with what Setup makes. It remembers returns by
// idempotency key, as Stripe does, and gives pages of two.
type account struct {
	mu      sync.Mutex
	objects map[string][]map[string]any // by path; the newest first
	stored  map[string]string           // answers by key
	made    int
}

func newAccount() *account {
	return &account{objects: map[string][]map[string]any{}, stored: map[string]string{}}
}

const (
	productsPath  = "/v1/products"
	pricesPath    = "/v1/prices"
	portalsPath   = "/v1/billing_portal/configurations"
	endpointsPath = "/v1/webhook_endpoints"
)

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path, id := r.URL.Path, ""
	for _, list := range []string{productsPath, pricesPath, portalsPath, endpointsPath} {
		if rest, ok := strings.CutPrefix(path, list+"/"); ok {
			path, id = list, rest
		}
	}
	i := slices.IndexFunc(a.objects[path], func(o map[string]any) bool { return o["id"] == id })
	switch {
	case id != "" && i < 0:
		replies(http.StatusNotFound, says("invalid_request_error", codeMissing, "id"))(w, r)
	case r.Method == http.MethodGet && id != "":
		replies(http.StatusOK, expanded(r, a.objects[path][i]))(w, r)
	case r.Method == http.MethodGet:
		a.list(w, r, path)
	default:
		key := r.Header.Get("Idempotency-Key")
		answer, known := a.stored[key]
		if !known && id == "" {
			answer = a.create(path, r.Form)
		} else if !known {
			a.change(path, a.objects[path][i], r.Form)
			answer = told(a.objects[path][i])
		}
		a.stored[key] = answer
		replies(http.StatusOK, answer, "Idempotent-Replayed", strconv.FormatBool(known))(w, r)
	}
}

func (a *account) list(w http.ResponseWriter, r *http.Request, path string) {
	q := r.URL.Query()
	rows := slices.DeleteFunc(slices.Clone(a.objects[path]), func(o map[string]any) bool {
		return q.Get("active") == "true" && !o["active"].(bool) || q.Get("product") != "" && o["product"] != q.Get("product")
	})
	if after := q.Get("starting_after"); after != "" {
		rows = rows[slices.IndexFunc(rows, func(o map[string]any) bool { return o["id"] == after })+1:]
	}
	var page []string
	for _, o := range rows[:min(2, len(rows))] {
		page = append(page, expanded(r, o))
	}
	replies(http.StatusOK, listOf(len(rows) > 2, page...))(w, r)
}

func (a *account) create(path string, form url.Values) string {
	a.made++
	o := map[string]any{"id": fmt.Sprintf("%s_%d", path[strings.LastIndex(path, "/")+1:], a.made), "active": true}
	switch path {
	case pricesPath:
		amount, _ := strconv.Atoi(form.Get("unit_amount"))
		o["product"], o["unit_amount"], o["currency"], o["billing_scheme"] = form.Get("product"), amount, form.Get("currency"), "per_unit"
		o["recurring"] = map[string]any{"interval": form.Get("recurring[interval]"), "interval_count": 1, "usage_type": "licensed"}
	case endpointsPath:
		o["url"], o["api_version"], o["status"], o["secret"] = form.Get("url"), form.Get("api_version"), "enabled", "whsec_"+strconv.Itoa(a.made)
	}
	a.change(path, o, form)
	a.objects[path] = slices.Insert(a.objects[path], 0, o)
	answer := told(o)
	delete(o, "secret") // it is told once
	return answer
}

func (a *account) change(path string, o map[string]any, form url.Values) {
	metadata := map[string]string{}
	for name := range form {
		if key, ok := strings.CutPrefix(name, "metadata["); ok {
			metadata[strings.TrimSuffix(key, "]")] = form.Get(name)
		}
	}
	if len(metadata) > 0 {
		o["metadata"] = metadata
	}
	switch path {
	case portalsPath:
		const update = "features[subscription_update]"
		o["features"] = map[string]any{"subscription_update": map[string]any{
			"enabled": form.Get(update+"[enabled]") == "true", "proration_behavior": form.Get(update + "[proration_behavior]"),
			"default_allowed_updates": numbered(form, update+"[default_allowed_updates]"),
			"products":                []any{map[string]any{"product": form.Get(update + "[products][0][product]"), "prices": numbered(form, update+"[products][0][prices]")}},
		}}
	case endpointsPath:
		o["enabled_events"] = numbered(form, "enabled_events")
	}
}

func numbered(form url.Values, name string) []string {
	var all []string
	for i := 0; form.Has(fmt.Sprintf("%s[%d]", name, i)); i++ {
		all = append(all, form.Get(fmt.Sprintf("%s[%d]", name, i)))
	}
	return all
}

// expanded is an object as Stripe tells it: without a portal's products, unless the request
// expands them.
func expanded(r *http.Request, o map[string]any) string {
	asked := slices.ContainsFunc(r.URL.Query()["expand[0]"], func(path string) bool {
		return strings.HasSuffix(path, "features.subscription_update.products")
	})
	features, ok := o["features"].(map[string]any)
	if !ok || asked {
		return told(o)
	}
	update := maps.Clone(features["subscription_update"].(map[string]any))
	delete(update, "products")
	o = maps.Clone(o)
	o["features"] = map[string]any{"subscription_update": update}
	return told(o)
}

func told(o map[string]any) string {
	text, _ := json.Marshal(o)
	return string(text)
}

// counts is how many there are of each.
func (a *account) counts() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := map[string]int{}
	for path, all := range a.objects {
		n[path] = len(all)
	}
	return n
}

// withAccount gives the test an account and a client for it.
func withAccount(t *testing.T, prices []string, test func(s *stand, a *account)) {
	t.Helper()
	standIn(t, func(s *stand) {
		a := newAccount()
		s.answer = a.ServeHTTP
		s.client.seatPrices = prices
		test(s, a)
	})
}

const webhookURL = "https://api.test/webhooks/stripe"

var oneOfEach = map[string]int{productsPath: 1, pricesPath: 1, portalsPath: 1, endpointsPath: 1}

func TestSetupMakesOneOfEachAndThenChangesNothing(t *testing.T) {
	t.Parallel()
	withAccount(t, nil, func(s *stand, a *account) {
		t := s.t
		for i := range 5 { // others, on pages before ours
			a.objects[productsPath] = append(a.objects[productsPath], map[string]any{"id": fmt.Sprintf("prod_other%d", i), "active": true})
		}
		first, err := s.client.Setup(t.Context(), SetupOptions{WebhookURL: webhookURL})
		if err != nil {
			t.Fatal(err)
		}
		if first.Price == "" || first.Portal == "" || first.Endpoint == "" || !strings.HasPrefix(first.WebhookSecret, "whsec_") || len(first.Todo) > 0 {
			t.Errorf("got %+v", first)
		}
		for i := range 5 {
			a.objects[productsPath] = slices.Insert(a.objects[productsPath], 0, map[string]any{"id": fmt.Sprintf("prod_later%d", i), "active": true})
		}
		before := len(s.got())
		second, err := s.client.Setup(t.Context(), SetupOptions{WebhookURL: webhookURL})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range s.got()[before:] {
			if r.method != http.MethodGet {
				t.Errorf("%s %s the second time", r.method, r.path)
			}
		}
		first.WebhookSecret, first.Steps, second.Steps = "", nil, nil
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("-first +second:\n%s", diff)
		}
		want := maps.Clone(oneOfEach)
		want[productsPath] = 11
		if diff := cmp.Diff(want, a.counts()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestWhatSetupMakesIsWhatSeatsNeed(t *testing.T) {
	t.Parallel()
	withAccount(t, nil, func(s *stand, _ *account) {
		t := s.t
		if _, err := s.client.Setup(t.Context(), SetupOptions{WebhookURL: webhookURL, Amount: 2500, Currency: "usd", Interval: "year"}); err != nil {
			t.Fatal(err)
		}
		sent := map[string]url.Values{}
		for _, r := range s.got() {
			if r.method == http.MethodPost {
				sent[r.path] = r.form
				if r.header.Get("Idempotency-Key") == "" {
					t.Errorf("%s without a key", r.path)
				}
			}
		}
		const update = "features[subscription_update]"
		for path, want := range map[string]map[string]string{
			pricesPath: {"unit_amount": "2500", "currency": "usd", "recurring[interval]": "year", "metadata[teamtask]": "seat"},
			portalsPath: {
				update + "[enabled]": "true", update + "[default_allowed_updates][0]": "quantity", update + "[default_allowed_updates][1]": "",
				update + "[proration_behavior]": "always_invoice", update + "[products][0][product]": "products_1", update + "[products][0][prices][0]": "prices_2",
				"features[subscription_cancel][mode]": "at_period_end", "features[customer_update][enabled]": "true",
				"features[invoice_history][enabled]": "true", "features[payment_method_update][enabled]": "true", "metadata[teamtask]": "portal",
			},
			endpointsPath: {"url": webhookURL, "api_version": "2023-10-16"},
		} {
			for name, value := range want {
				if got := sent[path].Get(name); got != value {
					t.Errorf("%s: %s is %q, want %q", path, name, got, value)
				}
			}
		}
		if diff := cmp.Diff(EventTypes, numbered(sent[endpointsPath], "enabled_events")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestTwoSetupsAtOnceMakeOneOfEach(t *testing.T) {
	t.Parallel()
	withAccount(t, nil, func(s *stand, a *account) {
		t := s.t
		var both sync.WaitGroup
		var results [2]SetupResult
		for i := range results {
			both.Go(func() {
				var err error
				if results[i], err = s.client.Setup(t.Context(), SetupOptions{WebhookURL: webhookURL}); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if diff := cmp.Diff(oneOfEach, a.counts()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if results[0].Price != results[1].Price || results[0].Portal != results[1].Portal {
			t.Errorf("got %+v", results)
		}
	})
}

// Stripe returns a key for a day with what was made the first time.
func TestWhatWasTakenAwayIsMadeAnewTheSameDay(t *testing.T) {
	t.Parallel()
	withAccount(t, nil, func(s *stand, a *account) {
		t := s.t
		var seen []SetupResult
		for range 3 {
			r, err := s.client.Setup(t.Context(), SetupOptions{WebhookURL: webhookURL})
			if err != nil {
				t.Fatal(err)
			}
			if r.WebhookSecret == "" || slices.ContainsFunc(seen, func(o SetupResult) bool {
				return o.Price == r.Price || o.Portal == r.Portal || o.Endpoint == r.Endpoint || o.WebhookSecret == r.WebhookSecret
			}) {
				t.Errorf("got %+v after %+v", r, seen)
			}
			seen = append(seen, r)
			a.mu.Lock()
			a.objects[endpointsPath] = nil
			for _, path := range []string{productsPath, pricesPath, portalsPath} {
				for _, o := range a.objects[path] {
					o["active"] = false
				}
			}
			a.mu.Unlock()
		}
	})
}

func TestSetupRepairsWhatWasChangedAndSaysWhatItCannot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(update, endpoint map[string]any)
		did    string
		todo   string
	}{
		"free seats": {
			func(u, _ map[string]any) { u["proration_behavior"] = "none" }, "billed by none and not by create_prorations", "",
		},
		"other invoices": {
			func(u, _ map[string]any) { u["proration_behavior"] = "always_invoice" }, "billed by always_invoice and not by create_prorations", "",
		},
		"no quantity": {func(u, _ map[string]any) { u["default_allowed_updates"] = []string{} }, "not exactly the quantity", ""},
		"any price": {
			func(u, _ map[string]any) { u["default_allowed_updates"] = []string{"quantity", "price"} }, "not exactly the quantity", "",
		},
		"switched off": {func(u, _ map[string]any) { u["enabled"] = false }, "billed by nothing", ""},
		"another product": {
			func(u, _ map[string]any) {
				u["products"] = []any{map[string]any{"product": "prod_x", "prices": []string{"price_x"}}}
			}, "for other prices", "",
		},
		"fewer events":    {func(_, e map[string]any) { e["enabled_events"] = []string{"invoice.paid", "payout.paid"} }, "was not sent checkout.session.completed", ""},
		"another version": {func(_, e map[string]any) { e["api_version"] = "2026-08-26.dahlia" }, "", ""},
		"no version":      {func(_, e map[string]any) { e["api_version"] = nil }, "", ""},
		"disabled":        {func(_, e map[string]any) { e["status"] = "disabled" }, "", "is disabled"},
		"product gone":    {func(u, _ map[string]any) { u["products"] = []any{} }, "for other prices", ""},
		"product is null": {func(u, _ map[string]any) { u["products"] = nil }, "for other prices", ""},
		"one product too many": {
			func(u, _ map[string]any) {
				u["products"] = append(u["products"].([]any), map[string]any{"product": "prod_x", "prices": []string{"price_x"}})
			}, "for other prices", "",
		},
		"all events": {func(_, e map[string]any) { e["enabled_events"] = []string{"*"} }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withAccount(t, nil, func(s *stand, a *account) {
				t := s.t
				if _, err := s.client.Setup(t.Context(), SetupOptions{WebhookURL: webhookURL}); err != nil {
					t.Fatal(err)
				}
				update := a.objects[portalsPath][0]["features"].(map[string]any)["subscription_update"].(map[string]any)
				for range 2 { // the same day, and the same change again
					a.mu.Lock()
					c.change(update, a.objects[endpointsPath][0])
					a.mu.Unlock()
					before := len(s.got())
					r, err := s.client.Setup(t.Context(), SetupOptions{WebhookURL: webhookURL})
					if err != nil {
						t.Fatal(err)
					}
					repaired := slices.ContainsFunc(s.got()[before:], func(r arrival) bool { return r.method == http.MethodPost })
					if steps := strings.Join(r.Steps, "\n"); repaired != (c.did != "") || !strings.Contains(steps, c.did) {
						t.Errorf("steps:\n%s\nwant %q", steps, c.did)
					}
					if todo := strings.Join(r.Todo, "\n"); (todo != "") != (c.todo != "") || !strings.Contains(todo, c.todo) {
						t.Errorf("to do %q, want %q", todo, c.todo)
					}
					update = a.objects[portalsPath][0]["features"].(map[string]any)["subscription_update"].(map[string]any)
					if c.did != "" && update["proration_behavior"] != prorationLater {
						t.Errorf("the portal has %v", update)
					}
				}
				if events := a.objects[endpointsPath][0]["enabled_events"]; name == "fewer events" && !slices.Contains(events.([]string), "payout.paid") {
					t.Errorf("an event of somebody else was taken away: %v", events)
				}
			})
		})
	}
}

func TestSetupSellsAnExistingPriceOnlyWhereItIsOneForSeats(t *testing.T) {
	t.Parallel()
	priceJSON := func(change map[string]any) map[string]any {
		o := map[string]any{
			"id": "price_mine", "active": true, "product": "prod_mine", "unit_amount": 700, "currency": "eur", "billing_scheme": "per_unit",
			"recurring": map[string]any{"interval": "month", "interval_count": 3, "usage_type": "licensed"},
		}
		maps.Copy(o, change)
		return o
	}
	for name, c := range map[string]struct {
		change  map[string]any
		o       SetupOptions
		known   []string
		refused string // a part of the error
	}{
		"by flag":     {nil, SetupOptions{Price: "price_mine"}, nil, ""},
		"by variable": {nil, SetupOptions{}, []string{"price_mine"}, ""},
		"archived":    {map[string]any{"active": false}, SetupOptions{Price: "price_mine"}, nil, "archived"},
		"once":        {map[string]any{"recurring": nil}, SetupOptions{Price: "price_mine"}, nil, "recurring"},
		"metered":     {map[string]any{"recurring": map[string]any{"interval": "month", "usage_type": "metered"}}, SetupOptions{Price: "price_mine"}, nil, "recurring"},
		"tiered":      {map[string]any{"billing_scheme": "tiered"}, SetupOptions{Price: "price_mine"}, nil, "fixed amount"},
		"unknown":     {nil, SetupOptions{Price: "price_none"}, nil, "not found"},
		"no id":       {nil, SetupOptions{Price: "../x"}, nil, "letters"},
		"and terms":   {nil, SetupOptions{Price: "price_mine", Amount: 5}, nil, "either"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withAccount(t, c.known, func(s *stand, a *account) {
				t := s.t
				a.objects[pricesPath] = []map[string]any{priceJSON(c.change)}
				r, err := s.client.Setup(t.Context(), c.o)
				if c.refused != "" {
					if err == nil || !strings.Contains(err.Error(), c.refused) || len(a.counts()) != 1 {
						t.Errorf("got %v, %v, want an error with %q", err, a.counts(), c.refused)
					}
					return
				}
				if err != nil || r.Price != "price_mine" || r.Endpoint != "" {
					t.Errorf("got %+v, %v", r, err)
				}
				if diff := cmp.Diff(map[string]int{pricesPath: 1, portalsPath: 1}, a.counts()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}

func TestOtherTermsMakeAnotherPriceAndTheSameTermsNone(t *testing.T) {
	t.Parallel()
	withAccount(t, nil, func(s *stand, a *account) {
		t := s.t
		setup := func(o SetupOptions) string {
			t.Helper()
			r, err := s.client.Setup(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			return r.Price
		}
		cheap := setup(SetupOptions{})
		dear := setup(SetupOptions{Amount: 3000})
		if cheap == dear {
			t.Error("another amount is the same price")
		}
		for want, o := range map[string]SetupOptions{cheap: {Amount: 1000, Currency: "eur", Interval: "month"}, dear: {Amount: 3000}} {
			if got := setup(o); got != want {
				t.Errorf("%+v: got %s, want %s", o, got, want)
			}
		}
		if got := setup(SetupOptions{}); got != cheap {
			t.Errorf("without terms: got %s, want the oldest, %s", got, cheap)
		}
		if n := a.counts()[pricesPath]; n != 2 {
			t.Errorf("%d prices", n)
		}
	})
}

func TestThePortalIsOpenedWithOurOwnConfiguration(t *testing.T) {
	t.Parallel()
	withAccount(t, []string{"price_seat"}, func(s *stand, a *account) {
		t := s.t
		a.objects[pricesPath] = []map[string]any{{"id": "price_seat", "active": true, "product": "prod_1", "currency": "eur"}}
		gone := ""
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/billing_portal/sessions" {
				a.ServeHTTP(w, r)
				return
			}
			if r.Form.Get("customer") != "cus_1" {
				replies(400, says("invalid_request_error", codeMissing, "customer"))(w, r)
				return
			}
			if r.Form.Get("configuration") == gone {
				replies(400, says("invalid_request_error", "", "configuration"))(w, r)
				return
			}
			replies(200, `{"id":"bps_1","url":"https://portal.test/`+r.Form.Get("configuration")+`/`+r.Header.Get("Idempotency-Key")+`"}`)(w, r)
		}
		open := func(key, want string) {
			t.Helper()
			if got, err := s.client.CreatePortal(t.Context(), key, "cus_1", "https://app.test/back"); got != want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
		open("k1", "https://portal.test/configurations_1/k1")
		before := len(s.got())
		open("k2", "https://portal.test/configurations_1/k2")
		if n := len(s.got()) - before; n != 1 {
			t.Errorf("%d requests, want 1: the configuration is remembered", n)
		}
		a.mu.Lock()
		gone, a.objects[portalsPath][0]["active"] = "configurations_1", false
		a.mu.Unlock()
		open("k3", "https://portal.test/configurations_2/k3.2")
		a.mu.Lock()
		a.objects[portalsPath][0]["features"].(map[string]any)["subscription_update"].(map[string]any)["proration_behavior"] = "none"
		a.mu.Unlock()
		if _, err := s.client.CreatePortal(t.Context(), "k4", "cus_9", "https://app.test/"); err != ErrNoCustomer { //nolint:errorlint // exactly this one
			t.Errorf("got %v", err)
		}
		fresh := s.with(Options{Transport: &http.Transport{DialContext: s.dial}, SeatPrices: []string{"price_seat"}})
		if _, err := fresh.CreatePortal(t.Context(), "k5", "cus_1", "https://app.test/"); err != nil {
			t.Error(err)
		}
		if got := a.objects[portalsPath][0]["features"].(map[string]any)["subscription_update"].(map[string]any)["proration_behavior"]; got != prorationNow {
			t.Errorf("seats are billed %v", got)
		}
	})
}

func TestThePortalIsForEveryProductWithSeats(t *testing.T) {
	t.Parallel()
	seat := func(id, product, interval string) foundPrice {
		return foundPrice{price: price{ID: id, Product: product, Interval: interval, Currency: "eur"}, count: 1}
	}
	sold := seat("price_1", "prod_1", "month")
	want := wantedPortal([]foundPrice{
		sold, seat("price_old", "prod_1", "month"), seat("price_year", "prod_1", "year"), seat("price_2", "prod_2", "month"),
	}, "")
	if diff := cmp.Diff([]portalProduct{{"prod_1", []string{"price_1", "price_year"}}, {"prod_2", []string{"price_2"}}}, want.Products); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	found := portalConfiguration{metadata: want.metadata(), settings: want}
	found.settings.Products = []portalProduct{{"prod_2", []string{"price_2"}}, {"prod_1", []string{"price_year", "price_1"}}}
	if drift := found.drift(want); drift != "" {
		t.Errorf("the same in another order: %s", drift)
	}
	found.settings.Products[0].Prices = []string{"price_free"}
	if found.drift(want) == "" {
		t.Error("another price is taken for ours")
	}
	var many []foundPrice
	for i := range 20 {
		many = append(many, seat(fmt.Sprintf("price_%d", i), fmt.Sprintf("prod_%d", i), "month"))
	}
	if n := len(wantedPortal(many, "").Products); n != portalProducts {
		t.Errorf("%d products, Stripe takes %d", n, portalProducts)
	}
}
