package billing

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/stripe"
)

const providerStripe = "stripe"

// comes stores the event and applies it, as the inbox does.
func (f *fixture) comes(kind, body string) error {
	f.t.Helper()
	return f.comesFrom(providerStripe, kind, body)
}

func (f *fixture) comesFrom(provider, kind, body string) error {
	f.t.Helper()
	id, err := f.delivery(f.t.Context(), Consumer, provider, kind, body)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.applies(id, provider, kind, body)
}

func (f *fixture) applies(id int64, provider, kind, body string) error {
	return f.Consumer().Apply(f.t.Context(), inbox.Event{ID: id, Provider: provider, Kind: kind, Body: []byte(body)})
}

// about is an event about the thing, of the customer.
func about(id, customer string) string {
	return fmt.Sprintf(`{"id":"evt_1","object":"event","data":{"object":{"id":%q,"customer":%q}}}`, id, customer)
}

// customered has five seats of a subscription at Stripe, which the ledger knows.
func customered(t *testing.T) (*fixture, []string) {
	t.Helper()
	f, users := filled(t, week)
	f.exec(`UPDATE licenses SET customer_id = 'cus_1'`)
	f.exec(`INSERT INTO licensing_customers VALUES ('cus_1', $1)`, ours)
	f.till.knows("cus_1", ours)
	f.till.sells("sub_1", "cus_1", statusActive, 5)
	return f, users
}

func TestAnEventHasWhatThereIsFetched(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	object := func(customer string) string {
		return fmt.Sprintf(`{"data":{"object":{"id":"x_1","customer":{"id":%q,"object":"customer"}}}}`, customer)
	}
	for i, kind := range stripe.EventTypes {
		if kind == stripe.KindRefunded || kind == stripe.KindDisputed {
			continue
		}
		body := about("x_1", "cus_1")
		if i%2 == 1 {
			body = object("cus_1")
		}
		if kind == "customer.deleted" {
			body = about("cus_1", "")
		}
		want := int32(10 + i)
		f.till.sells("sub_1", "cus_1", statusActive, int64(want))
		if err := f.comes(kind, body); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if got := f.summary(ours).Purchased; got != want {
			t.Errorf("%s: got %d seats, want %d", kind, got, want)
		}
	}
	if got := f.count(`SELECT count(*) FROM inbox_deliveries WHERE consumer = 'licensing' AND state <> 'done'`); got != 0 {
		t.Errorf("%d deliveries are not marked done", got)
	}
}

// What an event says is never believed: not its status, nor its quantity, nor whose it
// says it is. D09.
func TestNothingThatAnEventSaysIsBelieved(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.has(theirs)
	forged := `{"data":{"object":{"id":"sub_1","customer":"cus_1","status":"canceled","quantity":999,"client_reference_id":"org_theirs",
		"metadata":{"organization_id":"org_theirs"},"items":{"data":[{"quantity":999,"price":{"id":"price_seat"}}]}}}}`
	if err := f.comes("customer.subscription.updated", forged); err != nil {
		t.Fatal(err)
	}
	if s := f.summary(ours); s.Purchased != 5 || s.Status != statusActive {
		t.Errorf("got %d seats, %s; want what Stripe has: 5, active", s.Purchased, s.Status)
	}
	if s := f.summary(theirs); s.Purchased != 0 || s.CustomerID != "" {
		t.Errorf("the organization that it names has got %d seats, customer %q", s.Purchased, s.CustomerID)
	}
}

// E22.
func TestAnEventOfAnUnknownCustomerWaitsForThem(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.till.knows("cus_2", theirs)
	f.till.sells("sub_2", "cus_2", statusActive, 3)
	body := about("sub_2", "cus_2")
	id, err := f.delivery(t.Context(), Consumer, providerStripe, "customer.subscription.created", body)
	if err != nil {
		t.Fatal(err)
	}
	err = f.applies(id, providerStripe, "customer.subscription.created", body)
	if !errors.Is(err, errUnknownCustomer) || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", inbox.Wait(err, waitFor)) {
		t.Errorf("got %v, want that it waits", err)
	}
	f.exec(`INSERT INTO licensing_customers VALUES ('cus_2', $1)`, theirs)
	if err := f.applies(id, providerStripe, "customer.subscription.created", body); err != nil {
		t.Fatal(err)
	}
	if got := f.summary(theirs).Purchased; got != 3 {
		t.Errorf("got %d seats, want 3", got)
	}
}

