package billing

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/jobs"
)

// copies does the job for the member, or ("") for all.
func (f *fixture) copies(org, user string) error {
	return f.job(directory.JobLicensed)(f.t.Context(), jobs.Call{Tenant: org, Subject: user, Attempt: 1})
}

func (f *fixture) jobs() []jobs.Job {
	return slices.Concat(f.Licensing.Jobs(), f.Billing.Jobs(), f.directory.Jobs())
}

func (f *fixture) job(name string) func(context.Context, jobs.Call) error {
	f.t.Helper()
	for _, j := range f.jobs() {
		if j.Name == name {
			return j.Do
		}
	}
	f.t.Fatalf("there is no job %s", name)
	return nil
}

// agrees demands that Clerk says of everybody what the ledger says.
func (f *fixture) agrees(org string) {
	f.t.Helper()
	if wrong := f.texts(`SELECT user_id FROM members JOIN standings USING (tenant_id, user_id) WHERE tenant_id = $1 AND licensed <> seated`, org); len(wrong) > 0 {
		f.t.Errorf("the copy of Clerk says otherwise of %v", wrong)
	}
	seated := f.workers(org)
	for _, user := range f.texts(`SELECT user_id FROM members WHERE tenant_id = $1 AND remove_time IS NULL`, org) {
		if got, want := f.people.licensed(org, user), slices.Contains(seated, user); got != want {
			f.t.Errorf("Clerk says of %s that they are licensed: %t, want %t", user, got, want)
		}
	}
}

