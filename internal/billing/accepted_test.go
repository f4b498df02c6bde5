package billing

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// reconcilesPeople has the directory compare everything with Clerk.
func (f *fixture) reconcilesPeople() {
	f.t.Helper()
	if _, err := f.directory.Reconcile(f.t.Context(), directory.Reconciliation{Apply: true}); err != nil {
		f.t.Fatal(err)
	}
}

// The invitation went to an address that is not the member's primary one. Which news of the
// acceptance come, and in which order, makes no difference.
func TestAHeldSeatIsTheAcceptersWhateverTheirAddress(t *testing.T) {
	t.Parallel()
	for name, hear := range map[string]func(f *fixture){
		"the acceptance, then the member": func(f *fixture) { f.hearsThat("user_p", ours, "orginv_1"); f.hears(ours, "user_p") },
		"the member, then the acceptance": func(f *fixture) { f.hears(ours, "user_p"); f.hearsThat("user_p", ours, "orginv_1") },
		"the member alone":                func(f *fixture) { f.hears(ours, "user_p") },
		"the acceptance, and the member found by reconciling": func(f *fixture) {
			f.hearsThat("user_p", ours, "orginv_1")
			f.reconcilesPeople()
		},
		"no news at all, and reconciling": func(f *fixture) { f.reconcilesPeople() },
		"news that do not say who": func(f *fixture) {
			f.hearsOf(ours, "orginv_1")
			f.hears(ours, "user_p")
		},
		"the address is no longer theirs": func(f *fixture) {
			f.people.know("user_p", func(u *clerk.User) { u.Verified = []string{"user_p@A.test"} })
			f.hears(ours, "user_p")
			f.hearsThat("user_p", ours, "orginv_1")
		},
		"an old event behind a newer one": func(f *fixture) {
			f.people.know("user_p", func(u *clerk.User) { u.Verified = []string{"user_p@A.test"} })
			f.hears(ours, "user_p")
			f.hearsOf(ours, "orginv_1")
			f.exec(`UPDATE invitations SET ticket = ticket + 1000000`) // a fetch that began later was kept first
			f.hearsThat("user_p", ours, "orginv_1")
		},
		"all of it twice, and reconciling": func(f *fixture) {
			for range 2 {
				f.hearsThat("user_p", ours, "orginv_1")
				f.hears(ours, "user_p")
			}
			f.reconcilesPeople()
		},
		"the person changes in between": func(f *fixture) {
			f.hearsOfPerson("user_p")
			f.hearsThat("user_p", ours, "orginv_1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, users := filled(t, week)
			f.has(ours, bought("sub_1", statusActive, 6))
			f.people.know("user_p", func(u *clerk.User) { u.Verified = []string{"user_p@A.test", "private@Mail.test"} })
			f.people.invite(ours, "orginv_1", "private")
			f.people.change(ours, "orginv_1", func(i *clerk.Invitation) { i.Email = "Private@mail.test" })
			f.hearsOf(ours, "orginv_1")
			if s := f.summary(ours); s.Held != 1 {
				t.Fatalf("got %d held, want 1", s.Held)
			}
			f.accepts(ours, "orginv_1", "user_p")
			hear(f)
			if s := f.summary(ours); s.Held != 0 || s.Assigned != 6 {
				t.Errorf("got %d held, %d given; want 0, 6", s.Held, s.Assigned)
			}
			if diff := cmp.Diff(append(slices.Clone(users), "user_p"), f.workers(ours)); diff != "" {
				t.Errorf("whose seat works (-want +got):\n%s", diff)
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

// An address that somebody claims without having proved it is none of theirs, and a seat kept
// for one person is not another's who has the address.
func TestAHeldSeatIsNobodyElses(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.has(ours, bought("sub_1", statusActive, 7))
	f.invites(ours, "orginv_1", "user_p")
	f.people.know("user_q", func(u *clerk.User) { u.Email = "user_p@a.test" }) // not verified
	f.people.join(ours, "user_q")
	f.hears(ours, "user_q")
	if got := f.holders(ours); slices.Contains(got, "user_q") {
		t.Errorf("%v hold a seat: user_q only says that the address is theirs", got)
	}
	f.accepts(ours, "orginv_1", "user_r")
	f.hearsThat("user_r", ours, "orginv_1") // who is not a member as far as we know
	f.people.join(ours, "user_p")           // has the address, and is not who accepted
	f.hears(ours, "user_p")
	if got := f.holders(ours); slices.Contains(got, "user_p") {
		t.Errorf("%v hold a seat: user_r accepted", got)
	}
	f.hears(ours, "user_r")
	if got := f.holders(ours); !slices.Contains(got, "user_r") || f.summary(ours).Held != 0 {
		t.Errorf("%v hold a seat, want user_r among them, and none held", got)
	}
	f.sound(ours)
}

// What is kept for an invitation that was accepted ends within a day, though the invitation
// itself would be good for a month; and at once where the member has a seat already.
func TestAnAcceptedInvitationKeepsNoSeatForLong(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.has(ours, bought("sub_1", statusActive, 6))
	f.invites(ours, "orginv_1", "user_p")
	f.people.change(ours, "orginv_1", func(i *clerk.Invitation) { i.Status = clerk.InvitationAccepted })
	f.forgetJobs()
	f.hearsThat("user_p", ours, "orginv_1") // and they never become a member
	due := f.saved(ours, "due")
	if in := time.Until(*due); in < 23*time.Hour || in > 24*time.Hour {
		t.Errorf("the job is due in %v, want in a day", in)
	}
	if err := f.Settle(t.Context(), ours); err != nil || f.summary(ours).Held != 1 {
		t.Errorf("got %d held, %v; want 1 for a day", f.summary(ours).Held, err)
	}
	f.exec(`UPDATE invitations SET accept_time = accept_time - interval '1 day'`)
	if err := f.Settle(t.Context(), ours); err != nil || f.summary(ours).Held != 0 {
		t.Errorf("got %d held, %v; want none after a day", f.summary(ours).Held, err)
	}
	if diff := cmp.Diff([]string{"orginv_1"}, f.linesOf(ours, "hold.end")); diff != "" {
		t.Errorf("audit lines (-want +got):\n%s", diff)
	}
	f.sound(ours)

	f.has(theirs, bought("sub_2", statusActive, 3))
	f.put(theirs, "user_q")
	f.gives(theirs, "user_q")
	f.invites(theirs, "orginv_2", "user_x") // an address of user_q's that is not their primary one
	f.people.know("user_q", func(u *clerk.User) { u.Verified = []string{"user_x@a.test"} })
	f.accepts(theirs, "orginv_2", "user_q")
	f.hearsThat("user_q", theirs, "orginv_2")
	if s := f.summary(theirs); s.Held != 0 || s.Assigned != 1 {
		t.Errorf("got %d held, %d given; want none held beside the seat", s.Held, s.Assigned)
	}
	f.hearsOf(theirs, "orginv_2")
	f.sound(theirs)
}

// A row from before it was kept who accepted is completed by reconciling, once.
func TestAHoldFromBeforeFindsItsMember(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.has(ours, bought("sub_1", statusActive, 6))
	f.invites(ours, "orginv_1", "private")
	f.people.know("user_p", func(u *clerk.User) { u.Verified = []string{"private@a.test"} })
	f.accepts(ours, "orginv_1", "user_p")
	f.put(ours, "user_p")
	f.exec(`UPDATE invitations SET status = 'accepted'`)
	f.reconcilesPeople()
	if got := f.holders(ours); !slices.Contains(got, "user_p") || f.summary(ours).Held != 0 {
		t.Errorf("%v hold a seat, %d are held; want user_p among them, and none", got, f.summary(ours).Held)
	}
	again, err := f.directory.Reconcile(t.Context(), directory.Reconciliation{Organization: ours})
	if err != nil || again.Drifts != 0 {
		t.Errorf("%d differences the second time, %v; want none", again.Drifts, err)
	}
}

// An address that is not known is nobody's: not that of an invitation whose address was
// removed with a person.
func TestAHeldSeatWithoutAnAddressIsNobodys(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.has(ours, bought("sub_1", statusActive, 7))
	f.invites(ours, "orginv_1", "user_q")
	f.put(ours, "user_p")
	f.exec(`UPDATE invitations SET email = ''`)
	f.exec(`UPDATE members SET email = '', email_key = '' WHERE user_id = 'user_p'`)
	err := f.in(t.Context(), ours, nil, func(tx *tenancy.Tx) error {
		if err := f.Lock(t.Context(), tx, ours); err != nil {
			return err
		}
		_, err := f.OnMemberChanged(t.Context(), tx, ours, "user_p")
		return err
	})
	if err != nil || f.summary(ours).Held != 1 || slices.Contains(f.holders(ours), "user_p") {
		t.Errorf("%v; %d held, %v hold a seat; want 1 held and not user_p", err, f.summary(ours).Held, f.holders(ours))
	}
	f.sound(ours)
}
