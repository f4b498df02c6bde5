package sandboxtest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/teamtask/teamtask/internal/sandbox"
)

// Stripe is Stripe's own client, pointed at a sandbox whose webhooks arrive in Received.
type Stripe struct {
	*sandbox.Sandbox
	*client.API
	URL      string
	Received chan stripe.Event
}

// NewStripe starts a sandbox and returns a client of it.
func NewStripe(t *testing.T, o sandbox.Options) Stripe {
	t.Helper()
	came, at := NewStripeReceiver(t, func() string { return "whsec_of_this_test_0123456789" })
	o.StripeWebhookURL, o.StripeWebhookSecret = at, "whsec_of_this_test_0123456789"
	s, base := Serve(t, o)
	t.Cleanup(s.Close)
	return Stripe{Sandbox: s, API: StripeClient(s.StripeURL(), s.StripeSecretKey()), URL: base, Received: came}
}

// StripeClient returns Stripe's own client for an address and a secret key. It does not retry.
func StripeClient(url, key string) *client.API {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(url), MaxNetworkRetries: stripe.Int64(0), LeveledLogger: &stripe.LeveledLogger{},
		EnableTelemetry: stripe.Bool(false),
	})
	return client.New(key, &stripe.Backends{API: backend, Connect: backend, Uploads: backend})
}

// NewStripeReceiver starts a receiver of webhooks that checks each as Stripe's library does. It returns the events and its
// address.
func NewStripeReceiver(t *testing.T, secret func() string) (chan stripe.Event, string) {
	t.Helper()
	came := make(chan stripe.Event, 10_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return // cut off
		}
		event, err := webhook.ConstructEvent(raw, r.Header.Get("Stripe-Signature"), secret())
		if err != nil || r.URL.Path != "/webhooks/stripe" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v: %v", r.Method, r.URL, r.Header, err)
		}
		w.WriteHeader(http.StatusOK)
		came <- event
	}))
	t.Cleanup(server.Close)
	return came, server.URL + "/webhooks/stripe"
}

// NextStripeEvent returns the next event that arrives.
func NextStripeEvent(t *testing.T, came <-chan stripe.Event) stripe.Event {
	t.Helper()
	select {
	case e := <-came:
		return e
	case <-time.After(Soon):
		t.Fatal("no event of Stripe's came")
		return stripe.Event{}
	}
}

// Want checks the kinds of the next events and that no other follows. It returns them by kind, the last of each.
func (s Stripe) Want(t *testing.T, kinds ...string) map[string]stripe.Event {
	t.Helper()
	all := map[string]stripe.Event{}
	var got []string
	for range kinds {
		e := NextStripeEvent(t, s.Received)
		got = append(got, string(e.Type))
		all[string(e.Type)] = e
	}
	if strings.Join(got, "\n") != strings.Join(kinds, "\n") {
		t.Fatalf("events = %q\nwant %q", got, kinds)
	}
	s.WaitSent(t)
	select {
	case e := <-s.Received:
		t.Fatalf("one event too many: %s", e.Type)
	default:
	}
	return all
}

// WaitSent waits until no delivery is pending.
func (s Stripe) WaitSent(t *testing.T) {
	t.Helper()
	Clerk{URL: s.URL}.WaitForReport(t, "all sent", func(r Report) bool { return r.Pending == 0 })
}

// DropEvents drops the events that have arrived so far.
func (s Stripe) DropEvents(t *testing.T) {
	t.Helper()
	s.WaitSent(t)
	for len(s.Received) > 0 {
		<-s.Received
	}
}

// Control makes a control request and returns the object in its response.
func Control[T any](t *testing.T, s Stripe, path, body string) T {
	t.Helper()
	var into T
	a := Call(t, http.MethodPost, s.URL+"/sandbox"+path, body, http.StatusOK)
	if err := json.Unmarshal([]byte(a.Body), &into); err != nil {
		t.Fatalf("%s: %s: %v", path, a.Body, err)
	}
	return into
}

// WantStripeError checks the status, the code and the parameter of a refusal.
func WantStripeError(t *testing.T, what string, err error, status int, code, param string) {
	t.Helper()
	e, ok := errors.AsType[*stripe.Error](err)
	if !ok || e.HTTPStatusCode != status || string(e.Code) != code || e.Param != param || e.Msg == "" {
		t.Errorf("%s: got %v, want %d %s %s", what, err, status, code, param)
	}
}

// NewCustomer makes a customer.
func (s Stripe) NewCustomer(t *testing.T) *stripe.Customer {
	t.Helper()
	return Must[*stripe.Customer](t)(s.Customers.New(&stripe.CustomerParams{
		Name: stripe.String("Acme"), Metadata: map[string]string{"organization_id": "org_acme"},
	}))
}

