package billing

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
)

func TestClerkIsToldOfEverybodyWhenSeatsStopAndWorkAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	users := persons(100 + 30)
	f.put(ours, append(slices.Clone(users), "user_x")...)
	f.has(ours, bought("sub_1", statusActive, 200))
	f.exec(`INSERT INTO seats (tenant_id, user_id, assigned_by) SELECT $1, u, 'user_boss' FROM unnest($2::text[]) AS u`, ours, users)
	for _, status := range []string{statusActive, statusUnpaid, statusActive} {
		f.has(ours, bought("sub_1", status, 200))
		if err := f.copies(ours, ""); err != nil {
			t.Fatal(err)
		}
		if got := len(f.people.written()); got != len(users) {
			t.Errorf("%s: %d writes, want %d", status, got, len(users))
		}
		f.agrees(ours)
	}
	if err := f.copies(ours, ""); err != nil {
		t.Fatal(err)
	}
	if got := f.people.written(); len(got) != 0 {
		t.Errorf("got writes %v where Clerk agrees, want none", got)
	}
}

// One member of whom Clerk cannot be told does not keep it from being told of the rest.
func TestOneMemberWhoCannotBeToldOfDoesNotHoldUpTheRest(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.people.fails = func(user string) bool { return user == users[0] }
	if err := f.copies(ours, ""); err == nil {
		t.Error("got no error, want one, so that it is tried again")
	}
	for i, user := range users {
		if got := f.people.licensed(ours, user); got != (i > 0) {
			t.Errorf("Clerk says of %s that they are licensed: %t", user, got)
		}
	}
	f.people.fails = func(string) bool { return true } // Clerk is away
	f.has(ours, bought("sub_1", statusUnpaid, 5))
	many := persons(60)[5:]
	f.put(ours, many...)
	f.exec(`UPDATE members SET licensed = true`)
	f.people.written()
	if err := f.copies(ours, ""); err == nil {
		t.Error("got no error of a Clerk that is away")
	}
	if got := len(f.people.written()); got == 0 || got > 20 {
		t.Errorf("a Clerk that is away is asked %d times, want a few", got)
	}
}

// So many that they do not fit into one run are left to the next one.
func TestARunThatIsOutOfTimeAsksForAnother(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	ctx, cancel := context.WithCancel(t.Context())
	f.people.hold = func(user string) {
		if user == users[2] {
			cancel()
		}
	}
	f.forgetJobs()
	if err := f.job(directory.JobLicensed)(ctx, jobs.Call{Tenant: ours, Attempt: 1}); err != nil {
		t.Errorf("got %v, want another run asked for", err)
	}
	if diff := cmp.Diff([]string{directory.JobLicensed}, f.asked(ours)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	f.people.hold = nil
	if err := f.copies(ours, ""); err != nil {
		t.Fatal(err)
	}
	f.agrees(ours)
}

// What Clerk's metadata say in an organization that never bought anything is not ours.
func TestClerkIsNotToldOfOrganizationsWithoutALicense(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a")
	f.exec(`UPDATE members SET licensed = true`)
	for _, user := range []string{"", "user_a"} {
		if err := f.copies(ours, user); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.people.written(); len(got) != 0 {
		t.Errorf("got writes %v, want none", got)
	}
}

// The whole of it, by the real workers: what is given, taken and given again in a hurry
// ends in Clerk as it ends here.
func TestClerkFollowsByItself(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	box, err := jobs.Open(t.Context(), jobs.Options{
		URL: f.database.AppURL, Log: f.Billing.log, Jobs: f.jobs(),
		Backoff: func(int) time.Duration { return 10 * time.Millisecond },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inbox.New(box, inbox.Options{Log: f.Billing.log, Consumers: []inbox.Consumer{f.Consumer(), f.directory.Consumer()}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	if err := box.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := box.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	for _, err := range together(len(users), func(i int) error {
		for range 5 {
			if _, _, err := f.Revoke(t.Context(), boss(ours), users[i]); err != nil {
				return err
			}
			if _, _, err := f.Assign(t.Context(), boss(ours), users[i]); err != nil {
				return err
			}
		}
		if i%2 == 0 {
			_, _, err := f.Revoke(t.Context(), boss(ours), users[i])
			return err
		}
		return nil
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	f.until(func() bool {
		return f.count(`SELECT count(*) FROM river_job WHERE kind = 'inbox_job' AND state IN ('available', 'running', 'retryable')`) == 0
	})
	f.agrees(ours)
	changes, writes := map[string]int{}, f.people.written()
	for _, w := range writes {
		user, _, _ := strings.Cut(w, " ")
		changes[user]++
	}
	for user, n := range changes {
		if n > 11 {
			t.Errorf("%s: %d writes for 11 changes", user, n)
		}
	}
	t.Logf("%d writes for %d changes", len(writes), 5*10+3)
}

// until waits for it to be so.
func (f *fixture) until(so func() bool) {
	f.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(90 * time.Second)
	for !so() {
		if time.Now().After(deadline) {
			f.t.Fatal("it does not come to it")
		}
		<-tick.C
	}
}
