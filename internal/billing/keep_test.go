package billing

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/stripe"
)

func TestSeveralSubscriptionsAddUpAndSomebodyIsToldOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.has(ours, bought("sub_1", statusActive, 5), bought("sub_2", statusTrialing, 3), bought("sub_3", statusUnpaid, 100))
	if s := f.summary(ours); s.Purchased != 8 || s.Status != statusActive {
		t.Errorf("got %d seats, %s; want 8, active", s.Purchased, s.Status)
	}
	f.has(ours, bought("sub_1", statusActive, 6), bought("sub_2", statusActive, 3), bought("sub_3", statusUnpaid, 100))
	if diff := cmp.Diff([]string{alertSeveral}, f.alarmed()); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	f.has(ours, bought("sub_1", statusActive, 6))
	f.has(ours, bought("sub_1", statusActive, 6), bought("sub_4", statusActive, 1))
	if diff := cmp.Diff([]string{alertSeveral}, f.alarmed()); diff != "" {
		t.Errorf("alerts when it happens again (-want +got):\n%s", diff)
	}
}

func TestAnUnknownStatusGivesNothingNewAndAlertsOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a", "user_b", "user_c")
	f.has(ours, bought("sub_1", statusActive, 2))
	f.gives(ours, "user_a")
	for range 3 {
		f.has(ours, bought("sub_1", "on_holiday", 5))
	}
	if diff := cmp.Diff([]string{alertStatus}, f.alarmed()); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	s := f.summary(ours)
	if s.Purchased != 2 || !s.Working || s.Free() != 0 || s.Status != statusActive {
		t.Errorf("got %d seats, working: %t, free: %d, %s; want 2 that work, and none free", s.Purchased, s.Working, s.Free(), s.Status)
	}
	f.wantRefused(ours, "user_b", seatsExhausted)
	f.gives(ours, "user_a") // who has one keeps it
	if diff := cmp.Diff([]string{"user_a"}, f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
	f.has(ours, bought("sub_1", statusActive, 5))
	f.gives(ours, "user_b", "user_c")
	f.has(ours, bought("sub_1", statusActive, 5), bought("sub_2", "on_holiday", 5)) // never known otherwise
	if s := f.summary(ours); s.Purchased != 5 || s.Free() != 2 {
		t.Errorf("beside one that was never known: got %d seats, %d free; want 5, 2", s.Purchased, s.Free())
	}
	if diff := cmp.Diff([]string{alertStatus}, f.alarmed()); diff != "" {
		t.Errorf("alerts for another subscription (-want +got):\n%s", diff)
	}
	f.sound(ours)
}

// E14. Also where the news of it comes when everything else is settled.
func TestTheEndOfAnOldSubscriptionLeavesTheNewOneAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a")
	f.has(ours, bought("sub_1", statusActive, 5))
	f.has(ours, bought("sub_1", statusCanceled, 5), bought("sub_2", statusActive, 3))
	f.gives(ours, "user_a")
	f.has(ours, bought("sub_2", statusActive, 3)) // Stripe lists the old one no more
	f.has(ours, bought("sub_1", statusCanceled, 5), bought("sub_2", statusActive, 3))
	if s := f.summary(ours); s.Purchased != 3 || s.Status != statusActive || !s.Working {
		t.Errorf("got %d seats, %s, working: %t; want 3, active, working", s.Purchased, s.Status, s.Working)
	}
	if diff := cmp.Diff([]string{"user_a"}, f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
	if got := f.alarmed(); len(got) != 0 {
		t.Errorf("got alerts %v, want none", got)
	}
}

func TestASubscriptionThatStripeListsNoMoreHasEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a")
	f.has(ours, bought("sub_1", statusActive, 5))
	f.gives(ours, "user_a")
	f.has(ours)
	s := f.summary(ours)
	if s.Purchased != 0 || s.Status != statusCanceled || s.Working {
		t.Errorf("got %d seats, %s, working: %t; want 0, canceled, not working", s.Purchased, s.Status, s.Working)
	}
	if got := f.workers(ours); len(got) != 0 {
		t.Errorf("the seats of %v work", got)
	}
}

