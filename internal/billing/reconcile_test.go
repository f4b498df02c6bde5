package billing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/directory"
)

// reconciles returns the drifts that it was told of, in order.
func (f *fixture) reconciles(r Reconciliation) []string {
	f.t.Helper()
	told, sum, err := f.tries(r)
	if err != nil {
		f.t.Fatalf("reconcile: %v", err)
	}
	if sum.Drifts != len(told) {
		f.t.Errorf("the summary counts %d, told are %d", sum.Drifts, len(told))
	}
	return told
}

func (f *fixture) tries(r Reconciliation) ([]string, Summary, error) {
	told := []string{}
	r.Drift = func(d Drift) { told = append(told, fmt.Sprintf("%s %s %s: %s", d.Tenant, d.About, d.ID, d.What)) }
	sum, err := f.Reconcile(f.t.Context(), r)
	slices.Sort(told)
	return told, sum, err
}

// everything is all rows that a dry run must leave as they are.
func (f *fixture) everything() []string {
	f.t.Helper()
	return f.texts(`
		SELECT l::text FROM licenses l UNION ALL SELECT s::text FROM seats s UNION ALL SELECT s::text FROM subscriptions s
		 UNION ALL SELECT c::text FROM licensing_customers c UNION ALL SELECT s::text FROM standings s UNION ALL SELECT m::text FROM members m
		 UNION ALL SELECT id::text FROM audit_events UNION ALL SELECT id::text FROM river_job
		 ORDER BY 1`)
}

// drifted has lost every event since five seats were bought and given: now there are three,
// and Clerk knows of one of the five, and of one who holds none.
func drifted(t *testing.T) (*fixture, []string) {
	t.Helper()
	f, users := customered(t)
	f.put(ours, "user_x")
	f.exec(`UPDATE members SET licensed = user_id IN ('user_0000', 'user_x')`)
	f.till.sells("sub_1", "cus_1", statusPastDue, 3)
	return f, users
}

// D19.
func TestADryRunTellsWhatDiffersAndWritesNothing(t *testing.T) {
	t.Parallel()
	f, _ := drifted(t)
	before := f.everything()
	want := []string{
		"org_ours license org_ours: purchased: 5 here, 3 at Stripe",
		"org_ours license org_ours: status: active here, past_due at Stripe",
		"org_ours seat user_0001: isLicensed: true here, false at Clerk",
		"org_ours seat user_0002: isLicensed: true here, false at Clerk",
		"org_ours seat user_0003: isLicensed: true here, false at Clerk",
		"org_ours seat user_0004: isLicensed: true here, false at Clerk",
		"org_ours seat user_x: isLicensed: false here, true at Clerk",
	}
	for _, r := range []Reconciliation{{}, {Organization: ours}, {Adopt: true}} {
		if diff := cmp.Diff(want, f.reconciles(r)); diff != "" {
			t.Errorf("%+v: drift (-want +got):\n%s", r, diff)
		}
		if diff := cmp.Diff(before, f.everything()); diff != "" {
			t.Errorf("%+v: a dry run has changed something:\n%s", r, diff)
		}
	}
	if got := f.reconciles(Reconciliation{Organization: theirs}); len(got) != 0 {
		t.Errorf("of another organization: got %v, want none", got)
	}
}

