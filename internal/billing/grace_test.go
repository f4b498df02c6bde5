package billing

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/stripe"
)

// filled has five of five seats given, one a minute, the last to user_0004.
func filled(t *testing.T, grace time.Duration) (*fixture, []string) {
	t.Helper()
	f := newFixtureWith(t, setting{grace: grace, connections: 8})
	users := persons(5)
	f.put(ours, users...)
	f.has(ours, bought("sub_1", statusActive, 5))
	f.gives(ours, users...)
	f.ages(ours, users)
	f.exec(`DELETE FROM audit_events`)
	f.forgetJobs()
	return f, users
}

// ages makes the seats a minute older, each than the next.
func (f *fixture) ages(org string, users []string) {
	f.t.Helper()
	for i, user := range users {
		f.exec(`UPDATE seats SET assign_time = now() - $3 * interval '1 minute' WHERE tenant_id = $1 AND user_id = $2`, org, user, len(users)-i)
	}
}

// When the clocks begin the transaction says, not the machine.
func (f *fixture) saved(org, column string) *time.Time {
	f.t.Helper()
	var at *time.Time
	sql := map[string]string{
		"grace":   `SELECT grace_end_time FROM licenses WHERE tenant_id = $1`,
		"suspend": `SELECT suspend_time FROM licenses WHERE tenant_id = $1`,
		"updated": `SELECT max(time) FROM audit_events WHERE tenant_id = $1 AND method = 'licensing.license.update'`,
		"due":     `SELECT min(scheduled_at) FROM river_job WHERE args->>'name' = 'licensing-settle' AND args->>'tenant' = $1`,
	}[column]
	if err := f.admin.QueryRow(f.t.Context(), sql, org).Scan(&at); err != nil {
		f.t.Fatal(err)
	}
	return at
}

// D06.
func TestADowngradeThrowsNobodyOutAtOnce(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.put(ours, "user_x")
	f.has(ours, bought("sub_1", statusActive, 3))
	s := f.summary(ours)
	if s.OverAssigned() != 2 || s.Assigned != 5 || s.Free() != 0 || !s.Working {
		t.Errorf("got %d too many of %d, %d free, working: %t; want 2 of 5, none, working", s.OverAssigned(), s.Assigned, s.Free(), s.Working)
	}
	if diff := cmp.Diff(users, f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
	end, began := f.saved(ours, "grace"), f.saved(ours, "updated")
	if end == nil || began == nil || !end.Equal(began.Add(week)) {
		t.Errorf("the time of grace ends at %v, want a week after %v", end, began)
	}
	if due := f.saved(ours, "due"); due == nil || end == nil || !due.Equal(*end) {
		t.Errorf("the job is due at %v, want %v", due, end)
	}
	f.wantRefused(ours, "user_x", seatsExhausted)
	f.gives(ours, users[0]) // who has one keeps it
	want := []string{
		fmt.Sprintf(`grace.begin  system:licensing {"over_assigned": 2, "grace_end_time": %q}`, s.GraceEndTime.Format(time.RFC3339Nano)),
		`license.update  system:licensing {"purchased": {"after": 3, "before": 5}}`,
	}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(f.lines(ours)))); diff != "" {
		t.Errorf("audit lines (-want +got):\n%s", diff)
	}
}

func TestATimeOfGraceIsNotBegunAnew(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.has(ours, bought("sub_1", statusActive, 3))
	end := f.saved(ours, "grace")
	f.has(ours, bought("sub_1", statusActive, 2))
	f.has(ours, bought("sub_1", statusPastDue, 4))
	if got := f.saved(ours, "grace"); got == nil || !got.Equal(*end) {
		t.Errorf("it ends at %v, want %v", got, end)
	}
	if got := f.linesOf(ours, "grace.begin"); len(got) != 1 {
		t.Errorf("%d lines say that it begins, want 1", len(got))
	}
	// Nor by buying more for a moment, or not paying for one.
	for _, meanwhile := range []stripe.Subscription{bought("sub_1", statusActive, 5), bought("sub_1", statusUnpaid, 4)} {
		f.has(ours, meanwhile)
		if got := f.saved(ours, "grace"); got != nil {
			t.Errorf("with nothing to wait for it ends at %v", got)
		}
		f.has(ours, bought("sub_1", statusActive, 4))
		if got := f.saved(ours, "grace"); got == nil || !got.Equal(*end) {
			t.Errorf("it ends at %v, want %v", got, end)
		}
	}
}