// Only items with a seat price count: neither does a subscription to something else keep
// the seats working, nor is it one that pays for seats a second time.
func TestASubscriptionToSomethingElseDoesNotCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a")
	other := stripe.Subscription{ID: "sub_9", Customer: "cus_1", Status: statusActive, Started: true, CreateTime: epoch}
	odd := other
	odd.Status = "on_holiday"
	for _, s := range []stripe.Subscription{other, odd} {
		f.has(ours, s)
		if got := f.count(`SELECT count(*) FROM subscriptions`); got != 0 {
			t.Errorf("%s: %d subscriptions are kept, want none", s.Status, got)
		}
		if s := f.summary(ours); s.Status != statusNone || s.Working {
			t.Errorf("got %s, working: %t; want none", s.Status, s.Working)
		}
	}
	f.has(ours, bought("sub_1", statusActive, 2), other)
	f.gives(ours, "user_a")
	changed := other // it had seats, and sells something else now
	changed.ID = "sub_1"
	f.has(ours, changed, bought("sub_2", statusActive, 4))
	if s := f.summary(ours); s.Purchased != 4 {
		t.Errorf("got %d seats, want 4", s.Purchased)
	}
	if got := f.alarmed(); len(got) != 0 {
		t.Errorf("got alerts %v, want none", got)
	}
	f.has(ours, changed)
	if s := f.summary(ours); s.Purchased != 0 || s.OverAssigned() != 1 {
		t.Errorf("got %d seats, %d too many; want 0, 1", s.Purchased, s.OverAssigned())
	}
}

// D10.
func TestSeatsAreGivenOnceTheFirstInvoiceIsPaidOrInTrial(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a")
	unpaid := bought("sub_1", statusActive, 5)
	unpaid.Started = false
	for _, status := range []string{statusIncomplete, statusActive, statusPastDue} {
		unpaid.Status = status
		f.has(ours, unpaid)
		if s := f.summary(ours); s.Purchased != 0 || s.Working || s.Status != statusIncomplete {
			t.Errorf("%s, never paid: got %d seats, working: %t, %s; want none, incomplete", status, s.Purchased, s.Working, s.Status)
		}
		f.wantRefused(ours, "user_a", seatsExhausted)
	}
	f.has(ours, bought("sub_1", statusTrialing, 5))
	f.gives(ours, "user_a")
	f.has(ours, bought("sub_1", statusPastDue, 5)) // a later one is not paid
	if diff := cmp.Diff([]string{"user_a"}, f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
}

// The log of what is bought has a line for each change, and none for what is as it was.
func TestWhatIsBoughtIsAuditedOnceForEachChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, s := range []stripe.Subscription{
		bought("sub_1", statusActive, 5), bought("sub_1", statusActive, 8), bought("sub_1", statusPastDue, 8), bought("sub_1", statusUnpaid, 8),
	} {
		f.has(ours, s)
		f.has(ours, s)
	}
	line := func(details string) string { return fmt.Sprintf("license.update  system:licensing %s", details) }
	want := []string{
		line(`{"status": {"after": "active", "before": "none"}, "working": {"after": true, "before": false}, "purchased": {"after": 5, "before": 0}}`),
		line(`{"purchased": {"after": 8, "before": 5}}`),
		line(`{"status": {"after": "past_due", "before": "active"}}`),
		line(`{"status": {"after": "unpaid", "before": "past_due"}, "working": {"after": false, "before": true}, "purchased": {"after": 0, "before": 8}}`),
	}
	if diff := cmp.Diff(want, f.lines(ours)); diff != "" {
		t.Errorf("audit lines (-want +got):\n%s", diff)
	}
}