// D19, E25: lost events and lost jobs are made up for.
func TestApplyingMendsWhatDiffers(t *testing.T) {
	t.Parallel()
	f, users := drifted(t)
	f.reconciles(Reconciliation{Apply: true})
	if s := f.summary(ours); s.Purchased != 3 || s.Status != statusPastDue || s.GraceEndTime == nil {
		t.Errorf("got %d seats, %s, grace until %v; want 3, past_due, and a time of grace", s.Purchased, s.Status, s.GraceEndTime)
	}
	if diff := cmp.Diff(users, f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
	if err := f.copies(ours, ""); err != nil { // which was asked for
		t.Fatal(err)
	}
	if got := f.asked(ours); !slices.Contains(got, directory.JobLicensed) {
		t.Errorf("got jobs %v, want that Clerk is told", got)
	}
	for range 2 {
		if got := f.reconciles(Reconciliation{Apply: true}); len(got) != 0 {
			t.Errorf("afterwards: got %v, want no drift", got)
		}
	}
	if got := f.linesOf(ours, "license.update"); len(got) != 1 {
		t.Errorf("%d lines say that the license changed, want 1", len(got))
	}
	f.sound(ours)
}

func TestReconcilingTellsOfSeveralSubscriptionsAndOfOnesThatAreGone(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	if err := f.copies(ours, ""); err != nil {
		t.Fatal(err)
	}
	f.has(ours, bought("sub_1", statusActive, 5), bought("sub_2", statusActive, 1))
	f.till.sells("sub_3", "cus_1", statusActive, 1)
	want := []string{
		"org_ours license org_ours: 2 subscriptions pay for seats: all count, one was probably meant",
		"org_ours subscription sub_2: gone at Stripe",
	}
	if diff := cmp.Diff(want, f.reconciles(Reconciliation{Organization: ours})); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	f.till.did(func() { delete(f.till.subscriptions, "sub_1"); delete(f.till.subscriptions, "sub_3") })
	f.reconciles(Reconciliation{Apply: true})
	if s := f.summary(ours); s.Status != statusCanceled || s.Working {
		t.Errorf("got %s, working: %t; want canceled", s.Status, s.Working)
	}
	if got := f.reconciles(Reconciliation{}); slices.ContainsFunc(got, func(d string) bool { return !strings.Contains(d, " seat ") }) {
		t.Errorf("afterwards: got %v, want no drift but of Clerk's", got)
	}
}

// What an event has written since Stripe was asked is newer.
func TestReconcilingLeavesWhatIsNewerAlone(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	if err := f.copies(ours, ""); err != nil {
		t.Fatal(err)
	}
	done := false
	f.till.answered = func(path string) {
		if path == "subscriptions" && !done {
			done = true
			f.has(ours, bought("sub_1", statusActive, 9))
		}
	}
	if got := f.reconciles(Reconciliation{Apply: true}); len(got) != 0 || !done {
		t.Errorf("got %v, want no drift", got)
	}
	if got := f.summary(ours).Purchased; got != 9 {
		t.Errorf("got %d seats, want 9", got)
	}
}

// A key of another account knows nobody: nothing is ended because of it.
func TestAStripeThatKnowsNobodyEndsNothing(t *testing.T) {
	t.Parallel()
	f, users := customered(t)
	f.till.did(func() { clear(f.till.customers) })
	for n := 1; n <= 4; n++ {
		if n > 1 {
			f.exec(`INSERT INTO licensing_customers VALUES ('cus_' || $1::text, 'org_' || $1::text)`, fmt.Sprint(n))
		}
		for _, apply := range []bool{false, true} {
			_, _, err := f.tries(Reconciliation{Apply: apply})
			if n < lossOf && !errors.Is(err, errForeign) || n >= lossOf && !errors.Is(err, ErrOtherAccount) {
				t.Errorf("%d customers, apply: %t: got %v", n, apply, err)
			}
		}
	}
	if diff := cmp.Diff(users, f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
}

// Where Stripe knows another one of ours, one that it does not know was deleted.
func TestACustomerWhomStripeDoesNotKnowHasEnded(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.exec(`INSERT INTO licensing_customers VALUES ('cus_2', $1)`, theirs)
	f.till.knows("cus_2", theirs)
	f.till.did(func() { delete(f.till.customers, "cus_1") })
	if got := f.reconciles(Reconciliation{Organization: ours}); !slices.Contains(got, "org_ours customer cus_1: gone at Stripe") {
		t.Errorf("got %v, want that the customer is gone", got)
	}
	f.reconciles(Reconciliation{Apply: true})
	if s := f.summary(ours); s.CustomerID != "" || s.Working {
		t.Errorf("got customer %q, working: %t; want none", s.CustomerID, s.Working)
	}
}

// One organization of which Stripe does not answer does not hold up the others.
func TestOneOrganizationThatCannotBeComparedDoesNotHoldUpTheRest(t *testing.T) {
	t.Parallel()
	f, _ := drifted(t)
	f.put("org_first", "user_y")
	f.exec(`INSERT INTO licensing_customers VALUES ('cus_bad', 'org_first')`)
	f.till.knows("cus_bad", "org_first")
	f.till.sells("sub_bad", "cus_bad", statusActive, -1) // which no answer of Stripe's is
	_, sum, err := f.tries(Reconciliation{Apply: true})
	if err == nil || !strings.Contains(err.Error(), "org_first") || strings.Contains(err.Error(), ours) {
		t.Errorf("got %v, want that of org_first alone", err)
	}
	if got := f.summary(ours).Purchased; got != 3 || sum.Organizations < 2 {
		t.Errorf("got %d seats, %d organizations compared; want 3, all", got, sum.Organizations)
	}
}
