package billing

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
)

var barring = map[string]func(*clerk.User){
	"banned":        func(u *clerk.User) { u.Banned = true },
	"deprovisioned": func(u *clerk.User) { u.Deprovisioned = true },
}

// Somebody who cannot sign in any more stays a member and loses their seat, in every
// organization, once and with the cause; and is given none until they can again.
func TestWhoCannotSignInLosesTheirSeat(t *testing.T) {
	t.Parallel()
	for name, hear := range map[string]func(f *fixture, user string){
		"the news": func(f *fixture, user string) { f.hearsOfPerson(user) },
		"twice":    func(f *fixture, user string) { f.hearsOfPerson(user); f.hearsOfPerson(user) },
		"the membership meanwhile": func(f *fixture, user string) {
			f.hears(ours, user)
			f.hearsOfPerson(user)
			f.hears(ours, user)
		},
		"reconciling": func(f *fixture, _ string) { f.reconcilesPeople() },
		"a newer membership": func(f *fixture, user string) {
			f.hears(ours, user)
			f.exec(`UPDATE members SET ticket = ticket + 1000000`)
			f.hearsOfPerson(user)
		},
		"a server that ended in between": func(f *fixture, user string) {
			f.exec(`INSERT INTO directory_barred VALUES ($1, $2)`, user, map[bool]string{true: "banned", false: "deprovisioned"}[f.people.persons[user].Banned])
			f.reconciles(Reconciliation{Apply: true})
			f.has(ours, bought("sub_1", statusActive, 5)) // of which this Stripe does not know
		},
	} {
		for why, bar := range barring {
			t.Run(name+", "+why, func(t *testing.T) {
				t.Parallel()
				f, users := filled(t, week)
				user := users[1]
				f.people.join(ours, user)
				f.has(theirs, bought("sub_2", statusActive, 2))
				f.put(theirs, user)
				f.gives(theirs, user)
				if err := f.copies(theirs, user); err != nil {
					t.Fatal(err)
				}
				f.forgetJobs()
				f.people.know(user, bar)
				hear(f, user)
				for _, org := range []string{ours, theirs} {
					if got := f.holders(org); slices.Contains(got, user) {
						t.Errorf("%s: %v hold a seat, want %s not among them", org, got, user)
					}
					if got := f.workers(org); slices.Contains(got, user) {
						t.Errorf("%s: the seat of %s works", org, user)
					}
					want := []string{"seat.release " + user + ` system:licensing {"why": "` + why + `"}`}
					if diff := cmp.Diff(want, slices.DeleteFunc(f.lines(org), func(l string) bool { return !slices.Contains(want, l) })); diff != "" {
						t.Errorf("%s: lines (-want +got):\n%s\nof %q", org, diff, f.lines(org))
					}
					if got := f.count(`SELECT count(*) FROM members WHERE tenant_id = $1 AND user_id = $2 AND remove_time IS NULL`, org, user); got != 1 {
						t.Errorf("%s: they are a member %d times, want once", org, got)
					}
					f.wantRefused(org, user, memberNotFound)
					f.sound(org)
				}
				if got := f.asked(theirs); !slices.Contains(got, directory.JobLicensed+" "+user) {
					t.Errorf("got jobs %v, want that Clerk is told", got)
				}
				if s := f.summary(ours); s.Assigned != 4 || s.Free() != 1 {
					t.Errorf("got %d given, %d free; want 4, 1", s.Assigned, s.Free())
				}
				f.people.know(user, func(u *clerk.User) { u.Banned, u.Deprovisioned = false, false })
				f.hearsOfPerson(user)
				if got := f.holders(ours); slices.Contains(got, user) {
					t.Errorf("%v hold a seat: it does not come back by itself", got)
				}
				if name == "a server that ended in between" {
					f.exec(`DELETE FROM directory_barred`) // which no row of the person knew of
				}
				f.gives(ours, user)
				f.sound(ours)
			})
		}
	}
}

// It does not matter in which order somebody is banned, becomes a member and accepts.
func TestWhoCannotSignInTakesNoSeatOver(t *testing.T) {
	t.Parallel()
	for name, hear := range map[string]func(f *fixture){
		"banned, accepted, a member": func(f *fixture) {
			f.hearsOfPerson("user_p")
			f.hearsThat("user_p", ours, "orginv_1")
			f.hears(ours, "user_p")
		},
		"a member, banned, accepted": func(f *fixture) {
			f.hears(ours, "user_p")
			f.hearsOfPerson("user_p")
			f.hearsThat("user_p", ours, "orginv_1")
		},
		"accepted, a member, banned": func(f *fixture) {
			f.hearsThat("user_p", ours, "orginv_1")
			f.hears(ours, "user_p")
			f.hearsOfPerson("user_p")
		},
		"reconciling": func(f *fixture) { f.reconcilesPeople() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := filled(t, week)
			f.has(ours, bought("sub_1", statusActive, 6))
			f.invites(ours, "orginv_1", "user_p")
			f.people.know("user_p", barring["banned"])
			f.accepts(ours, "orginv_1", "user_p")
			hear(f)
			if s := f.summary(ours); s.Held != 0 || s.Assigned != 5 || s.Free() != 1 {
				t.Errorf("got %d held, %d given, %d free; want 0, 5, 1", s.Held, s.Assigned, s.Free())
			}
			f.sound(ours)
		})
	}
}

// Flags from before the ledger are taken over of people who can sign in.
func TestAdoptingTakesNobodyWhoCannotSignIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a", "user_b")
	f.exec(`UPDATE members SET licensed = true`)
	f.people.know("user_b", barring["deprovisioned"])
	f.hearsOfPerson("user_b")
	f.exec(`UPDATE members SET licensed = true`)
	f.till.knows("cus_1", ours)
	f.till.sells("sub_1", "cus_1", statusActive, 5)
	f.reconciles(Reconciliation{Apply: true, Adopt: true})
	if diff := cmp.Diff([]string{"user_a"}, f.holders(ours)); diff != "" {
		t.Errorf("who holds a seat (-want +got):\n%s", diff)
	}
	f.sound(ours)
}
