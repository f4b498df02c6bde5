package billing

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
)

// accepts lets Clerk have the invitation accepted by the person.
func (f *fixture) accepts(org, id, user string) {
	f.people.change(org, id, func(i *clerk.Invitation) { i.Status = clerk.InvitationAccepted })
	f.people.join(org, user)
}

func TestAHeldSeatIsTheInvitedMembersWhicheverNewsComesFirst(t *testing.T) {
	t.Parallel()
	for name, hear := range map[string]func(f *fixture){
		"the member first":     func(f *fixture) { f.hears(ours, "user_p"); f.hearsOf(ours, "orginv_1") },
		"the invitation first": func(f *fixture) { f.hearsOf(ours, "orginv_1"); f.hears(ours, "user_p") },
		"both twice": func(f *fixture) {
			for range 2 {
				f.hearsOf(ours, "orginv_1")
				f.hears(ours, "user_p")
			}
		},
		"the member as they come, the invitation later": func(f *fixture) {
			f.hears(ours, "user_p")
			f.has(ours, bought("sub_1", statusActive, 6))
			f.hearsOf(ours, "orginv_1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := filled(t, week)
			f.put(ours, "user_x")
			f.has(ours, bought("sub_1", statusActive, 6))
			f.invites(ours, "orginv_1", "user_p")
			f.hearsOf(ours, "orginv_1") // told twice
			if s := f.summary(ours); s.Held != 1 || s.Free() != 0 {
				t.Fatalf("got %d held, %d free; want 1, 0", s.Held, s.Free())
			}
			f.wantRefused(ours, "user_x", seatsExhausted)
			f.accepts(ours, "orginv_1", "user_p")
			hear(f)
			if s := f.summary(ours); s.Held != 0 || s.Assigned != 6 {
				t.Errorf("got %d held, %d given; want 0, 6", s.Held, s.Assigned)
			}
			if got := f.workers(ours); !slices.Contains(got, "user_p") {
				t.Errorf("the seats of %v work, want that of user_p among them", got)
			}
			if diff := cmp.Diff([]string{"user_p"}, f.linesOf(ours, "seat.assign")); diff != "" {
				t.Errorf("audit lines (-want +got):\n%s", diff)
			}
			if got := f.asked(ours); !slices.Contains(got, directory.JobLicensed+" user_p") {
				t.Errorf("got jobs %v, want that Clerk is told", got)
			}
			f.sound(ours)
		})
	}
}

func TestWhatIsHeldEndsWithTheInvitation(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(f *fixture){
		"revoked": func(f *fixture) {
			f.people.change(ours, "orginv_1", func(i *clerk.Invitation) { i.Status = clerk.InvitationRevoked })
			f.hearsOf(ours, "orginv_1")
		},
		"gone": func(f *fixture) {
			f.people.did(func() { delete(f.people.invited, spot{ours, "orginv_1"}) })
			f.hearsOf(ours, "orginv_1")
		},
		"expired, and nobody says so": func(f *fixture) {
			f.exec(`UPDATE invitations SET expire_time = now()`)
			if err := f.Settle(f.t.Context(), ours); err != nil { // the job that was asked for
				f.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := filled(t, week)
			f.has(ours, bought("sub_1", statusActive, 6))
			f.invites(ours, "orginv_1", "user_p")
			expires := f.people.invited[spot{ours, "orginv_1"}].ExpireTime
			if due := f.saved(ours, "due"); due == nil || due.Sub(expires).Abs() > time.Millisecond {
				t.Errorf("the job is due at %v, want %v", due, expires)
			}
			end(f)
			if s := f.summary(ours); s.Held != 0 || s.Free() != 1 {
				t.Errorf("got %d held, %d free; want 0, 1", s.Held, s.Free())
			}
			if diff := cmp.Diff([]string{"orginv_1"}, f.linesOf(ours, "hold.end")); diff != "" {
				t.Errorf("audit lines (-want +got):\n%s", diff)
			}
			f.people.join(ours, "user_p")
			f.hears(ours, "user_p")
			if got := f.holders(ours); slices.Contains(got, "user_p") {
				t.Errorf("%v hold a seat: nothing was kept any more", got)
			}
			f.sound(ours)
		})
	}
}

