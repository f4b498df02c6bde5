package billing

import (
	"testing"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// seatOf is the member as ListSeats has them.
func (f *fixture) seatOf(org, user string) *teamtaskv1.Seat {
	f.t.Helper()
	found, _, err := f.List(f.t.Context(), boss(org), licensing.Filter{}, tenancy.Page{Size: 200})
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range found {
		if found[i].UserID == user {
			return found[i].Proto()
		}
	}
	f.t.Fatalf("%s is not listed", user)
	return nil
}

// wantSynced demands what both ListSeats and a call that changes nothing say.
func (f *fixture) wantSynced(when, user string, want bool) {
	f.t.Helper()
	seat := f.seatOf(ours, user)
	if seat.GetSynced() != want {
		f.t.Errorf("%s: ListSeats says synced: %t, want %t", when, seat.GetSynced(), want)
	}
	again := f.Revoke
	if seat.GetAssignTime() != nil {
		again = f.Assign
	}
	s, _, err := again(f.t.Context(), boss(ours), user)
	if err != nil || s.Synced != want {
		f.t.Errorf("%s: the call again says synced: %t, %v; want %t", when, s.Synced, err, want)
	}
}

// A write whose outcome nobody has read yet is not synced, whatever is wanted meanwhile.
func TestAPendingWriteIsNotSynced(t *testing.T) {
	t.Parallel()
	blind := func(f *fixture, yes bool) { f.people.did(func() { f.people.blind = yes }) }
	for name, c := range map[string]struct {
		change func(f *fixture, user string) // while memberships cannot be read
		holds  bool                          // in the end
	}{
		"revoked": {func(f *fixture, user string) { f.takes(ours, user) }, false},
		"revoked and assigned": {func(f *fixture, user string) {
			f.takes(ours, user)
			f.gives(ours, user)
		}, true},
		"suspended": {func(f *fixture, _ string) { f.has(ours, bought("sub_1", statusUnpaid, 5)) }, false},
		"released": {func(f *fixture, user string) {
			f.exec(`UPDATE seats SET assign_time = now() - interval '1 day' WHERE user_id <> $1`, user)
			f.has(ours, bought("sub_1", statusActive, 4))
			f.later(ours, week+1)
		}, false},
		"nothing": {func(*fixture, string) {}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, users := filled(t, week)
			user := users[0]
			if err := f.copies(ours, users[1]); err != nil {
				t.Fatal(err)
			}
			f.wantSynced("before", users[1], true)
			blind(f, true)
			if err := f.copies(ours, user); err == nil {
				t.Fatal("the write is confirmed although memberships cannot be read")
			}
			if !f.people.licensed(ours, user) {
				t.Fatal("Clerk was not written to: this test sees nothing")
			}
			c.change(f, user)
			f.wantSynced("while it cannot be read", user, false)
			if err := f.copies(ours, user); err == nil {
				t.Error("the job is done although memberships cannot be read")
			}
			f.wantSynced("after another try", user, false)
			blind(f, false)
			f.exec(`UPDATE members SET licensed_doubt = now() - interval '1 second' WHERE user_id = $1`, user) // the write has arrived
			for range 2 {
				if err := f.copies(ours, user); err != nil {
					t.Fatal(err)
				}
			}
			if got := f.people.licensed(ours, user); got != c.holds {
				t.Errorf("Clerk says licensed: %t, want %t", got, c.holds)
			}
			f.wantSynced("in the end", user, true)
		})
	}
}

// Somebody who left while a write was under way and comes back is looked at again: what was
// sent to the one membership may arrive at the other.
func TestAWriteUnderWayOutlivesTheMembership(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	user := users[0]
	f.people.did(func() { f.people.blind = true })
	if err := f.copies(ours, user); err == nil {
		t.Fatal("the write is confirmed although memberships cannot be read")
	}
	f.people.did(func() { f.people.blind = false })
	f.goes(user)
	f.people.join(ours, user)
	f.forgetJobs()
	f.hears(ours, user)
	f.wantSynced("back again", user, false)
	jobs := f.asked(ours)
	if len(jobs) != 1 || jobs[0] != directory.JobLicensed+" "+user {
		t.Fatalf("got jobs %v, want that Clerk is asked about %s", jobs, user)
	}
	f.people.did(func() { // the old write arrives
		m := f.people.members[spot{ours, user}]
		m.Licensed = true
		f.people.members[spot{ours, user}] = m
	})
	f.exec(`UPDATE members SET licensed_doubt = now() - interval '1 second' WHERE user_id = $1`, user)
	if err := f.copies(ours, user); err != nil {
		t.Fatal(err)
	}
	if f.people.licensed(ours, user) {
		t.Error("Clerk says that they hold a seat, which they do not")
	}
	f.wantSynced("in the end", user, true)
}

// licensed is a seat that works, suspended one that does not; both are on record.
func TestASeatWorksOrIsSuspended(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.put(ours, "user_x")
	want := func(when, user string, licensed, suspended, recorded bool) {
		t.Helper()
		s := f.seatOf(ours, user)
		if s.GetLicensed() != licensed || s.GetSuspended() != suspended || (s.GetAssignTime() != nil) != recorded || (s.GetAssignedBy() != "") != recorded {
			t.Errorf("%s: got licensed %t, suspended %t, since %v by %q; want %t, %t, on record: %t",
				when, s.GetLicensed(), s.GetSuspended(), s.GetAssignTime(), s.GetAssignedBy(), licensed, suspended, recorded)
		}
	}
	want("without", "user_x", false, false, false)
	want("with", users[0], true, false, true)
	f.has(ours, bought("sub_1", statusUnpaid, 5))
	want("suspended", users[0], false, true, true)
	given, _, err := f.Assign(t.Context(), boss(ours), users[0])
	if p := given.Proto(); err != nil || p.GetLicensed() || !p.GetSuspended() {
		t.Errorf("AssignSeat of a suspended seat: %v, %v; want that it is suspended", p, err)
	}
	yes, no := true, false
	for _, c := range []struct {
		licensed *bool
		want     int
	}{{&yes, 5}, {&no, 1}, {nil, 6}} {
		if got, _, err := f.List(t.Context(), boss(ours), licensing.Filter{Licensed: c.licensed}, tenancy.Page{Size: 200}); err != nil || len(got) != c.want {
			t.Errorf("the licensing.Filter, which asks for seats on record: got %d, %v; want %d", len(got), err, c.want)
		}
	}
	taken, _, err := f.Revoke(t.Context(), boss(ours), users[0])
	if p := taken.Proto(); err != nil || p.GetLicensed() || p.GetSuspended() || p.GetAssignTime() != nil {
		t.Errorf("RevokeSeat of a suspended seat: %v, %v; want none", p, err)
	}
	f.has(ours, bought("sub_1", statusActive, 5))
	want("working again", users[1], true, false, true)
	given, _, err = f.Assign(t.Context(), boss(ours), "user_x")
	if p := given.Proto(); err != nil || !p.GetLicensed() || p.GetSuspended() {
		t.Errorf("AssignSeat: %v, %v; want a seat that works", p, err)
	}
}
