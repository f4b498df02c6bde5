package billing

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The news of the organization and any number of first checkouts come at once, and fail
// anywhere between: there is one customer.
func TestAnOrganizationHasOneCustomerHoweverManyMakeIt(t *testing.T) {
	t.Parallel()
	const callers = 16
	f := newFixtureWith(t, setting{grace: week, connections: callers})
	for round := range 3 {
		org := fmt.Sprintf("org_%d", round)
		if round > 0 {
			f.exec(`INSERT INTO licenses (tenant_id) VALUES ($1)`, org) // which nobody has to wait for
		}
		made := make([]string, callers)
		for _, err := range together(callers, func(i int) (err error) {
			made[i], err = f.customer(t.Context(), org, fmt.Sprintf("Name %d", i))
			return err
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range made {
			if id != made[0] {
				t.Fatalf("got %v, want the same customer for all", made)
			}
		}
		f.till.did(func() {
			var all []string
			for id, c := range f.till.customers {
				if c.org == org {
					all = append(all, id)
				}
			}
			if diff := cmp.Diff(made[:1], all); diff != "" {
				t.Errorf("customers at Stripe (-want +got):\n%s", diff)
			}
		})
		if got := f.linesOf(org, "customer.add"); len(got) != 1 {
			t.Errorf("%d lines say that there is a customer, want 1", len(got))
		}
	}
}

// What Stripe made before the answer was lost is found again by the key.
func TestACustomerWhoseMakingWasLostIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`ALTER TABLE licensing_customers ADD CONSTRAINT none CHECK (customer_id = '')`) // the process ends here
	for range 3 {
		if id, err := f.customer(t.Context(), ours, "Ours"); err == nil {
			t.Fatalf("got %s, want an error", id)
		}
	}
	f.exec(`ALTER TABLE licensing_customers DROP CONSTRAINT none`)
	id, err := f.customer(t.Context(), ours, "Renamed meanwhile")
	if err != nil {
		t.Fatal(err)
	}
	f.till.did(func() {
		if len(f.till.customers) != 1 || f.till.customers[id] == nil {
			t.Errorf("%d customers at Stripe, want %s alone", len(f.till.customers), id)
		}
	})
}

func TestACustomerIsOneOrganizationsAlone(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.till.knows("cus_1", theirs) // whatever Stripe's metadata say by now
	f.put(theirs, "user_t")
	f.reconciles(Reconciliation{Apply: true, Adopt: true})
	if got := f.summary(theirs).CustomerID; got != "" {
		t.Errorf("got customer %s, want none", got)
	}
	if got := f.summary(ours).CustomerID; got != "cus_1" {
		t.Errorf("got customer %q, want cus_1", got)
	}
}
