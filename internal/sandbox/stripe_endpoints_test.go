package sandbox_test

import (
	"sync/atomic"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestEndpointsMadeThroughTheAPIGetWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	var secret atomic.Pointer[string]
	came, at := stripeReceiver(t, func() string { return *secret.Load() })
	made := must[*stripe.WebhookEndpoint](t)(s.WebhookEndpoints.New(&stripe.WebhookEndpointParams{
		URL: stripe.String(at), EnabledEvents: stripe.StringSlice([]string{"customer.created"}), APIVersion: stripe.String(stripe.APIVersion),
		Metadata: map[string]string{"teamtask": "events"},
	}))
	if len(made.Secret) < 22 || made.Status != "enabled" || made.APIVersion != stripe.APIVersion || made.Secret == s.StripeWebhookSecret() {
		t.Errorf("endpoint = %+v", made)
	}
	secret.Store(&made.Secret)
	if got := must[*stripe.WebhookEndpoint](t)(s.WebhookEndpoints.Get(made.ID, nil)); got.Secret != "" || got.URL != at || got.Metadata["teamtask"] != "events" {
		t.Errorf("endpoint = %+v", got)
	}
	change := func(p *stripe.WebhookEndpointParams) {
		t.Helper()
		must[*stripe.WebhookEndpoint](t)(s.WebhookEndpoints.Update(made.ID, p))
	}
	none := func(what string) {
		t.Helper()
		s.forget(t)
		if len(came) != 0 {
			t.Fatalf("%s: %s came", what, (<-came).Type)
		}
	}

	c := s.customer(t)
	if e := nextEvent(t, came); e.Type != "customer.created" || e.GetObjectValue("id") != c.ID || e.PendingWebhooks != 1 {
		t.Errorf("event = %+v", e)
	}
	must[*stripe.Customer](t)(s.Customers.Update(c.ID, &stripe.CustomerParams{Name: stripe.String("other")}))
	none("an event it did not ask for")
	change(&stripe.WebhookEndpointParams{EnabledEvents: stripe.StringSlice([]string{"*"})})
	must[*stripe.Customer](t)(s.Customers.Update(c.ID, &stripe.CustomerParams{Name: stripe.String("another")}))
	if e := nextEvent(t, came); e.Type != "customer.updated" {
		t.Errorf("event = %+v", e)
	}
	change(&stripe.WebhookEndpointParams{Disabled: stripe.Bool(true)})
	s.customer(t)
	none("disabled")
	change(&stripe.WebhookEndpointParams{Disabled: stripe.Bool(false)})
	s.customer(t)
	nextEvent(t, came)
	if list := s.WebhookEndpoints.List(&stripe.WebhookEndpointListParams{}).WebhookEndpointList(); len(list.Data) != 1 {
		t.Errorf("endpoints = %+v", list)
	}
	if gone := must[*stripe.WebhookEndpoint](t)(s.WebhookEndpoints.Del(made.ID, &stripe.WebhookEndpointParams{})); !gone.Deleted {
		t.Errorf("gone = %+v", gone)
	}
	s.customer(t)
	none("deleted")
}

// The settings of /sandbox/webhooks hold for both services, which are told to their own addresses.
func TestBothServicesAreToldAsTheSettingsSay(t *testing.T) {
	t.Parallel()
	clerk := newReceiver(t, testSecret)
	s := newShop(t, sandbox.Options{WebhookURL: clerk.url, WebhookSecret: testSecret})
	b := backend{url: s.url}
	both := func() {
		s.customer(t)
		order(t, "PATCH", s.url+"/sandbox/organizations/acme/members/frank", `{"role":"org:viewer"}`, 200)
	}
	order(t, "POST", s.url+"/sandbox/webhooks", `{"duplicate":2}`, 200)
	both()
	done := b.reported(t, "all sent", func(r report) bool { return r.Sent == 2 && r.Pending == 0 })
	if len(s.came) != 3 || len(clerk.came) != 3 || len(done.Deliveries) != 2 {
		t.Errorf("%d of Stripe and %d of Clerk came, want 3 each", len(s.came), len(clerk.came))
	}
	order(t, "POST", s.url+"/sandbox/webhooks", `{"drop":true}`, 200)
	both()
	b.reported(t, "all dropped", func(r report) bool { return r.Dropped == 2 })
	order(t, "POST", s.url+"/sandbox/webhooks", `{"shuffle":true}`, 200)
	both()
	b.reported(t, "all sent", func(r report) bool { return r.Sent == 4 && r.Pending == 0 })
	if len(s.came) != 4 || len(clerk.came) != 4 {
		t.Errorf("%d of Stripe and %d of Clerk came, want 4 each", len(s.came), len(clerk.came))
	}
}

// A receiver that hangs holds up its own events alone.
func TestAHangingReceiverHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	clerk := newReceiver(t, testSecret)
	s := newShop(t, sandbox.Options{WebhookURL: clerk.url, WebhookSecret: testSecret})
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	clerk.answer(func(int64) int { <-release; return 200 })
	for range 30 { // each would hold up the next for a second
		order(t, "PATCH", s.url+"/sandbox/organizations/acme/members/frank", `{"role":"org:viewer"}`, 200)
	}
	s.customer(t)
	if e := nextEvent(t, s.came); e.Type != "customer.created" {
		t.Errorf("event = %s", e.Type)
	}
	if r := (backend{url: s.url}).report(t); r.Pending < 25 {
		t.Errorf("only %d are pending: the other receiver did not hang", r.Pending)
	}
}

func TestSecretsOfWebhooksAreChecked(t *testing.T) {
	t.Parallel()
	for secret, valid := range map[string]bool{
		"":                                 true,
		"whsec_0123456789abcdef":           true,
		"whsec_short":                      false,
		"0123456789abcdef0123456789abcdef": false,
	} {
		s, err := sandbox.New(sandbox.Options{BaseURL: "http://127.0.0.1:1", StripeWebhookSecret: secret})
		if (err == nil) != valid {
			t.Errorf("%q: %v", secret, err)
		}
		if err == nil && len(s.StripeWebhookSecret()) < 22 {
			t.Errorf("%q: %q", secret, s.StripeWebhookSecret())
		}
	}
	if _, err := sandbox.New(sandbox.Options{BaseURL: "http://127.0.0.1:1", StripeWebhookURL: "127.0.0.1:8080"}); err == nil {
		t.Error("an address without a scheme was taken")
	}
}