// A raise that is not paid gives nothing, whatever the subscription's status; fewer seats
// count at once.
func TestARaiseCountsOnceItIsPaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a", "user_b")
	for _, c := range []struct {
		what      string
		now       stripe.Subscription
		status    string
		purchased int32
	}{
		{"one seat", bought("sub_1", statusActive, 1), statusActive, 1},
		{"a raise that is open", raised("sub_1", statusActive, 1, 1000), statusActive, 1},
		{"and past due", raised("sub_1", statusPastDue, 1, 1000), statusPastDue, 1},
		{"lowered to between", raised("sub_1", statusPastDue, 1, 500), statusPastDue, 1},
		{"paid", bought("sub_1", statusActive, 500), statusActive, 500},
		{"fewer", bought("sub_1", statusActive, 3), statusActive, 3},
		{"raised again", raised("sub_1", statusActive, 3, 500), statusActive, 3},
		{"in a status of tomorrow", raised("sub_1", "on_holiday", 500, 500), statusActive, 3},
		{"unpaid", raised("sub_1", statusUnpaid, 0, 500), statusUnpaid, 0},
		{"active again", raised("sub_1", statusActive, 3, 500), statusActive, 3},
	} {
		f.has(ours, c.now)
		if s := f.summary(ours); s.Purchased != c.purchased || s.Status != c.status {
			t.Errorf("%s: got %d seats, %s; want %d, %s", c.what, s.Purchased, s.Status, c.purchased, c.status)
		}
		if got := f.count(`SELECT quantity FROM subscriptions`); got != int(c.now.Quantity) {
			t.Errorf("%s: the quantity kept is %d, want %d", c.what, got, c.now.Quantity)
		}
	}
	f.has(ours, raised("sub_1", statusActive, 1, 1000), raised("sub_2", statusActive, 1, 1000))
	f.gives(ours, "user_a", "user_b")
	if s := f.summary(ours); s.Purchased != 2 || s.Free() != 0 {
		t.Errorf("two subscriptions: got %d seats, %d free; want 2, none", s.Purchased, s.Free())
	}
	f.sound(ours)
}

// What the invoices say comes through all doors by which what is bought is learned.
func TestTheInvoicesAreAskedByEveryDoor(t *testing.T) {
	t.Parallel()
	for name, door := range map[string]func(f *fixture) error{
		"an event":         func(f *fixture) error { return f.sync(t.Context(), ours, nil) },
		"a reconciliation": func(f *fixture) error { _, err := f.Reconcile(t.Context(), Reconciliation{Apply: true}); return err },
		"an adoption": func(f *fixture) error {
			f.exec(`DELETE FROM licensing_customers`)
			_, err := f.Reconcile(t.Context(), Reconciliation{Apply: true, Adopt: true})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.put(ours, "user_a")
			f.till.knows("cus_1", ours)
			f.exec(`INSERT INTO licensing_customers VALUES ('cus_1', $1)`, ours)
			f.till.sells("sub_1", "cus_1", statusActive, 1000)
			f.till.did(func() { f.till.subscriptions["sub_1"].paid = 1 })
			for _, status := range []string{statusActive, statusPastDue} {
				f.till.did(func() { f.till.subscriptions["sub_1"].status = status })
				if err := door(f); err != nil {
					t.Fatal(err)
				}
				if s := f.summary(ours); s.Purchased != 1 || s.Status != status {
					t.Errorf("got %d seats, %s; want 1, %s", s.Purchased, s.Status, status)
				}
			}
			f.till.did(func() {
				*f.till.subscriptions["sub_1"] = sale{customer: "cus_1", status: statusActive, quantity: 1000, price: seatPrice}
			})
			if err := door(f); err != nil {
				t.Fatal(err)
			}
			if s := f.summary(ours); s.Purchased != 1000 {
				t.Errorf("once paid: got %d seats, want 1000", s.Purchased)
			}
		})
	}
}

// Beside it other subscriptions of the organization count, and its own end is noticed.
func TestASubscriptionWithoutItemsCountsAsNone(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	before := f.summary(ours).Purchased
	f.till.sells("sub_bare", "cus_1", statusActive, 7)
	f.till.did(func() { f.till.subscriptions["sub_bare"].bare = true })
	if err := f.sync(t.Context(), ours, nil); err != nil {
		t.Fatal(err)
	}
	if s := f.summary(ours); s.Purchased != before {
		t.Errorf("got %d seats, want %d", s.Purchased, before)
	}
	for _, sold := range f.till.subscriptions {
		sold.bare = true
	}
	if err := f.sync(t.Context(), ours, nil); err != nil {
		t.Fatal(err)
	}
	if s := f.summary(ours); s.Purchased != 0 {
		t.Errorf("without any items: got %d seats, want none", s.Purchased)
	}
}