// over has so many seats given, to five people at most, and then fewer of them paid for.
func (f *fixture) over(given, paid int64) licensing.Summary {
	f.t.Helper()
	s := bought("sub_1", statusActive, given)
	f.has(ours, s)
	users := persons(int(min(given, 5)))
	f.gives(ours, users...)
	f.ages(ours, users)
	s.Quantity, s.Paid = paid, paid
	f.has(ours, s)
	return f.summary(ours)
}

func TestGraceIsGrantedOnceABillingPeriod(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	if s := f.over(5, 1); s.OverAssigned() != 4 || s.GraceEndTime == nil {
		t.Fatalf("the first time: %d too many, grace until %v; want 4, a time of grace", s.OverAssigned(), s.GraceEndTime)
	}
	f.later(ours, week+time.Minute)
	if diff := cmp.Diff(users[:1], f.workers(ours)); diff != "" {
		t.Fatalf("whose seat works after it (-want +got):\n%s", diff)
	}
	f.exec(`DELETE FROM audit_events`)
	f.has(ours, bought("sub_1", statusActive, 6))
	f.invites(ours, "orginv_1", "user_p")
	s := f.over(6, 2) // one of the six is held
	if s.OverAssigned() != 0 || s.GraceEndTime != nil || s.Held != 0 {
		t.Errorf("the second time: %d too many, %d held, grace until %v; want none", s.OverAssigned(), s.Held, s.GraceEndTime)
	}
	if diff := cmp.Diff(users[:2], f.workers(ours)); diff != "" {
		t.Errorf("whose seat works at once (-want +got):\n%s", diff)
	}
	if got := f.linesOf(ours, "grace.begin"); len(got) != 0 {
		t.Errorf("%d lines say that a time of grace begins, want none", len(got))
	}
	if diff := cmp.Diff([]string{"orginv_1"}, f.linesOf(ours, "hold.release")); diff != "" {
		t.Errorf("holds released (-want +got):\n%s", diff)
	}
	f.later(ours, 30*24*time.Hour-week-2*time.Minute)
	if s := f.over(5, 1); s.GraceEndTime != nil || s.OverAssigned() != 0 {
		t.Errorf("a minute before the next period: %d too many, grace until %v; want none", s.OverAssigned(), s.GraceEndTime)
	}
	f.later(ours, 2*time.Minute)
	if s := f.over(5, 1); s.GraceEndTime == nil || s.OverAssigned() != 4 {
		t.Errorf("in the next period: %d too many, grace until %v; want 4, a time of grace", s.OverAssigned(), s.GraceEndTime)
	}
	f.sound(ours)
}