// CheckoutParams returns the parameters of a checkout of seats.
func CheckoutParams(s Stripe, customer string, quantity int64) *stripe.CheckoutSessionParams {
	return &stripe.CheckoutSessionParams{
		Mode: stripe.String("subscription"), Customer: stripe.String(customer), ClientReferenceID: stripe.String("org_acme"),
		SuccessURL: stripe.String("http://127.0.0.1:5173/billing?done={CHECKOUT_SESSION_ID}"), CancelURL: stripe.String("http://127.0.0.1:5173/billing"),
		LineItems: []*stripe.CheckoutSessionLineItemParams{{
			Price: stripe.String(s.SeatPrice()), Quantity: stripe.Int64(quantity),
			AdjustableQuantity: &stripe.CheckoutSessionLineItemAdjustableQuantityParams{
				Enabled: stripe.Bool(true), Minimum: stripe.Int64(1), Maximum: stripe.Int64(10_000),
			},
		}},
		SubscriptionData: &stripe.CheckoutSessionSubscriptionDataParams{Metadata: map[string]string{"organization_id": "org_acme"}},
		CustomerUpdate:   &stripe.CheckoutSessionCustomerUpdateParams{Name: stripe.String("auto"), Address: stripe.String("auto")},
	}
}

// NewCheckout makes a checkout session.
func (s Stripe) NewCheckout(t *testing.T, customer string, quantity int64) *stripe.CheckoutSession {
	t.Helper()
	return Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.New(CheckoutParams(s, customer, quantity)))
}

// Buy makes a customer who buys a subscription, and returns it.
func (s Stripe) Buy(t *testing.T, quantity int64) *stripe.Subscription {
	t.Helper()
	session := s.NewCheckout(t, s.NewCustomer(t).ID, quantity)
	done := Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"outcome":"paid"}`)
	s.DropEvents(t)
	return s.Subscription(t, done.Subscription.ID)
}

// Subscription returns a subscription with its latest invoice.
func (s Stripe) Subscription(t *testing.T, id string) *stripe.Subscription {
	t.Helper()
	params := &stripe.SubscriptionParams{}
	params.AddExpand("latest_invoice")
	return Must[*stripe.Subscription](t)(s.Subscriptions.Get(id, params))
}

// NewPortalSession makes a portal session that allows changes of quantity with a proration behavior.
func (s Stripe) NewPortalSession(t *testing.T, customer, proration, cancel string) *stripe.BillingPortalSession {
	t.Helper()
	features := &stripe.BillingPortalConfigurationFeaturesParams{
		SubscriptionUpdate: &stripe.BillingPortalConfigurationFeaturesSubscriptionUpdateParams{
			Enabled: stripe.Bool(true), DefaultAllowedUpdates: stripe.StringSlice([]string{"quantity"}),
			Products: []*stripe.BillingPortalConfigurationFeaturesSubscriptionUpdateProductParams{{
				Product: stripe.String("prod_sandboxseat"), Prices: stripe.StringSlice([]string{s.SeatPrice()}),
			}},
		},
		SubscriptionCancel: &stripe.BillingPortalConfigurationFeaturesSubscriptionCancelParams{Enabled: stripe.Bool(true), Mode: stripe.String(cancel)},
	}
	if proration != "" {
		features.SubscriptionUpdate.ProrationBehavior = stripe.String(proration)
	}
	c := Must[*stripe.BillingPortalConfiguration](t)(s.BillingPortalConfigurations.New(&stripe.BillingPortalConfigurationParams{Features: features}))
	session := Must[*stripe.BillingPortalSession](t)(s.BillingPortalSessions.New(&stripe.BillingPortalSessionParams{
		Customer: stripe.String(customer), Configuration: stripe.String(c.ID), ReturnURL: stripe.String("http://127.0.0.1:5173/billing"),
	}))
	s.DropEvents(t)
	return session
}

// Post makes one request with a raw body, and with an idempotency key unless it is empty.
func (s Stripe) Post(t *testing.T, path, key, form string) Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/stripe/v1"+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.StripeSecretKey())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return Do(t, r)
}

// KeyedCustomer returns the parameters of a new customer, with an idempotency key.
func KeyedCustomer(key, name string) *stripe.CustomerParams {
	p := &stripe.CustomerParams{Name: stripe.String(name)}
	p.SetIdempotencyKey(key)
	return p
}

// CountCustomers returns the number of customers.
func (s Stripe) CountCustomers(t *testing.T) int {
	t.Helper()
	params := &stripe.CustomerListParams{}
	params.Limit = stripe.Int64(100)
	return len(s.Customers.List(params).CustomerList().Data)
}
