package licensing

import (
	"context"
	"time"

	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	suspendedFor = 30 * 24 * time.Hour // without a subscription that works, before seats are released
	releaseBatch = 500                 // seats released in one transaction
	graceEvery   = 30 * 24 * time.Hour // between the beginnings of two times of grace, at least
)

// License is an organization's row of the ledger. The zero License is that of one that
// never bought anything.
type License struct {
	CustomerID   string
	Status       string
	Working      bool // the seats let their holders work
	Frozen       bool // nothing new is given
	Purchased    int32
	Assigned     int32
	Held         int32
	GraceEndTime *time.Time
	// GraceLastTime is when the latest time of grace ends, or would have.
	GraceLastTime *time.Time
	// GraceNextTime is when another time of grace may begin at the earliest; nil: the latest
	// one, if any, began on a server that did not write it.
	GraceNextTime *time.Time
	SuspendTime   *time.Time
	CheckoutID    string // of the page on which it may be bought; "": none is known
	Ticket        int64
	Now           time.Time // of the transaction
}

// Free returns how many seats can be given away.
func (l License) Free() int32 {
	if l.Frozen {
		return 0
	}
	return max(0, l.Purchased-l.Assigned-l.Held)
}

// OverAssigned returns how many seats are given that are not paid for.
func (l License) OverAssigned() int32 { return max(0, l.Assigned+l.Held-l.Purchased) }

// Summary is a license with what its best subscription says.
type Summary struct {
	License
	Subscribed           bool   // there is a subscription that has not ended
	Amount               *int64 // of a seat, with the next three; nil: not known, or not exact
	Currency             string
	Interval             string
	IntervalCount        int32
	CurrentPeriodEndTime *time.Time
	TrialEndTime         *time.Time
	CancelTime           *time.Time
}

// License returns the license of the actor's organization.
//
// Faults: fault.BillingNotConfigured, fault.DirectoryNotConfigured.
func (l *Licensing) License(ctx context.Context, actor tenancy.Actor) (Summary, error) {
	if err := l.configured(); err != nil {
		return Summary{}, err
	}
	var s Summary
	err := l.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		s, err = selectSummary(ctx, tx, actor.Tenant)
		return err
	})
	if err != nil {
		return Summary{}, err
	}
	return l.priced(s), nil
}

// priced adds what a seat costs that is sold now, where nothing is subscribed to. It never
// waits.
func (l *Licensing) priced(s Summary) Summary {
	if s.Subscribed {
		return s
	}
	s.Amount = nil
	if c := l.sold(); c != nil {
		s.Amount, s.Currency, s.Interval, s.IntervalCount = &c.Amount, c.Currency, c.Interval, c.IntervalCount
	}
	return s
}

// settle brings a license to rest after anything has changed, under its lock: what is not
// paid for gets its time of grace and is then released, what is suspended too long is
// released as well. It is the same whoever asks, and does nothing the second time.
func (l *Licensing) settle(ctx context.Context, tx *tenancy.Tx, tenant string, lic *License) error {
	before := *lic
	if err := l.dropHolds(ctx, tx, tenant, lic); err != nil {
		return err
	}
	var why string
	var due *time.Time
	switch {
	case !lic.Working:
		lic.GraceEndTime = nil
		if lic.SuspendTime == nil {
			lic.SuspendTime = &lic.Now
		}
		end := lic.SuspendTime.Add(suspendedFor)
		why, due = "suspended", &end
	case lic.OverAssigned() == 0:
		lic.GraceEndTime, lic.SuspendTime = nil, nil
	default:
		lic.SuspendTime = nil
		if lic.GraceEndTime == nil {
			if err := l.grant(ctx, tx, tenant, lic); err != nil {
				return err
			}
		}
		why, due = "over the license", lic.GraceEndTime
		if due == nil {
			due = &lic.Now
		}
	}
	if err := l.announce(ctx, tx, tenant, before, *lic); err != nil {
		return err
	}
	if due == nil || lic.OverAssigned() == 0 {
		return saveClocks(ctx, tx, tenant, before, *lic)
	}
	if due.After(lic.Now) {
		if !same(before.GraceEndTime, lic.GraceEndTime) || !same(before.SuspendTime, lic.SuspendTime) {
			if err := enqueue(ctx, tx, jobSettle, tenant, due); err != nil {
				return err
			}
		}
		return saveClocks(ctx, tx, tenant, before, *lic)
	}
	if err := l.release(ctx, tx, tenant, lic, why); err != nil {
		return err
	}
	if lic.OverAssigned() == 0 {
		over := *lic
		lic.GraceEndTime = nil
		if err := l.announce(ctx, tx, tenant, over, *lic); err != nil {
			return err
		}
	} else if err := enqueue(ctx, tx, jobSettle, tenant, nil); err != nil {
		return err
	}
	return saveClocks(ctx, tx, tenant, before, *lic)
}

