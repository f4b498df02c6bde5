package billing

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// D17.
func TestAMembersEndFreesTheirSeatOnce(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.put(ours, "user_x")
	f.wantRefused(ours, "user_x", seatsExhausted)
	f.goes(users[2])
	f.goes(users[2]) // told twice
	f.hears(ours, users[2])
	if s := f.summary(ours); s.Assigned != 4 || s.Free() != 1 {
		t.Errorf("got %d given, %d free; want 4, 1", s.Assigned, s.Free())
	}
	if diff := cmp.Diff([]string{users[2]}, f.linesOf(ours, "seat.release")); diff != "" {
		t.Errorf("audit lines (-want +got):\n%s", diff)
	}
	f.gives(ours, "user_x")
	f.wantRefused(ours, users[2], memberNotFound)
	f.people.join(ours, users[2]) // comes back, and not to their seat
	f.hears(ours, users[2])
	f.wantRefused(ours, users[2], seatsExhausted)
	if got := f.workers(ours); slices.Contains(got, users[2]) {
		t.Errorf("the seat of somebody who came back works: %v", got)
	}
	f.sound(ours)
}

func TestAnOrganizationsEndFreesEverythingAndEndsWhatItBought(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.exec(`UPDATE licenses SET customer_id = 'cus_1'`)
	f.exec(`INSERT INTO licensing_customers VALUES ('cus_1', $1)`, ours)
	f.has(ours, bought("sub_1", statusActive, 6))
	f.invites(ours, "orginv_1", "user_p")
	f.people.did(func() { delete(f.people.organizations, ours) })
	for range 2 {
		f.hearsOf(ours, "")
	}
	if s := f.summary(ours); s.Assigned != 0 || s.Held != 0 {
		t.Errorf("got %d given, %d held; want none", s.Assigned, s.Held)
	}
	if got := f.linesOf(ours, "seats.release"); len(got) != 1 {
		t.Errorf("%d lines say that the seats are released, want 1", len(got))
	}
	if got := f.asked(ours); !slices.Contains(got, jobCancel) {
		t.Errorf("got jobs %v, want %s", got, jobCancel)
	}
	f.sound(ours)

	f.till.knows("cus_1", ours)
	f.till.sells("sub_1", "cus_1", statusActive, 6)
	f.till.sells("sub_2", "cus_1", statusActive, 1)
	f.till.sells("sub_3", "cus_1", statusCanceled, 1)
	f.till.sells("sub_4", "cus_1", statusActive, 1)
	f.till.did(func() { f.till.subscriptions["sub_4"].price = "price_of_something_else" })
	for range 2 {
		if err := f.cancelAll(t.Context(), ours); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"DELETE subscriptions/sub_1", "DELETE subscriptions/sub_2"}, f.till.heard()); diff != "" {
		t.Errorf("what Stripe was told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"sub_1", "sub_2"}, f.linesOf(ours, "subscription.cancel")); diff != "" {
		t.Errorf("audit lines (-want +got):\n%s", diff)
	}
	if got := f.summary(ours).Status; got != statusCanceled {
		t.Errorf("got %s, want canceled", got)
	}
}

// A page that was opened before is of no use afterwards; where somebody has paid on it,
// that ends too.
func TestNobodyGoesOnPayingForAnOrganizationThatIsGone(t *testing.T) {
	t.Parallel()
	for name, pays := range map[string]bool{"the page is open": false, "somebody has just paid": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.put(ours, "user_a")
			if _, err := f.Checkout(t.Context(), boss(ours), 5, "/ok", "/no"); err != nil {
				t.Fatal(err)
			}
			if pays {
				f.till.sells("sub_1", "cus_made_"+ours, statusActive, 5)
				f.till.did(func() { f.till.sessions["cs_1"] = "complete" })
			}
			f.people.did(func() { delete(f.people.organizations, ours) })
			f.hearsOf(ours, "")
			if got := f.asked(ours); !slices.Contains(got, jobCancel) {
				t.Errorf("got jobs %v, want %s", got, jobCancel)
			}
			for range 2 {
				if err := f.cancelAll(t.Context(), ours); err != nil {
					t.Fatal(err)
				}
			}
			f.till.did(func() {
				if got := f.till.sessions["cs_1"]; got == "open" {
					t.Error("the page can still be paid on")
				}
				if sold := f.till.subscriptions["sub_1"]; pays && sold.status != statusCanceled {
					t.Errorf("the subscription is %s, want it canceled", sold.status)
				}
			})
		})
	}
}
