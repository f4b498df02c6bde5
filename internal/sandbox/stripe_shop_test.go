package sandbox_test

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

// shop is Stripe's library, pointed at a sandbox, with a receiver of its webhooks.
type shop struct {
	*sandbox.Sandbox
	*client.API
	url  string
	came chan stripe.Event
}

func newShop(t *testing.T, o sandbox.Options) shop {
	t.Helper()
	came, at := stripeReceiver(t, func() string { return "whsec_of_this_test_0123456789" })
	o.StripeWebhookURL, o.StripeWebhookSecret = at, "whsec_of_this_test_0123456789"
	s, base := serve(t, o)
	t.Cleanup(s.Close)
	return shop{Sandbox: s, API: stripeClient(s.StripeURL(), s.StripeSecretKey()), url: base, came: came}
}

func stripeClient(url, key string) *client.API {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(url), MaxNetworkRetries: stripe.Int64(0), LeveledLogger: &stripe.LeveledLogger{},
		EnableTelemetry: stripe.Bool(false),
	})
	return client.New(key, &stripe.Backends{API: backend, Connect: backend, Uploads: backend})
}

// stripeReceiver takes webhooks and checks each as Stripe's library does.
func stripeReceiver(t *testing.T, secret func() string) (chan stripe.Event, string) {
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

func nextEvent(t *testing.T, came <-chan stripe.Event) stripe.Event {
	t.Helper()
	select {
	case e := <-came:
		return e
	case <-time.After(soon):
		t.Fatal("no event of Stripe's came")
		return stripe.Event{}
	}
}

// told checks the kinds of the next events, and answers them by kind, the last of each.
func (s shop) told(t *testing.T, kinds ...string) map[string]stripe.Event {
	t.Helper()
	all := map[string]stripe.Event{}
	var got []string
	for range kinds {
		e := nextEvent(t, s.came)
		got = append(got, string(e.Type))
		all[string(e.Type)] = e
	}
	if strings.Join(got, "\n") != strings.Join(kinds, "\n") {
		t.Fatalf("events = %q\nwant %q", got, kinds)
	}
	s.settled(t)
	select {
	case e := <-s.came:
		t.Fatalf("one event too many: %s", e.Type)
	default:
	}
	return all
}

// settled waits until no webhook is under way.
func (s shop) settled(t *testing.T) {
	t.Helper()
	backend{url: s.url}.reported(t, "all sent", func(r report) bool { return r.Pending == 0 })
}

// forget takes the events that came so far away.
func (s shop) forget(t *testing.T) {
	t.Helper()
	s.settled(t)
	for len(s.came) > 0 {
		<-s.came
	}
}

// control makes a control request and reads the object that it answers.
func control[T any](t *testing.T, s shop, path, body string) T {
	t.Helper()
	var into T
	a := order(t, http.MethodPost, s.url+"/sandbox"+path, body, http.StatusOK)
	if err := json.Unmarshal([]byte(a.body), &into); err != nil {
		t.Fatalf("%s: %s: %v", path, a.body, err)
	}
	return into
}

// stripeRefused checks the status, the code and the parameter of a refusal.
func stripeRefused(t *testing.T, what string, err error, status int, code, param string) {
	t.Helper()
	e, ok := errors.AsType[*stripe.Error](err)
	if !ok || e.HTTPStatusCode != status || string(e.Code) != code || e.Param != param || e.Msg == "" {
		t.Errorf("%s: got %v, want %d %s %s", what, err, status, code, param)
	}
}

// customer is a new customer.
func (s shop) customer(t *testing.T) *stripe.Customer {
	t.Helper()
	return must[*stripe.Customer](t)(s.Customers.New(&stripe.CustomerParams{
		Name: stripe.String("Acme"), Metadata: map[string]string{"organization_id": "org_acme"},
	}))
}

func checkoutParams(s shop, customer string, quantity int64) *stripe.CheckoutSessionParams {
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

func (s shop) checkout(t *testing.T, customer string, quantity int64) *stripe.CheckoutSession {
	t.Helper()
	return must[*stripe.CheckoutSession](t)(s.CheckoutSessions.New(checkoutParams(s, customer, quantity)))
}

// bought is a subscription that was just bought by a new customer.
func (s shop) bought(t *testing.T, quantity int64) *stripe.Subscription {
	t.Helper()
	session := s.checkout(t, s.customer(t).ID, quantity)
	done := control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", `{"outcome":"paid"}`)
	s.forget(t)
	return s.subscription(t, done.Subscription.ID)
}

func (s shop) subscription(t *testing.T, id string) *stripe.Subscription {
	t.Helper()
	params := &stripe.SubscriptionParams{}
	params.AddExpand("latest_invoice")
	return must[*stripe.Subscription](t)(s.Subscriptions.Get(id, params))
}

// portal is a session of the portal, where quantities may be changed with this proration behavior.
func (s shop) portal(t *testing.T, customer, proration, cancel string) *stripe.BillingPortalSession {
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
	c := must[*stripe.BillingPortalConfiguration](t)(s.BillingPortalConfigurations.New(&stripe.BillingPortalConfigurationParams{Features: features}))
	session := must[*stripe.BillingPortalSession](t)(s.BillingPortalSessions.New(&stripe.BillingPortalSessionParams{
		Customer: stripe.String(customer), Configuration: stripe.String(c.ID), ReturnURL: stripe.String("http://127.0.0.1:5173/billing"),
	}))
	s.forget(t)
	return session
}

// post makes one request as it is, with an idempotency key where there is one.
func (s shop) post(t *testing.T, path, key, form string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/stripe/v1"+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.StripeSecretKey())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return do(t, r)
}