// A period is the billing period where that is longer than 30 days, the last of several
// to end; what is not paid for in between does not begin another one.
func TestTheNextGraceWaitsForTheNextBillingPeriod(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) *time.Time { at := time.Now().Add(d).UTC().Truncate(time.Second); return &at }
	ending := func(s stripe.Subscription, at *time.Time) stripe.Subscription { s.CurrentPeriodEnd = at; return s }
	year, quarter, days := in(300*24*time.Hour), in(80*24*time.Hour), in(3*24*time.Hour)
	for name, c := range map[string]struct {
		held []stripe.Subscription
		want *time.Time // nil: 30 days
	}{
		"a year":                   {[]stripe.Subscription{ending(bought("sub_1", statusActive, 3), year)}, year},
		"a month that ends soon":   {[]stripe.Subscription{ending(bought("sub_1", statusActive, 3), days)}, nil},
		"two":                      {[]stripe.Subscription{ending(bought("sub_1", statusActive, 2), quarter), ending(bought("sub_2", statusActive, 1), days)}, quarter},
		"one that has ended":       {[]stripe.Subscription{ending(bought("sub_1", statusCanceled, 9), year), ending(bought("sub_2", statusActive, 3), days)}, nil},
		"a period that is unknown": {[]stripe.Subscription{bought("sub_1", statusActive, 3)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := filled(t, week)
			f.has(ours, c.held...)
			s := f.summary(ours)
			if s.GraceEndTime == nil || s.GraceNextTime == nil {
				t.Fatalf("grace until %v, the next from %v", s.GraceEndTime, s.GraceNextTime)
			}
			want := s.GraceEndTime.Add(30*24*time.Hour - week)
			if c.want != nil {
				want = *c.want
			}
			if !s.GraceNextTime.Equal(want) {
				t.Errorf("the next may begin at %v, want %v", s.GraceNextTime, want)
			}
			f.later(ours, week+time.Minute)
			f.has(ours, bought("sub_1", statusUnpaid, 3))
			s = f.over(5, 2)
			if s.GraceEndTime != nil || s.OverAssigned() != 0 {
				t.Errorf("after it was unpaid: %d too many, grace until %v; want none", s.OverAssigned(), s.GraceEndTime)
			}
			f.later(ours, 30*24*time.Hour)
			s = f.over(5, 1)
			if granted := s.GraceEndTime != nil; granted != (c.want == nil) {
				t.Errorf("after 37 days: grace until %v, granted is to be %t", s.GraceEndTime, c.want == nil)
			}
		})
	}
}

// The latest time of grace may have begun on a server that did not write when the next
// one may.
func TestAGraceOfAnOlderServerCounts(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.over(5, 1)
	f.exec(`UPDATE licenses SET grace_next_time = NULL`)
	f.later(ours, week+time.Minute)
	if s := f.over(5, 1); s.GraceEndTime != nil || s.OverAssigned() != 0 {
		t.Errorf("a week later: %d too many, grace until %v; want none", s.OverAssigned(), s.GraceEndTime)
	}
	f.later(ours, 23*24*time.Hour)
	if s := f.over(5, 1); s.GraceEndTime == nil {
		t.Error("after 30 days there is no other time of grace")
	}
}

func TestWhatFitsAgainEndsTheTimeOfGrace(t *testing.T) {
	t.Parallel()
	for name, mend := range map[string]func(f *fixture, users []string){
		"more seats":     func(f *fixture, _ []string) { f.has(ours, bought("sub_1", statusActive, 5)) },
		"seats revoked":  func(f *fixture, users []string) { f.takes(ours, users[0], users[1]) },
		"members who go": func(f *fixture, users []string) { f.goes(users[0]); f.goes(users[1]) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, users := filled(t, week)
			f.has(ours, bought("sub_1", statusActive, 3))
			mend(f, users)
			if s := f.summary(ours); s.OverAssigned() != 0 || s.GraceEndTime != nil {
				t.Errorf("got %d too many, grace until %v; want none", s.OverAssigned(), s.GraceEndTime)
			}
			if got := f.linesOf(ours, "grace.end"); len(got) != 1 {
				t.Errorf("%d lines say that it ends, want 1", len(got))
			}
			before := f.holders(ours)
			f.later(ours, 2*week) // the job that was asked for comes nonetheless
			if diff := cmp.Diff(before, f.holders(ours)); diff != "" {
				t.Errorf("who holds a seat after the deadline (-want +got):\n%s", diff)
			}
			f.sound(ours)
		})
	}
}

func (f *fixture) goes(user string) {
	f.t.Helper()
	f.people.leave(ours, user)
	f.hears(ours, user)
}
