package pages_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

// browser returns a client that follows no redirect.
func browser() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func look(t *testing.T, at string) sandboxtest.Response {
	t.Helper()
	a := sandboxtest.Send(t, http.MethodGet, at, "")
	if a.Status != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("%s: %d %s", at, a.Status, a.Body)
	}
	return a
}

var (
	formTag   = regexp.MustCompile(`(?s)<form method="post">(.*?)</form>`)
	inputTag  = regexp.MustCompile(`<input ([^>]*)>`)
	buttonTag = regexp.MustCompile(`<button ([^>]*)>([^<]*)</button>`)
	attribute = regexp.MustCompile(`([a-z]+)="([^"]*)"`)
)

func attributes(tag string) map[string]string {
	all := map[string]string{}
	for _, pair := range attribute.FindAllStringSubmatch(tag, -1) {
		all[pair[1]] = html.UnescapeString(pair[2])
	}
	return all
}

// click fills in the form with the button, sends it, and returns the status and the address it leads to.
func click(t *testing.T, at, button string, fill url.Values) (int, string, string) {
	t.Helper()
	for _, form := range formTag.FindAllStringSubmatch(look(t, at).Body, -1) {
		for _, b := range buttonTag.FindAllStringSubmatch(form[1], -1) {
			if b[2] != button {
				continue
			}
			values := url.Values{}
			for _, input := range inputTag.FindAllStringSubmatch(form[1], -1) {
				a := attributes(input[1])
				values.Set(a["name"], a["value"])
			}
			for name := range fill {
				if !values.Has(name) {
					t.Fatalf("%s has no field %s", at, name)
				}
				values.Set(name, fill.Get(name))
			}
			values.Set(attributes(b[1])["name"], attributes(b[1])["value"])
			response, err := browser().PostForm(at, values)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			page, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			return response.StatusCode, response.Header.Get("Location"), string(page)
		}
	}
	t.Fatalf("%s has no button %q", at, button)
	return 0, "", ""
}

func TestACheckoutIsClickedThrough(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	session := s.NewCheckout(t, s.NewCustomer(t).ID, 5)
	page := look(t, session.URL)
	for _, want := range []string{"Seat", "10.00 EUR", `value="5"`, `max="10000"`} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the page does not say %s:\n%s", want, page.Body)
		}
	}
	if got := page.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") {
		t.Errorf("policy = %q", got)
	}
	if status, to, _ := click(t, session.URL, "Back", nil); status != 303 || to != "http://127.0.0.1:5173/billing" {
		t.Errorf("back: %d to %s", status, to)
	}
	if status, _, said := click(t, session.URL, "Card is declined", nil); status != 402 || !strings.Contains(said, "Your card was declined.") {
		t.Errorf("declined: %d %s", status, said)
	}
	if status, _, said := click(t, session.URL, "Pay", url.Values{"quantity": {"0"}}); status != 400 || !strings.Contains(said, "The quantity is from 1 to 10000.") {
		t.Errorf("nothing: %d %s", status, said)
	}
	status, to, _ := click(t, session.URL, "Pay", url.Values{"quantity": {"7"}})
	if status != 303 || to != "http://127.0.0.1:5173/billing?done="+session.ID {
		t.Errorf("paid: %d to %s", status, to)
	}
	done := sandboxtest.Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.Get(session.ID, nil))
	if s.Subscription(t, done.Subscription.ID).Items.Data[0].Quantity != 7 || done.Status != "complete" {
		t.Errorf("session = %+v", done)
	}
	if page := look(t, session.URL); !strings.Contains(page.Body, "complete") || strings.Contains(page.Body, "<button") {
		t.Errorf("afterwards:\n%s", page.Body)
	}

	session = s.NewCheckout(t, s.NewCustomer(t).ID, 5)
	if status, to, _ := click(t, session.URL, "Pay later", nil); status != 303 || !strings.HasSuffix(to, session.ID) {
		t.Errorf("later: %d to %s", status, to)
	}
	if got := sandboxtest.Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.Get(session.ID, nil)); got.Status != "complete" || got.PaymentStatus != "unpaid" {
		t.Errorf("session = %+v", got)
	}
}

