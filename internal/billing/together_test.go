package billing

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
)

// The directory and the ledger write the same rows. Nobody may wait for somebody who
// waits for them: PostgreSQL would end one of the two.
func TestTheDirectoryAndTheLedgerDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, setting{grace: week, connections: 16})
	users := persons(10)
	for _, org := range []string{ours, theirs} {
		f.put(org, users...)
		f.has(org, bought("sub_1", statusActive, 6))
		for _, user := range users {
			f.people.invite(org, "orginv_"+user, user)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	var done sync.Map
	var wg sync.WaitGroup
	for lane := range 14 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(lane), 2)) // a story that can be told again
			for ctx.Err() == nil {
				org, user := []string{ours, theirs}[random.IntN(2)], users[random.IntN(len(users))]
				var what string
				var err error
				switch lane % 7 {
				case 0, 1:
					what = "assign"
					if _, _, err = f.Assign(t.Context(), boss(org), user); ended(err, seatsExhausted) || ended(err, memberNotFound) {
						err = nil
					}
				case 2:
					what = "revoke"
					if _, _, err = f.Revoke(t.Context(), boss(org), user); ended(err, memberNotFound) {
						err = nil
					}
				case 3:
					what = "keep"
					err = f.keeps(t.Context(), org, bought("sub_1", allStatuses[random.IntN(4)], 3+random.Int64N(6)))
				case 4:
					what = "invitation"
					status := []string{clerk.InvitationPending, clerk.InvitationAccepted, clerk.InvitationRevoked}[random.IntN(3)]
					f.people.change(org, "orginv_"+user, func(i *clerk.Invitation) { i.Status = status })
					err = f.tells(t.Context(), org, "orginv_"+user)
				case 5:
					what = "member"
					if random.IntN(2) == 0 {
						f.people.leave(org, user)
					} else {
						f.people.join(org, user)
					}
					err = f.directory.Refresh(t.Context(), org, user)
				default:
					what = "settle"
					err = f.Settle(t.Context(), org)
				}
				if err != nil {
					t.Errorf("%s: %v", what, err)
					stop()
				}
				done.Store(what, true)
			}
		})
	}
	wg.Wait()
	for _, what := range []string{"assign", "revoke", "keep", "invitation", "member", "settle"} {
		if _, ok := done.Load(what); !ok {
			t.Errorf("%s was never done: this test sees nothing", what)
		}
	}
	f.sound(ours)
	f.sound(theirs)
}

// A fault anywhere in the transaction leaves neither the seat nor the job.
func TestASeatAndItsJobAreGivenTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.put(ours, "user_x")
	f.has(ours, bought("sub_1", statusActive, 6))
	f.forgetJobs()
	f.exec(`ALTER TABLE river_job ADD CONSTRAINT none CHECK (kind <> 'inbox_job') NOT VALID`)
	if _, _, err := f.Assign(t.Context(), boss(ours), "user_x"); err == nil || ended(err, seatsExhausted) {
		t.Errorf("got %v, want an error of the database's", err)
	}
	if got := f.workers(ours); slices.Contains(got, "user_x") {
		t.Errorf("the seats of %v work, want nothing of user_x", got)
	}
	f.exec(`ALTER TABLE river_job DROP CONSTRAINT none`)
	f.gives(ours, "user_x")
	if diff := cmp.Diff([]string{directory.JobLicensed + " user_x"}, f.asked(ours)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	f.forgetJobs()
	f.gives(ours, "user_x")
	f.wantRefused(ours, "user_nobody", memberNotFound)
	if got := f.asked(ours); len(got) != 0 {
		t.Errorf("got jobs %v for nothing, want none", got)
	}
	f.takes(ours, "user_x")
	if diff := cmp.Diff([]string{directory.JobLicensed + " user_x"}, f.asked(ours)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}
