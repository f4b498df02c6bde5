package billing

import (
	"math"
	"time"

	"github.com/teamtask/teamtask/internal/stripe"
)

// The kinds of alerts: what a person should look at.
const (
	alertStatus  = "unknown_status"
	alertSeveral = "several_subscriptions"
	alertRefund  = "refund"
	alertDispute = "dispute"
	alertRefused = "stripe_refused" // what we ask, or who we are
	alertMode    = "other_mode"     // an event of live mode for a key of test mode, or the other way round
	alertPrice   = "seat_price"     // one that cannot be used for seats
)

// standing is what a subscription counts as: the best of all is the license's.
var standing = map[string]int{
	statusActive: 8, statusTrialing: 7, statusPastDue: 6, statusUnpaid: 5, statusPaused: 4, statusIncomplete: 3, statusCanceled: 2, statusNone: 1,
}

// stored is a subscription as it is stored.
type stored struct {
	ID                   string
	CustomerID           string
	Status               string // as Stripe says it
	KnownStatus          string // what it counts as
	Quantity             int32
	Seats                int32  // what it pays for
	Amount               *int64 // of a seat, with the next three; nil: not known, or not exact
	Currency             string
	Interval             string
	IntervalCount        int32
	CreateTime           time.Time
	CurrentPeriodEndTime *time.Time
	TrialEndTime         *time.Time
	CancelTime           *time.Time
}

// equals reports whether nothing of it has changed.
func (k stored) equals(o stored) bool {
	alike := same(k.CurrentPeriodEndTime, o.CurrentPeriodEndTime) && same(k.TrialEndTime, o.TrialEndTime) && same(k.CancelTime, o.CancelTime) &&
		k.CreateTime.Equal(o.CreateTime) && (k.Amount == nil) == (o.Amount == nil) && (k.Amount == nil || *k.Amount == *o.Amount)
	k.CurrentPeriodEndTime, k.TrialEndTime, k.CancelTime = o.CurrentPeriodEndTime, o.TrialEndTime, o.CancelTime
	k.CreateTime, k.Amount = o.CreateTime, o.Amount
	return alike && k == o
}

// live reports whether its seats work.
func (k stored) live() bool { return stripe.IsLive(k.KnownStatus) }

// ended reports whether it has ended for good.
func (k stored) ended() bool { return stripe.IsOver(k.Status) }

// unknownStatus reports whether it is in a status that we have no word for.
func (k stored) unknownStatus() bool { return countsAs(k.Status) == "" }

// countsAs returns our word for a status, or "".
func countsAs(status string) string {
	if status == statusIncompleteExpired {
		return statusCanceled
	}
	if _, ok := standing[status]; ok && status != statusNone {
		return status
	}
	return ""
}

// merged returns a subscription as it is to be stored, given how it was (nil: it was not). In
// a status that we have no word for it stays what it was, and pays for no more than it did.
func merged(s stripe.Subscription, was *stored) stored {
	k := stored{
		ID: s.ID, CustomerID: s.Customer, Status: s.Status, KnownStatus: countsAs(s.Status), Quantity: clamp(s.Quantity),
		IntervalCount: 1, CreateTime: s.CreateTime, CurrentPeriodEndTime: s.CurrentPeriodEnd, TrialEndTime: s.TrialEnd, CancelTime: s.CancelTime,
	}
	if c := s.Cost; c != nil {
		k.Amount, k.Currency, k.Interval, k.IntervalCount = &c.Amount, c.Currency, c.Interval, c.IntervalCount
	}
	switch {
	case k.KnownStatus == "" && was == nil:
		k.KnownStatus = statusIncomplete
	case k.KnownStatus == "":
		k.KnownStatus, k.Seats = was.KnownStatus, min(was.Seats, k.Quantity)
	case k.live() && !s.Started:
		k.KnownStatus = statusIncomplete
	case k.live():
		k.Seats = clamp(min(s.Paid, s.Quantity))
	}
	return k
}

// clamp returns n as it is stored; nobody buys more seats than fit.
func clamp(n int64) int32 { return int32(max(0, min(n, math.MaxInt32))) }

// total is what all subscriptions together come to.
type total struct {
	status    string
	working   bool
	frozen    bool
	purchased int32
	live      int // how many pay for seats
	open      int // how many have not ended

	incomplete int // how many of those wait for their first payment
}

func totalOf(all []stored) total {
	t := total{status: statusNone}
	var seats int64
	for _, k := range all {
		if standing[k.KnownStatus] > standing[t.status] {
			t.status = k.KnownStatus
		}
		if !k.ended() {
			t.open++
			if k.KnownStatus == statusIncomplete {
				t.incomplete++
			}
		}
		if k.live() {
			t.working = true
			if k.Seats > 0 {
				t.live++
			}
			t.frozen = t.frozen || k.unknownStatus()
		}
		seats += int64(k.Seats)
	}
	t.purchased = clamp(seats)
	return t
}