// D14.
func TestRefundsAndDisputesAlertOnceAndMoveNoSeat(t *testing.T) {
	t.Parallel()
	f, users := customered(t)
	f.till.did(func() { f.till.charges["ch_1"] = "cus_1" })
	for kind, body := range map[string]string{
		stripe.KindRefunded: about("ch_1", "cus_1"),
		stripe.KindDisputed: `{"data":{"object":{"id":"dp_1","charge":"ch_1","customer":"cus_of_somebody_else"}}}`,
	} {
		f.exec(`DELETE FROM audit_events`)
		f.alarmed()
		before := f.texts(`SELECT l::text FROM licenses l`)
		id, err := f.delivery(t.Context(), Consumer, providerStripe, kind, body)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.applies(id, providerStripe, kind, body); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for range 2 { // by a second worker, or after a crash: it is done
			if err := f.applies(id, providerStripe, kind, body); err == nil || !strings.Contains(err.Error(), "TT020") {
				t.Errorf("%s again: got %v, want that it is settled", kind, err)
			}
		}
		word := map[string]string{stripe.KindRefunded: alertRefund, stripe.KindDisputed: alertDispute}[kind]
		if diff := cmp.Diff([]string{word}, f.alarmed()); diff != "" {
			t.Errorf("%s: alerts (-want +got):\n%s", kind, diff)
		}
		if got := f.lines(ours); len(got) != 1 || !strings.HasPrefix(got[0], word+" ") {
			t.Errorf("%s: got audit lines %v, want one of %s", kind, got, word)
		}
		if diff := cmp.Diff(before, f.texts(`SELECT l::text FROM licenses l`)); diff != "" {
			t.Errorf("%s: the license has changed:\n%s", kind, diff)
		}
		if diff := cmp.Diff(users, f.workers(ours)); diff != "" {
			t.Errorf("%s: whose seat works (-want +got):\n%s", kind, diff)
		}
	}
}

func TestADeletedCustomerEndsWhatWasBoughtAndAnotherCanBeMade(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	old, err := f.customer(t.Context(), ours, "Ours")
	if err != nil {
		t.Fatal(err)
	}
	f.till.sells("sub_1", old, statusActive, 5)
	f.exec(`UPDATE subscriptions SET customer_id = $1`, old)
	f.till.did(func() { f.till.customers[old].deleted = true })
	if err := f.comes("customer.deleted", about(old, "")); err != nil {
		t.Fatal(err)
	}
	s := f.summary(ours)
	if s.CustomerID != "" || s.Status != statusCanceled || s.Working {
		t.Errorf("got customer %q, %s, working: %t; want none, canceled, not working", s.CustomerID, s.Status, s.Working)
	}
	id, err := f.customer(t.Context(), ours, "Ours")
	if err != nil || id == "" || id == old {
		t.Fatalf("got customer %q, %v; want another one than %s", id, err, old)
	}
	f.till.sells("sub_2", id, statusActive, 5)
	if err := f.comes("customer.subscription.created", about("sub_2", id)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(users, f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
	if err := f.comes("customer.subscription.deleted", about("sub_1", old)); err != nil { // late, of the old one
		t.Fatal(err)
	}
	if got := f.summary(ours); got.CustomerID != id || !got.Working {
		t.Errorf("news of the old one: got customer %q, working: %t", got.CustomerID, got.Working)
	}
}

func TestANewOrganizationGetsACustomerOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a")
	for range 3 {
		if err := f.comesFrom(providerClerk, kindFounded, `{"data":{"id":"`+ours+`"}}`); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"POST customers"}, f.till.heard()); diff != "" {
		t.Errorf("what Stripe was told (-want +got):\n%s", diff)
	}
	if err := f.comesFrom(providerClerk, kindFounded, `{"data":{"id":"org_gone"}}`); err != nil {
		t.Errorf("of an organization that is gone: %v", err)
	}
	if got := f.till.heard(); len(got) != 0 {
		t.Errorf("Stripe was told %v of an organization that is gone", got)
	}
}