func TestThePortalIsClickedThrough(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Buy(t, 5)
	session := s.NewPortalSession(t, sub.Customer.ID, "always_invoice", "at_period_end")
	at := session.URL
	if page := look(t, at).Body; !strings.Contains(page, `<a href="http://127.0.0.1:5173/billing">Back</a>`) || !strings.Contains(page, "50.00 EUR") {
		t.Errorf("page:\n%s", page)
	}
	press := func(button string, fill url.Values) {
		t.Helper()
		if status, to, said := click(t, at, button, fill); status != 303 || to != at {
			t.Errorf("%s: %d to %s\n%s", button, status, to, said)
		}
	}
	press("Change", url.Values{"quantity": {"8"}})
	if got := s.Subscription(t, sub.ID).Items.Data[0].Quantity; got != 8 {
		t.Errorf("quantity = %d", got)
	}
	if status, _, said := click(t, at, "Change", url.Values{"quantity": {"many"}}); status != 400 || !strings.Contains(said, "whole number") {
		t.Errorf("many: %d %s", status, said)
	}
	press("Cancel at the end of the period", nil)
	press("Resume", nil)
	if s.Subscription(t, sub.ID).CancelAtPeriodEnd {
		t.Error("still leaving")
	}
	sandboxtest.Control[stripe.Subscription](t, s, "/subscriptions/"+sub.ID+"/advance", `{"payment":"failed"}`)
	press("Pay", nil)
	if got := s.Subscription(t, sub.ID); got.Status != "active" || got.LatestInvoice.Status != "paid" {
		t.Errorf("subscription = %s, invoice = %s", got.Status, got.LatestInvoice.Status)
	}
	at = s.NewPortalSession(t, sub.Customer.ID, "none", "immediately").URL
	press("Cancel now", nil)
	if page := look(t, at).Body; !strings.Contains(page, "There is no subscription.") {
		t.Errorf("page:\n%s", page)
	}
}

func TestPagesEscapeWhatTheyShow(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	evil := `<script>alert(1)</script>"onmouseover="x`
	sandboxtest.Must[*stripe.Product](t)(s.Products.Update("prod_sandboxseat", &stripe.ProductParams{Name: stripe.String(evil)}))
	params := sandboxtest.CheckoutParams(s, "cus_d2gamers", 1)
	params.CancelURL = stripe.String(`http://127.0.0.1:5173/"><script>alert(2)</script>`)
	params.SuccessURL = stripe.String(`http://127.0.0.1:5173/"><script>alert(3)</script>?s={CHECKOUT_SESSION_ID}`)
	session := sandboxtest.Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.New(params))
	portal := sandboxtest.Must[*stripe.BillingPortalSession](t)(s.BillingPortalSessions.New(&stripe.BillingPortalSessionParams{
		Customer: stripe.String("cus_d2gamers"), ReturnURL: params.CancelURL,
	}))
	check := func(at string) {
		t.Helper()
		if page := look(t, at).Body; strings.Contains(page, "<script") || strings.Contains(page, `"onmouseover`) {
			t.Errorf("%s:\n%s", at, page)
		}
	}
	check(session.URL)
	check(portal.URL)
	sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", ``)
	check(session.URL)
	check(portal.URL)
	for _, path := range []string{"/stripe/checkout/cs_no", "/stripe/portal/<script>"} {
		if a := sandboxtest.Send(t, http.MethodGet, s.URL+path, ""); a.Status != 404 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %v", path, a.Status, a.Header)
		}
	}
}

// Both pages say who sells and who buys, and what it costs in the decimals of the currency.
func TestThePagesNameSellerBuyerAndPrice(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	for _, c := range []struct {
		name, email, currency string
		buyer, price          string
	}{
		{"Acme <b>", "erin@acme.test", "eur", "Acme &lt;b&gt; (erin@acme.test)", "15.00 EUR"},
		{"Acme", "", "jpy", "Acme", "1500 JPY"},
		{"", "erin@acme.test", "kwd", "erin@acme.test", "1.500 KWD"},
		{"", "", "usd", "cus_", "15.00 USD"},
	} {
		customer := sandboxtest.Must[*stripe.Customer](t)(s.Customers.New(&stripe.CustomerParams{Name: &c.name, Email: &c.email}))
		price := sandboxtest.Must[*stripe.Price](t)(s.Prices.New(&stripe.PriceParams{
			Currency: &c.currency, UnitAmount: stripe.Int64(1500), Product: stripe.String("prod_sandboxseat"),
			Recurring: &stripe.PriceRecurringParams{Interval: stripe.String("month")},
		}))
		session := sandboxtest.Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.New(&stripe.CheckoutSessionParams{
			Mode: stripe.String("subscription"), Customer: &customer.ID, SuccessURL: stripe.String("http://127.0.0.1:5173/x"),
			LineItems: []*stripe.CheckoutSessionLineItemParams{{Price: &price.ID, Quantity: stripe.Int64(1)}},
		}))
		for _, at := range []string{session.URL, s.NewPortalSession(t, customer.ID, "none", "at_period_end").URL} {
			page := look(t, at).Body
			if !strings.Contains(page, "Seller: Sandbox Seats") || !strings.Contains(page, "Buyer: "+c.buyer) {
				t.Errorf("%s names neither seller nor buyer %s:\n%s", at, c.buyer, page)
			}
			if at == session.URL && !strings.Contains(page, c.price) {
				t.Errorf("%s does not say %s:\n%s", at, c.price, page)
			}
		}
	}
}
