package billing

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An installation that had seats before us: customers at Stripe that name their
// organization, and members whom Clerk's metadata call licensed.
func inherited(t *testing.T, quantity int64) (*fixture, []string) {
	t.Helper()
	f := newFixture(t)
	users := persons(5)
	f.put(ours, users...)
	f.put(theirs, "user_t")
	f.exec(`UPDATE members SET licensed = true, create_time = now() - right(user_id, 1)::integer * interval '1 day' WHERE tenant_id = $1 AND user_id <> 'user_0002'`, ours)
	for _, user := range users {
		f.people.did(func() {
			m := f.people.members[spot{ours, user}]
			m.Licensed = user != "user_0002"
			f.people.members[spot{ours, user}] = m
		})
	}
	f.till.knows("cus_1", ours)
	f.till.sells("sub_1", "cus_1", statusActive, quantity)
	return f, users
}

func TestAdoptingTakesCustomersAndFlagsIntoAnEmptyLedger(t *testing.T) {
	t.Parallel()
	f, _ := inherited(t, 6)
	before := f.everything()
	if diff := cmp.Diff([]string{"org_ours customer cus_1: at Stripe, not kept here"}, f.reconciles(Reconciliation{Apply: true})); diff != "" {
		t.Errorf("drift without adopting (-want +got):\n%s", diff)
	}
	would := []string{
		"org_ours customer cus_1: at Stripe, would be adopted",
		"org_ours license org_ours: purchased: 0 here, 6 at Stripe", "org_ours license org_ours: status: none here, active at Stripe",
	}
	if diff := cmp.Diff(would, f.reconciles(Reconciliation{Adopt: true})); diff != "" {
		t.Errorf("drift of a dry run (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, f.everything()); diff != "" {
		t.Errorf("neither should change anything:\n%s", diff)
	}
	f.reconciles(Reconciliation{Apply: true, Adopt: true})
	seated := []string{"user_0000", "user_0001", "user_0003", "user_0004"}
	if diff := cmp.Diff(seated, f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
	if s := f.summary(ours); s.CustomerID != "cus_1" || s.Purchased != 6 || s.Free() != 2 {
		t.Errorf("got customer %q, %d seats, %d free; want cus_1, 6, 2", s.CustomerID, s.Purchased, s.Free())
	}
	if diff := cmp.Diff(seated, slices.Sorted(slices.Values(f.linesOf(ours, "seat.assign")))); diff != "" {
		t.Errorf("audit lines (-want +got):\n%s", diff)
	}
	for _, r := range []Reconciliation{{}, {Apply: true, Adopt: true}} {
		if got := f.reconciles(r); len(got) != 0 {
			t.Errorf("%+v afterwards: got %v, want no drift", r, got)
		}
	}
	f.gives(ours, "user_0002")
	f.sound(ours)
}

// More than are paid for are taken over as well: then the time of grace begins, and the
// newest members go first.
func TestAdoptingMoreThanArePaidForBeginsATimeOfGrace(t *testing.T) {
	t.Parallel()
	f, _ := inherited(t, 2)
	f.reconciles(Reconciliation{Apply: true, Adopt: true})
	if s := f.summary(ours); s.Assigned != 4 || s.OverAssigned() != 2 || s.GraceEndTime == nil {
		t.Errorf("got %d given, %d too many, grace until %v; want 4, 2, and a time", s.Assigned, s.OverAssigned(), s.GraceEndTime)
	}
	f.later(ours, week)
	if diff := cmp.Diff([]string{"user_0003", "user_0004"}, f.workers(ours)); diff != "" { // members for longest
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
	f.sound(ours)
}

// Of a subscription that has stopped they stay on record for 30 days, like any.
func TestAdoptingWhatIsSuspendedGivesItThirtyDays(t *testing.T) {
	t.Parallel()
	f, _ := inherited(t, 6)
	f.till.sells("sub_1", "cus_1", statusUnpaid, 6)
	f.reconciles(Reconciliation{Apply: true, Adopt: true})
	if got := f.summary(ours); got.Assigned != 4 || got.Working || len(f.workers(ours)) != 0 {
		t.Errorf("got %d given, working: %t; want 4 that do not", got.Assigned, got.Working)
	}
	began, due := f.saved(ours, "suspend"), f.saved(ours, "due")
	if began == nil || due == nil || !due.Equal(began.Add(30*24*time.Hour)) {
		t.Errorf("the job is due at %v, want 30 days after %v", due, began)
	}
}

func TestFlagsAreNotTakenIntoALedgerThatHasSeats(t *testing.T) {
	t.Parallel()
	f, users := drifted(t)
	f.reconciles(Reconciliation{Apply: true, Adopt: true})
	if diff := cmp.Diff(users, f.holders(ours)); diff != "" {
		t.Errorf("who holds a seat (-want +got):\n%s", diff)
	}
	g, _ := inherited(t, 6) // flags of an organization that never bought anything
	g.till.did(func() { clear(g.till.subscriptions) })
	g.reconciles(Reconciliation{Apply: true, Adopt: true})
	if got := g.holders(ours); len(got) != 0 {
		t.Errorf("%v hold a seat of an organization that bought none", got)
	}
}

func TestAnOrganizationThatHasACustomerKeepsThemAndAllThatIsBoughtCounts(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	if err := f.copies(ours, ""); err != nil {
		t.Fatal(err)
	}
	f.till.knows("cus_other", ours)
	f.till.sells("sub_other", "cus_other", statusActive, 50)
	want := []string{
		"org_ours customer cus_other: adopted",
		"org_ours license org_ours: 2 subscriptions pay for seats: all count, one was probably meant",
		"org_ours license org_ours: purchased: 5 here, 55 at Stripe",
	}
	if diff := cmp.Diff(want, f.reconciles(Reconciliation{Apply: true, Adopt: true})); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	if s := f.summary(ours); s.CustomerID != "cus_1" || s.Purchased != 55 {
		t.Errorf("got customer %q, %d seats; want cus_1, 55", s.CustomerID, s.Purchased)
	}
}