// grant begins a time of grace, or goes on with the latest one where it would not have
// ended yet. It grants none before GraceNextTime: then what is too much is released at
// once. Another one begins in the next billing period, and not within 30 days.
func (l *Licensing) grant(ctx context.Context, tx *tenancy.Tx, tenant string, lic *License) error {
	end := lic.Now.Add(l.grace)
	if last := lic.GraceLastTime; last != nil {
		next := last.Add(graceEvery - l.grace)
		if lic.GraceNextTime != nil {
			next = *lic.GraceNextTime
		}
		switch {
		case last.After(lic.Now) && last.Before(end):
			lic.GraceEndTime = last // it is the same time of grace, with more seats in between
			return nil
		case next.After(lic.Now) && !last.After(lic.Now):
			return nil
		}
	}
	period, err := selectPeriodEnd(ctx, tx, tenant)
	if err != nil {
		return err
	}
	next := lic.Now.Add(graceEvery)
	if period != nil && period.After(next) {
		next = *period
	}
	lic.GraceEndTime, lic.GraceLastTime, lic.GraceNextTime = &end, &end, &next
	return nil
}

// release takes back what is too much: what is kept for people who are invited first, and
// of both the newest first.
func (l *Licensing) release(ctx context.Context, tx *tenancy.Tx, tenant string, lic *License, why string) error {
	most := min(lic.OverAssigned(), releaseBatch)
	holds, err := releaseHolds(ctx, tx, tenant, min(most, lic.Held))
	if err != nil {
		return err
	}
	for _, id := range holds {
		if err := record(ctx, tx, tenant, "hold.release", id, map[string]any{"why": why}); err != nil {
			return err
		}
	}
	lic.Held -= int32(len(holds))
	seats, err := releaseSeats(ctx, tx, tenant, most-int32(len(holds)))
	if err != nil {
		return err
	}
	for _, id := range seats {
		if err := record(ctx, tx, tenant, "seat.release", id, map[string]any{"why": why}); err != nil {
			return err
		}
	}
	lic.Assigned -= int32(len(seats))
	if len(seats) == 0 {
		return nil
	}
	return directory.EnqueueLicensed(ctx, tx, tenant, "")
}

// announce records that a time of grace begins or ends by itself.
func (l *Licensing) announce(ctx context.Context, tx *tenancy.Tx, tenant string, before, after License) error {
	switch {
	case before.GraceEndTime == nil && after.GraceEndTime != nil:
		return record(ctx, tx, tenant, "grace.begin", "", map[string]any{"over_assigned": after.OverAssigned(), "grace_end_time": *after.GraceEndTime})
	case before.GraceEndTime != nil && after.GraceEndTime == nil:
		return record(ctx, tx, tenant, "grace.end", "", map[string]any{"purchased": after.Purchased, "assigned": after.Assigned, "held": after.Held})
	}
	return nil
}

// dropHolds ends what is kept for invitations that nobody can accept any more.
func (l *Licensing) dropHolds(ctx context.Context, tx *tenancy.Tx, tenant string, lic *License) error {
	if lic.Held == 0 {
		return nil
	}
	dropped, err := deleteDeadHolds(ctx, tx, tenant)
	if err != nil {
		return err
	}
	for _, id := range dropped {
		if err := record(ctx, tx, tenant, "hold.end", id, nil); err != nil {
			return err
		}
	}
	lic.Held -= int32(len(dropped))
	return nil
}

func saveClocks(ctx context.Context, tx *tenancy.Tx, tenant string, before, after License) error {
	if same(before.GraceEndTime, after.GraceEndTime) && same(before.SuspendTime, after.SuspendTime) && same(before.GraceLastTime, after.GraceLastTime) &&
		same(before.GraceNextTime, after.GraceNextTime) {
		return nil
	}
	return updateClocks(ctx, tx, tenant, after)
}

func same(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

// record keeps in the audit log what the ledger has done by itself.
func record(ctx context.Context, tx *tenancy.Tx, tenant, what, target string, details map[string]any) error {
	return audit.Record(ctx, tx, system(tenant), audit.Line{Method: "licensing." + what, Target: target, Details: details})
}
