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

// invites has a seat held for an invitation of that person.
func (f *fixture) invites(org, id, user string) {
	f.t.Helper()
	f.people.invite(org, id, user)
	f.hearsOf(org, id)
}

func (f *fixture) holds(org string) []string {
	f.t.Helper()
	return f.texts(`SELECT invitation_id FROM seat_holds WHERE tenant_id = $1 ORDER BY invitation_id`, org)
}

// What is kept for people who are invited goes before what is given, and of both the
// newest first; of the same age those with the greater id.
func TestAtTheDeadlineTheNewestGoFirstAndHoldsBeforeSeats(t *testing.T) {
	t.Parallel()
	for seats, want := range map[int64]struct{ gone, left []string }{
		6: {[]string{"orginv_2"}, []string{"orginv_1", "user_0000", "user_0001", "user_0002", "user_0003", "user_0004"}},
		5: {[]string{"orginv_2", "orginv_1"}, []string{"user_0000", "user_0001", "user_0002", "user_0003", "user_0004"}},
		3: {[]string{"orginv_2", "orginv_1", "user_0004", "user_0003"}, []string{"user_0000", "user_0001", "user_0002"}},
		1: {[]string{"orginv_2", "orginv_1", "user_0004", "user_0003", "user_0002", "user_0001"}, []string{"user_0000"}},
	} {
		t.Run(fmt.Sprint(seats), func(t *testing.T) {
			t.Parallel()
			f, users := filled(t, week)
			f.has(ours, bought("sub_1", statusActive, 7))
			f.invites(ours, "orginv_1", "user_p")
			f.invites(ours, "orginv_2", "user_q")
			f.exec(`UPDATE seat_holds SET hold_time = now() - interval '1 year'`)                       // older than any seat, and alike
			f.exec(`UPDATE seats SET assign_time = now() WHERE user_id = ANY ($1)`, users[2:])          // alike
			f.exec(`UPDATE seats SET assign_time = now() - interval '1 h' WHERE user_id = 'user_0000'`) // and one before the other
			f.exec(`DELETE FROM audit_events`)
			f.has(ours, bought("sub_1", statusActive, seats))
			f.later(ours, week-time.Minute)
			if got := f.summary(ours); got.Assigned != 5 || got.Held != 2 {
				t.Fatalf("a minute before: %d given, %d held; want 5, 2", got.Assigned, got.Held)
			}
			f.later(ours, 2*time.Minute)
			released := slices.Concat(f.linesOf(ours, "hold.release"), f.linesOf(ours, "seat.release"))
			slices.Sort(released)
			gone := slices.Sorted(slices.Values(want.gone))
			if diff := cmp.Diff(gone, released); diff != "" {
				t.Errorf("audit lines of what was released (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want.left, slices.Concat(f.holds(ours), f.holders(ours))); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
			if s := f.summary(ours); s.OverAssigned() != 0 || s.GraceEndTime != nil || s.Free() != 0 {
				t.Errorf("got %d too many, grace until %v, %d free; want none", s.OverAssigned(), s.GraceEndTime, s.Free())
			}
			f.sound(ours)
		})
	}
}

func TestWithoutAGraceSeatsAreReleasedAtOnce(t *testing.T) {
	t.Parallel()
	f, users := filled(t, 0)
	f.has(ours, bought("sub_1", statusActive, 3))
	if diff := cmp.Diff(users[:3], f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
	if s := f.summary(ours); s.GraceEndTime != nil || s.OverAssigned() != 0 {
		t.Errorf("grace until %v, %d too many; want none", s.GraceEndTime, s.OverAssigned())
	}
	if diff := cmp.Diff([]string{directory.JobLicensed}, f.asked(ours)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	f.sound(ours)
}

// A transaction releases so many and asks for the next one.
func TestManySeatsAreReleasedInBatches(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, setting{grace: 0, connections: 8})
	const people = 2*500 + 300
	users := persons(people)
	f.put(ours, users...)
	f.has(ours, bought("sub_1", statusActive, people))
	f.exec(`INSERT INTO seats (tenant_id, user_id, assigned_by, assign_time) SELECT $1, u, 'user_boss', now() - i * interval '1 s' FROM unnest($2::text[]) WITH ORDINALITY AS x (u, i)`, ours, users)
	f.forgetJobs()
	f.has(ours, bought("sub_1", statusActive, 10))
	for _, want := range []int32{people - 500, people - 2*500, 10, 10} {
		s := f.summary(ours)
		if s.Assigned != want {
			t.Fatalf("got %d seats, want %d", s.Assigned, want)
		}
		if more := slices.Contains(f.asked(ours), jobSettle); more != (want > 10) {
			t.Errorf("%d seats: another run is asked for: %t", want, more)
		}
		f.forgetJobs()
		f.later(ours, 0)
	}
	if diff := cmp.Diff(users[people-10:], f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
	f.sound(ours)
}

// A seat that is free because an invitation has expired is given without more ado, and
// what was over the license is so no longer.
func TestWhatIsHeldForAnExpiredInvitationIsGivenToWhoeverAsks(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.put(ours, "user_x", "user_y")
	f.has(ours, bought("sub_1", statusActive, 7))
	f.invites(ours, "orginv_1", "user_p")
	f.invites(ours, "orginv_2", "user_q")
	f.has(ours, bought("sub_1", statusActive, 6)) // one too many
	f.wantRefused(ours, "user_x", seatsExhausted)
	f.exec(`UPDATE invitations SET expire_time = now() - interval '1 s'`)
	f.gives(ours, "user_x")
	f.wantRefused(ours, "user_y", seatsExhausted)
	if s := f.summary(ours); s.Held != 0 || s.Assigned != 6 || s.GraceEndTime != nil {
		t.Errorf("got %d held, %d given, grace until %v; want 0, 6, none", s.Held, s.Assigned, s.GraceEndTime)
	}
	f.sound(ours)
}

// An invitation is accepted by somebody whose address here is another one: what was kept
// for them is not kept for ever.
func TestWhatIsKeptForNobodyIsFreeAgain(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.put(ours, "user_x")
	f.has(ours, bought("sub_1", statusActive, 6))
	f.invites(ours, "orginv_1", "user_p")
	f.people.change(ours, "orginv_1", func(i *clerk.Invitation) { i.Status = clerk.InvitationAccepted })
	f.hearsOf(ours, "orginv_1")
	f.wantRefused(ours, "user_x", seatsExhausted) // the member may be on the way
	if got := f.count(`SELECT count(*) FROM river_job j JOIN invitations i ON i.accept_time + interval '1 day' = j.scheduled_at`); got != 1 {
		t.Errorf("%d jobs are due a day after the invitation was accepted, want 1", got)
	}
	f.exec(`UPDATE invitations SET accept_time = now() - interval '2 days'`)
	f.gives(ours, "user_x")
	f.sound(ours)
}