func TestClerkIsToldOnceAndAskedWhetherItAgrees(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	for range 2 {
		if err := f.copies(ours, users[0]); err != nil {
			t.Fatal(err)
		}
	}
	f.takes(ours, users[0])
	s, _, err := f.Assign(t.Context(), boss(ours), users[1])
	if err != nil || s.Synced {
		t.Errorf("got synced: %t, %v; want not yet", s.Synced, err)
	}
	for range 2 {
		if err := f.copies(ours, users[0]); err != nil {
			t.Fatal(err)
		}
		if err := f.copies(ours, users[1]); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"user_0000 true", "user_0000 false", "user_0001 true"}
	if diff := cmp.Diff(want, f.people.written()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if s, _, err := f.Assign(t.Context(), boss(ours), users[1]); err != nil || !s.Synced {
		t.Errorf("got synced: %t, %v; want that Clerk agrees", s.Synced, err)
	}
}

// What is wanted counts when it is written, not when it was asked for; where it changes
// while Clerk is told, Clerk is told again.
func TestTheNewestWishWins(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	toggles := 0
	f.people.hold = func(user string) {
		if toggles++; toggles%2 == 1 && toggles < 5 {
			f.takes(ours, user)
		} else if toggles < 5 {
			f.gives(ours, user)
		}
	}
	if err := f.copies(ours, users[0]); err != nil && !errors.Is(err, directory.ErrDisagree) {
		t.Fatal(err)
	}
	if toggles < 4 {
		t.Errorf("toggled %d times: this test sees nothing", toggles)
	}
	f.people.hold = nil
	if err := f.job(directory.JobLicensed)(t.Context(), jobs.Call{Tenant: ours, Subject: users[0], Attempt: 2}); err != nil {
		t.Fatal(err)
	}
	if got := f.people.licensed(ours, users[0]); !got {
		t.Error("Clerk says that the member is not licensed, who is in the end")
	}
	if got := len(f.people.written()); got > 2*4 {
		t.Errorf("%d writes, want %d at most", got, 2*4)
	}
}

// Two that are under way at once, as in two servers, end in what is wanted, whichever of
// them is held between what it has read and what it writes.
func TestTwoServersThatTellClerkEndInWhatIsWanted(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	user := users[0]
	reached, goOn := make(chan struct{}), make(chan struct{})
	first := true
	f.people.hold = func(string) {
		if first {
			first = false
			close(reached)
			<-goOn
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- f.copies(ours, user) }() // is about to write true
	<-reached
	f.takes(ours, user)
	if err := f.copies(ours, user); err != nil { // agrees already, as far as it knows
		t.Fatal(err)
	}
	close(goOn)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if f.people.licensed(ours, user) {
		t.Error("Clerk says that the member is licensed, whose seat was taken")
	}
}

// It returns as if it had done what it has not: nobody believes it, and it is not asked
// more often than it lets itself be asked.
func TestALyingClerkIsFoundOutAndNotFlooded(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.people.did(func() { f.people.lies = true })
	if err := f.copies(ours, users[0]); !errors.Is(err, directory.ErrDisagree) {
		t.Errorf("got %v, want that it says otherwise", err)
	}
	if got := len(f.people.written()); got > 4 {
		t.Errorf("%d writes, want %d at most: Clerk takes 10 in 10 seconds", got, 4)
	}
	if s, _, err := f.Assign(t.Context(), boss(ours), users[0]); err != nil || s.Synced {
		t.Errorf("got synced: %t, %v; want that Clerk does not agree", s.Synced, err)
	}
	f.people.did(func() { f.people.lies = false })
	if err := f.job(directory.JobLicensed)(t.Context(), jobs.Call{Tenant: ours, Subject: users[0], Attempt: 2}); err != nil {
		t.Fatal(err)
	}
	if !f.people.licensed(ours, users[0]) {
		t.Error("Clerk says that the member is not licensed")
	}
}

// After a failure it is not known what was done: the membership is fetched first.
func TestAWriteThatWasDoneAndAnsweredAsFailedIsNotRepeated(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.people.did(func() {
		m := f.people.members[spot{ours, users[0]}]
		m.Licensed = true
		f.people.members[spot{ours, users[0]}] = m
	})
	f.exec(`UPDATE members SET licensed_doubt = now() + interval '1 minute' WHERE user_id = $1`, users[0]) // it was announced
	if err := f.job(directory.JobLicensed)(t.Context(), jobs.Call{Tenant: ours, Subject: users[0], Attempt: 2}); err != nil {
		t.Fatal(err)
	}
	if got := f.people.written(); len(got) != 0 {
		t.Errorf("got writes %v, want none", got)
	}
	if got := f.count(`SELECT count(*) FROM members WHERE licensed`); got != 1 {
		t.Errorf("%d members are licensed as far as we know, want 1", got)
	}
}

func TestAMembershipThatIsGoneIsNotToldOf(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.people.leave(ours, users[0])
	if err := f.copies(ours, users[0]); err != nil {
		t.Fatal(err)
	}
	if got := f.holders(ours); slices.Contains(got, users[0]) {
		t.Errorf("%v hold a seat, want those who are members", got)
	}
	f.people.written()
	if err := f.copies(ours, users[0]); err != nil {
		t.Fatal(err)
	}
	if got := f.people.written(); len(got) != 0 {
		t.Errorf("got writes %v, want none", got)
	}
	f.sound(ours)
}

// Somebody else writes what is ours: the news of it has it written back.
func TestAFlagThatOthersSetIsSetBack(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.put(ours, "user_x")
	if err := f.copies(ours, ""); err != nil {
		t.Fatal(err)
	}
	f.forgetJobs()
	for user, says := range map[string]bool{"user_x": true, users[0]: false} {
		f.people.did(func() {
			m := f.people.members[spot{ours, user}]
			m.Licensed = says
			f.people.members[spot{ours, user}] = m
		})
		f.hears(ours, user)
	}
	if diff := cmp.Diff([]string{directory.JobLicensed + " " + users[0], directory.JobLicensed + " user_x"}, f.asked(ours)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	for _, user := range []string{users[0], "user_x"} {
		if err := f.copies(ours, user); err != nil {
			t.Fatal(err)
		}
	}
	f.agrees(ours)
}
