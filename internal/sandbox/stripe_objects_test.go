package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestStripeNeedsTheSecretKey(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{StripeSecretKey: "sk_test_own"})
	for key, status := range map[string]int{"sk_test_own": 200, "sk_test_sandbox": 401, "": 401} {
		_, err := stripeClient(s.StripeURL(), key).Customers.Get("cus_d2gamers", nil)
		if status == 200 {
			if err != nil {
				t.Errorf("key %q: %v", key, err)
			}
			continue
		}
		stripeRefused(t, "key "+key, err, status, "", "")
	}
	for _, authorization := range []string{"", "Bearer", "Bearer ", "sk_test_own", "Basic Og=="} {
		if a := send(t, http.MethodGet, s.url+"/stripe/v1/customers", authorization); a.status != 401 || !strings.Contains(a.body, `"type":"invalid_request_error"`) {
			t.Errorf("%q: %d %s", authorization, a.status, a.body)
		}
	}
}

func TestStripesBaseMayEndInItsVersion(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	for _, base := range []string{s.StripeURL(), s.StripeURL() + "/", s.StripeURL() + "/v1", s.StripeURL() + "/v1/"} {
		if _, err := stripeClient(base, s.StripeSecretKey()).Customers.Get("cus_d2gamers", nil); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
	if a := send(t, http.MethodGet, s.url+"/stripe/v1/v1/customers/cus_d2gamers", "Bearer "+s.StripeSecretKey()); a.status != 200 {
		t.Errorf("version twice: %d %s", a.status, a.body)
	}
	if a := send(t, http.MethodGet, s.url+"/stripe/v1/nothing", "Bearer "+s.StripeSecretKey()); a.status != 404 || !strings.Contains(a.body, "Unrecognized request URL") {
		t.Errorf("unknown: %d %s", a.status, a.body)
	}
	_, err := s.Customers.New(&stripe.CustomerParams{Params: stripe.Params{Headers: http.Header{"Stripe-Version": {"2025-03-31.basil"}}}})
	stripeRefused(t, "another version", err, 400, "", "")
}

func TestCustomersAreKeptAndFound(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	c := s.customer(t)
	if c.Name != "Acme" || c.Metadata["organization_id"] != "org_acme" || !strings.HasPrefix(c.ID, "cus_") || c.Livemode {
		t.Errorf("customer = %+v", c)
	}
	update := &stripe.CustomerParams{Email: stripe.String("erin@acme.test")}
	update.AddMetadata("plan", "seats")
	c = must[*stripe.Customer](t)(s.Customers.Update(c.ID, update))
	if c.Email != "erin@acme.test" || c.Name != "Acme" || len(c.Metadata) != 2 {
		t.Errorf("changed = %+v", c)
	}
	updated := s.told(t, "customer.created", "customer.updated")["customer.updated"]
	if _, ok := updated.Data.PreviousAttributes["email"]; !ok || len(updated.Data.PreviousAttributes) != 2 {
		t.Errorf("previous = %v", updated.Data.PreviousAttributes)
	}
	for query, found := range map[string]int{
		"metadata['organization_id']:'org_acme'":                      1,
		`metadata["organization_id"]:"org_acme"`:                      1,
		"metadata['organization_id']:'org_acme' AND name:'Acme'":      1,
		"metadata['organization_id']:'org_acme' AND name:'D2 Gamers'": 0,
		"email:'erin@acme.test'":                                      1,
		"metadata['organization_id']:'org_nobody'":                    0,
	} {
		result := s.Customers.Search(&stripe.CustomerSearchParams{SearchParams: stripe.SearchParams{Query: query}})
		if got := result.CustomerSearchResult(); len(got.Data) != found || result.Err() != nil {
			t.Errorf("%s: %d, want %d: %v", query, len(got.Data), found, result.Err())
		}
	}
	result := s.Customers.Search(&stripe.CustomerSearchParams{SearchParams: stripe.SearchParams{Query: "name~'A'"}})
	stripeRefused(t, "another query", result.Err(), 400, "", "query")
}

func TestStripesListsArePaged(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	for range 24 {
		s.customer(t)
	}
	params := &stripe.CustomerListParams{}
	params.Limit = stripe.Int64(10)
	all := s.Customers.List(params)
	var ids []string
	for all.Next() {
		ids = append(ids, all.Customer().ID)
	}
	if all.Err() != nil || len(ids) != 25 || ids[24] != "cus_d2gamers" {
		t.Errorf("%d customers, the last %v: %v", len(ids), ids[24:], all.Err())
	}
	page := &stripe.CustomerListParams{}
	page.Single, page.Limit, page.EndingBefore = true, stripe.Int64(3), stripe.String(ids[10])
	before := s.Customers.List(page).CustomerList()
	if len(before.Data) != 3 || before.Data[2].ID != ids[9] || !before.HasMore || before.URL != "/v1/customers" {
		t.Errorf("before = %+v", before)
	}
	for query, code := range map[string]string{
		"limit=0": "parameter_invalid_integer", "limit=101": "parameter_invalid_integer", "limit=x": "parameter_invalid_integer",
		"starting_after=cus_no": "resource_missing", "page=2": "parameter_unknown", "expand[]=data.zzz": "", "created[gt]=9999999999": "none",
	} {
		a := send(t, http.MethodGet, s.url+"/stripe/v1/customers?"+query, "Bearer "+s.StripeSecretKey())
		if code == "none" && a.status == 200 && strings.Contains(a.body, `"data":[]`) {
			continue
		}
		if a.status != 400 || !strings.Contains(a.body, `"code":"`+code) && code != "" {
			t.Errorf("%s: %d %s, want %s", query, a.status, a.body, code)
		}
	}
}

func TestProductsAndPricesAreMadeAndListed(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	product := must[*stripe.Product](t)(s.Products.New(&stripe.ProductParams{
		Name: stripe.String("Seat"), Metadata: map[string]string{"teamtask": "seat"}, UnitLabel: stripe.String("seat"),
	}))
	price := must[*stripe.Price](t)(s.Prices.New(&stripe.PriceParams{
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
	off := must[*stripe.Price](t)(s.Prices.Update(price.ID, &stripe.PriceParams{Active: stripe.Bool(false)}))
	if off.Active {
		t.Error("the price is still active")
	}
	params := checkoutParams(s, s.customer(t).ID, 1)
	params.LineItems[0].Price = stripe.String(price.ID)
	_, err := s.CheckoutSessions.New(params)
	stripeRefused(t, "an inactive price", err, 400, "", "line_items[0][price]")
	renamed := must[*stripe.Product](t)(s.Products.Update(product.ID, &stripe.ProductParams{Name: stripe.String("Chair")}))
	if renamed.Name != "Chair" || renamed.Metadata["teamtask"] != "seat" {
		t.Errorf("product = %+v", renamed)
	}
	expand := &stripe.PriceParams{}
	expand.AddExpand("product")
	if got := must[*stripe.Price](t)(s.Prices.Get(price.ID, expand)); got.Product.Name != "Chair" {
		t.Errorf("expanded = %+v", got.Product)
	}
}

func TestBadParametersAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	c := s.customer(t)
	line := "&line_items[0][price]=" + s.SeatPrice() + "&line_items[0][quantity]="
	checkout := "/checkout/sessions?mode=subscription&success_url=http://a.test&customer=" + c.ID
	for _, c := range []struct {
		method, path string
		status       int
		code, param  string
	}{
		{"POST", "/customers?nonsense=1", 400, "parameter_unknown", "nonsense"},
		{"POST", "/customers?address[planet]=1", 400, "parameter_unknown", "address[planet]"},
		{"POST", "/customers?metadata=x", 400, "", "metadata"},
		{"GET", "/customers/cus_no", 404, "resource_missing", "id"},
		{"POST", "/customers/cus_no", 404, "resource_missing", "id"},
		{"DELETE", "/customers/cus_no", 404, "resource_missing", "id"},
		{"GET", "/subscriptions/sub_no", 404, "resource_missing", "id"},
		{"GET", "/subscriptions?customer=cus_no", 400, "resource_missing", "customer"},
		{"GET", "/subscriptions?status=some", 400, "", "status"},
		{"DELETE", "/subscriptions/sub_no", 404, "resource_missing", "id"},
		{"POST", "/subscriptions/sub_d2gamers?quantity=4", 400, "parameter_unknown", "quantity"},
		{"POST", "/subscriptions/sub_d2gamers?items[0][id]=si_no", 400, "resource_missing", "items[0][id]"},
		{"POST", "/subscriptions/sub_d2gamers?items[0][price]=" + s.SeatPrice(), 400, "", "items[0][price]"},
		{"POST", "/subscription_items/si_d2gamers?quantity=x", 400, "parameter_invalid_integer", "quantity"},
		{"POST", "/subscription_items/si_d2gamers?quantity=-1", 400, "parameter_invalid_integer", "quantity"},
		{"POST", "/subscription_items/si_d2gamers?proration_behavior=half", 400, "", "proration_behavior"},
		{"GET", "/subscription_items", 400, "parameter_missing", "subscription"},
		{"POST", checkout, 400, "parameter_missing", "line_items"},
		{"POST", checkout + line + "0", 400, "parameter_invalid_integer", "line_items[0][quantity]"},
		{"POST", checkout + line + "1&line_items[0][nonsense]=1", 400, "parameter_unknown", "line_items[0][nonsense]"},
		{"POST", checkout + line + "100&line_items[0][adjustable_quantity][enabled]=true", 400, "", "line_items[0][quantity]"},
		{"POST", checkout + line + "1&mode=payment", 400, "", "mode"},
		{"POST", checkout + line + "1&cancel_url=javascript:alert(1)", 400, "url_invalid", "cancel_url"},
		{"POST", "/checkout/sessions?mode=subscription" + line + "1", 400, "parameter_missing", "success_url"},
		{"POST", "/checkout/sessions?mode=subscription&success_url=http://a.test&customer_update[name]=auto" + line + "1", 400, "", "customer_update"},
		{"POST", "/checkout/sessions/cs_no/expire", 404, "resource_missing", "id"},
		{"POST", "/billing_portal/sessions", 400, "parameter_missing", "customer"},
		{"POST", "/billing_portal/sessions?customer=cus_no", 400, "resource_missing", "customer"},
		{"POST", "/billing_portal/sessions?customer=" + c.ID + "&configuration=bpc_no", 400, "resource_missing", "configuration"},
		{"POST", "/billing_portal/configurations?features[zzz]=1", 400, "parameter_unknown", "features[zzz]"},
		{"POST", "/billing_portal/configurations", 400, "parameter_missing", "features"},
		{"POST", "/prices?currency=eur&unit_amount=1", 400, "parameter_missing", "product"},
		{"POST", "/webhook_endpoints?url=ftp://a&enabled_events[]=*", 400, "url_invalid", "url"},
		{"POST", "/webhook_endpoints?url=http://a.test&enabled_events[]=*&api_version=2020-01-01", 400, "", "api_version"},
		{"POST", "/payment_methods/pm_card_chargeDeclined/attach?customer=" + c.ID, 402, "card_declined", ""},
		{"POST", "/subscriptions?customer=" + c.ID + "&items[0][price]=" + s.SeatPrice(), 400, "resource_missing", ""},
		{"GET", "/customers/cus_d2gamers?expand[]=nonsense", 400, "", "expand"},
	} {
		a := send(t, c.method, s.url+"/stripe/v1"+c.path, "Bearer "+s.StripeSecretKey())
		var body struct{ Error stripe.Error }
		err := json.Unmarshal([]byte(a.body), &body)
		got := &body.Error
		if err != nil || a.status != c.status || string(got.Code) != c.code || got.Param != c.param || got.Msg == "" {
			t.Errorf("%s %s: %d %s, want %d %s %s", c.method, c.path, a.status, a.body, c.status, c.code, c.param)
		}
		if a.header.Get("Request-Id") == "" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: headers %v", c.method, c.path, a.header)
		}
	}
	if got := s.subscription(t, "sub_d2gamers").Items.Data[0].Quantity; got != 5 {
		t.Errorf("a refused request changed the quantity to %d", got)
	}
}

func TestAnswersAreExpanded(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	params := &stripe.SubscriptionParams{}
	for _, path := range []string{"latest_invoice.payment_intent.latest_charge", "customer", "items.data.price.product", "default_payment_method"} {
		params.AddExpand(path)
	}
	sub := must[*stripe.Subscription](t)(s.Subscriptions.Get("sub_d2gamers", params))
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
	made := s.checkout(t, s.customer(t).ID, 7)
	if made.LineItems != nil {
		t.Error("the lines come without being asked for")
	}
	got := must[*stripe.CheckoutSession](t)(s.CheckoutSessions.Get(made.ID, session))
	if got.LineItems == nil || got.LineItems.Data[0].Quantity != 7 || got.LineItems.Data[0].Price.ID != s.SeatPrice() {
		t.Errorf("session = %+v", got.LineItems)
	}
	lines := s.CheckoutSessions.ListLineItems(&stripe.CheckoutSessionListLineItemsParams{Session: stripe.String(made.ID)}).LineItemList()
	if len(lines.Data) != 1 || lines.Data[0].Quantity != 7 {
		t.Errorf("lines = %+v", lines)
	}
	with := &stripe.CustomerParams{}
	with.AddExpand("subscriptions")
	if c := must[*stripe.Customer](t)(s.Customers.Get("cus_d2gamers", with)); len(c.Subscriptions.Data) != 1 {
		t.Errorf("subscriptions = %+v", c.Subscriptions)
	}
}