func TestNothingIsHeldThatIsNotThere(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.invites(ours, "orginv_1", "user_p")
	if s := f.summary(ours); s.Held != 0 || s.OverAssigned() != 0 {
		t.Errorf("got %d held, %d too many; want none", s.Held, s.OverAssigned())
	}
	if diff := cmp.Diff([]string{"orginv_1"}, f.linesOf(ours, "hold.refuse")); diff != "" {
		t.Errorf("audit lines (-want +got):\n%s", diff)
	}
	f.has(ours, bought("sub_1", "on_holiday", 9)) // gives nothing new
	f.takes(ours, users[0])
	f.hearsOf(ours, "orginv_1")
	if got := f.summary(ours).Held; got != 0 {
		t.Errorf("got %d held in an unknown status, want none", got)
	}
	f.has(ours, bought("sub_1", statusActive, 5))
	f.people.invite(ours, "orginv_2", "user_q")
	f.people.change(ours, "orginv_2", func(i *clerk.Invitation) { i.HoldSeat = false })
	f.hearsOf(ours, "orginv_2")
	if got := f.summary(ours).Held; got != 0 {
		t.Errorf("got %d held for somebody who asks for none, want none", got)
	}
	f.hearsOf(ours, "orginv_1")
	if diff := cmp.Diff([]string{"orginv_1"}, f.holds(ours)); diff != "" {
		t.Errorf("what is held once there is a seat (-want +got):\n%s", diff)
	}
	f.has(theirs, bought("sub_9", statusUnpaid, 5))
	f.invites(theirs, "orginv_3", "user_p")
	if got := f.summary(theirs).Held; got != 0 {
		t.Errorf("got %d held where seats do not work, want none", got)
	}
	f.sound(ours)
}

// What is held of one organization is none of another's.
func TestAHoldIsItsOwnOrganizationsAlone(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.has(ours, bought("sub_1", statusActive, 6))
	f.has(theirs, bought("sub_2", statusActive, 6))
	f.invites(ours, "orginv_1", "user_p")
	f.people.join(theirs, "user_p")
	f.hears(theirs, "user_p")
	if got := f.holders(theirs); len(got) != 0 {
		t.Errorf("%v hold a seat of the other organization", got)
	}
	if got := f.summary(ours).Held; got != 1 {
		t.Errorf("got %d held, want 1", got)
	}
}

// D16.
func TestHeldSeatsAreNeitherOversoldNorUndersoldByManyAtOnce(t *testing.T) {
	t.Parallel()
	const callers, seats = 32, 5
	f := newFixtureWith(t, setting{grace: week, connections: callers})
	users := persons(callers)
	f.put(ours, users...)
	f.has(ours, bought("sub_1", statusActive, seats))
	for i := range callers {
		f.people.invite(ours, fmt.Sprintf("orginv_%d", i), fmt.Sprintf("user_new_%d", i))
	}
	for round := range 3 {
		for _, err := range together(callers, func(i int) error {
			if i%4 == 3 { // somebody is given a seat meanwhile
				_, _, err := f.Assign(t.Context(), boss(ours), users[i])
				if ended(err, seatsExhausted) {
					return nil
				}
				return err
			}
			return f.tells(t.Context(), ours, fmt.Sprintf("orginv_%d", i))
		}) {
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		if s := f.summary(ours); s.Held+s.Assigned != seats || s.OverAssigned() != 0 {
			t.Fatalf("round %d: %d held and %d given, want %d of both", round, s.Held, s.Assigned, seats)
		}
		f.sound(ours)
		f.exec(`DELETE FROM seat_holds`)
		f.exec(`DELETE FROM seats`)
	}
}
