package billing

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/stripe"
)

// The seats of an organization whose subscriptions have all stopped stay on record.
func TestSeatsStopWithTheSubscriptionAndWorkAgainWithIt(t *testing.T) {
	t.Parallel()
	for _, status := range []string{statusUnpaid, statusPaused, statusCanceled, statusIncomplete} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			f, users := filled(t, week)
			f.put(ours, "user_x")
			f.has(ours, bought("sub_1", status, 5))
			s := f.summary(ours)
			if got := f.workers(ours); len(got) != 0 || s.Working || s.Assigned != 5 {
				t.Errorf("the seats of %v work, working: %t, %d given; want none, and 5 on record", got, s.Working, s.Assigned)
			}
			if s.GraceEndTime != nil {
				t.Errorf("grace until %v, want none", s.GraceEndTime)
			}
			began, due := f.saved(ours, "updated"), f.saved(ours, "due")
			if due == nil || !due.Equal(began.Add(30*24*time.Hour)) {
				t.Errorf("the job is due at %v, want 30 days after %v", due, began)
			}
			f.wantRefused(ours, "user_x", seatsExhausted)
			if diff := cmp.Diff([]string{directory.JobLicensed, jobSettle + " later"}, f.asked(ours)); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
			f.later(ours, 30*24*time.Hour-time.Minute)
			f.has(ours, bought("sub_2", statusActive, 5))
			if diff := cmp.Diff(users, f.workers(ours)); diff != "" {
				t.Errorf("whose seat works afterwards (-want +got):\n%s", diff)
			}
			f.has(ours, bought("sub_2", statusUnpaid, 5))
			f.later(ours, 2*time.Minute) // the 30 days begin anew
			if got := f.summary(ours).Assigned; got != 5 {
				t.Errorf("%d seats are on record, want 5", got)
			}
			f.sound(ours)
		})
	}
}

func TestSeatsAreReleasedAfterThirtyDaysWithoutASubscription(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.has(ours, bought("sub_1", statusUnpaid, 5))
	f.later(ours, 30*24*time.Hour-time.Minute)
	if diff := cmp.Diff(users, f.holders(ours)); diff != "" {
		t.Errorf("who holds a seat a minute before (-want +got):\n%s", diff)
	}
	f.later(ours, 2*time.Minute)
	if got := f.holders(ours); len(got) != 0 {
		t.Errorf("%v hold a seat, want nobody", got)
	}
	if got := f.linesOf(ours, "seat.release"); len(got) != 5 {
		t.Errorf("%d lines say that a seat is released, want 5", len(got))
	}
	f.has(ours, bought("sub_1", statusActive, 5))
	if got := f.workers(ours); len(got) != 0 {
		t.Errorf("the seats of %v work, want those that are given anew alone", got)
	}
	f.gives(ours, users[0])
	f.sound(ours)
}

// A fall below what is given, from a subscription that had stopped, is a downgrade.
func TestASubscriptionThatComesBackSmallerGetsATimeOfGrace(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.has(ours, bought("sub_1", statusUnpaid, 5))
	f.later(ours, 30*24*time.Hour-time.Minute)
	f.has(ours, bought("sub_1", statusActive, 2))
	if diff := cmp.Diff(users, f.workers(ours)); diff != "" {
		t.Errorf("whose seat works (-want +got):\n%s", diff)
	}
	end, began := f.saved(ours, "grace"), f.saved(ours, "updated")
	if end == nil || !end.Equal(began.Add(week)) {
		t.Errorf("the time of grace ends at %v, want a week after %v", end, began)
	}
}

// The same again changes nothing, and says nothing.
func TestSettlingTwiceIsSettlingOnce(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]stripe.Subscription{
		"over the license": bought("sub_1", statusActive, 3), "suspended": bought("sub_1", statusUnpaid, 5), "at rest": bought("sub_1", statusActive, 5),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := filled(t, week)
			f.has(ours, from)
			f.forgetJobs()
			lines, license := f.lines(ours), f.texts(`SELECT l::text FROM licenses l`)
			for range 3 {
				f.later(ours, 0)
			}
			if diff := cmp.Diff(lines, f.lines(ours)); diff != "" {
				t.Errorf("audit lines (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(license, f.texts(`SELECT l::text FROM licenses l`)); diff != "" {
				t.Errorf("license (-before +after):\n%s", diff)
			}
			if got := f.asked(ours); len(got) != 0 {
				t.Errorf("got jobs %v, want none", got)
			}
		})
	}
}
