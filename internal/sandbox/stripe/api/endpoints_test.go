package api_test

import (
	"sync/atomic"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestEndpointsMadeThroughTheAPIGetWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	var secret atomic.Pointer[string]
	came, at := sandboxtest.NewStripeReceiver(t, func() string { return *secret.Load() })
	made := sandboxtest.Must[*stripe.WebhookEndpoint](t)(s.WebhookEndpoints.New(&stripe.WebhookEndpointParams{
		URL: stripe.String(at), EnabledEvents: stripe.StringSlice([]string{"customer.created"}), APIVersion: stripe.String(stripe.APIVersion),
		Metadata: map[string]string{"teamtask": "events"},
	}))
	if len(made.Secret) < 22 || made.Status != "enabled" || made.APIVersion != stripe.APIVersion || made.Secret == s.StripeWebhookSecret() {
		t.Errorf("endpoint = %+v", made)
	}
	secret.Store(&made.Secret)
	if got := sandboxtest.Must[*stripe.WebhookEndpoint](t)(s.WebhookEndpoints.Get(made.ID, nil)); got.Secret != "" || got.URL != at || got.Metadata["teamtask"] != "events" {
		t.Errorf("endpoint = %+v", got)
	}
	change := func(p *stripe.WebhookEndpointParams) {
		t.Helper()
		sandboxtest.Must[*stripe.WebhookEndpoint](t)(s.WebhookEndpoints.Update(made.ID, p))
	}
	none := func(what string) {
		t.Helper()
		s.DropEvents(t)
		if len(came) != 0 {
			t.Fatalf("%s: %s came", what, (<-came).Type)
		}
	}

	c := s.NewCustomer(t)
	if e := sandboxtest.NextStripeEvent(t, came); e.Type != "customer.created" || e.GetObjectValue("id") != c.ID || e.PendingWebhooks != 1 {
		t.Errorf("event = %+v", e)
	}
	sandboxtest.Must[*stripe.Customer](t)(s.Customers.Update(c.ID, &stripe.CustomerParams{Name: stripe.String("other")}))
	none("an event it did not ask for")
	change(&stripe.WebhookEndpointParams{EnabledEvents: stripe.StringSlice([]string{"*"})})
	sandboxtest.Must[*stripe.Customer](t)(s.Customers.Update(c.ID, &stripe.CustomerParams{Name: stripe.String("another")}))
	if e := sandboxtest.NextStripeEvent(t, came); e.Type != "customer.updated" {
		t.Errorf("event = %+v", e)
	}
	change(&stripe.WebhookEndpointParams{Disabled: stripe.Bool(true)})
	s.NewCustomer(t)
	none("disabled")
	change(&stripe.WebhookEndpointParams{Disabled: stripe.Bool(false)})
	s.NewCustomer(t)
	sandboxtest.NextStripeEvent(t, came)
	if list := s.WebhookEndpoints.List(&stripe.WebhookEndpointListParams{}).WebhookEndpointList(); len(list.Data) != 1 {
		t.Errorf("endpoints = %+v", list)
	}
	if gone := sandboxtest.Must[*stripe.WebhookEndpoint](t)(s.WebhookEndpoints.Del(made.ID, &stripe.WebhookEndpointParams{})); !gone.Deleted {
		t.Errorf("gone = %+v", gone)
	}
	s.NewCustomer(t)
	none("deleted")
}
