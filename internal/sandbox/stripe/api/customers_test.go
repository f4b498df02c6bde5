package api_test

import (
	"strings"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestCustomersAreKeptAndFound(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	c := s.NewCustomer(t)
	if c.Name != "Acme" || c.Metadata["organization_id"] != "org_acme" || !strings.HasPrefix(c.ID, "cus_") || c.Livemode {
		t.Errorf("customer = %+v", c)
	}
	update := &stripe.CustomerParams{Email: stripe.String("erin@acme.test")}
	update.AddMetadata("plan", "seats")
	c = sandboxtest.Must[*stripe.Customer](t)(s.Customers.Update(c.ID, update))
	if c.Email != "erin@acme.test" || c.Name != "Acme" || len(c.Metadata) != 2 {
		t.Errorf("changed = %+v", c)
	}
	updated := s.Want(t, "customer.created", "customer.updated")["customer.updated"]
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
	sandboxtest.WantStripeError(t, "another query", result.Err(), 400, "", "query")
}
