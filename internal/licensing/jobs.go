package licensing

import (
	"context"
	"errors"
	"time"

	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// What is done later, once the transaction that asks for it has committed.
const (
	jobSettle = "licensing-settle" // releases what is due
	jobCancel = "licensing-cancel" // ends what a deleted organization has bought
	jobClose  = "licensing-close"  // lets nobody buy on the page (subject) any more
)

// Jobs are what is done later.
func (l *Licensing) Jobs() []jobs.Job {
	return []jobs.Job{
		{Name: jobSettle, Do: func(ctx context.Context, c jobs.Call) error { return l.Settle(ctx, c.Tenant) }},
		{Name: jobCancel, Do: func(ctx context.Context, c jobs.Call) error { return l.cancelAll(ctx, c.Tenant) }},
		{Name: jobClose, Do: func(ctx context.Context, c jobs.Call) error { return l.endSession(ctx, c.Tenant, c.Subject) }},
	}
}

// enqueue asks for a job in the caller's transaction. At is when it is due; nil: now.
func enqueue(ctx context.Context, tx *tenancy.Tx, job, tenant, subject string, at *time.Time) error {
	_, err := tenancy.Exec(ctx, tx, jobSQL, job, tenant, subject, at)
	return err
}

// Settle releases what is due in the organization.
func (l *Licensing) Settle(ctx context.Context, org string) error {
	return l.in(ctx, org, nil, func(tx *tenancy.Tx) error {
		lic, err := lockLicense(ctx, tx, org)
		if err != nil || lic == nil {
			return err
		}
		return l.settle(ctx, tx, org, lic)
	})
}

var errUnconfigured = errors.New("the server that asked for it had Clerk and Stripe configured, this one has not")

// cancelAll ends all subscriptions of an organization that is gone, and the page on which it
// buys, so that nobody pays for what nobody can use.
func (l *Licensing) cancelAll(ctx context.Context, org string) error {
	if l.stripe == nil {
		return errUnconfigured
	}
	if gone, err := l.ended(ctx, org); err != nil || !gone {
		return err
	}
	if err := l.endPage(ctx, org); err != nil {
		return err
	}
	q, err := l.query(ctx, org)
	if err != nil {
		return err
	}
	found, err := l.fetch(ctx, q, false)
	if err != nil {
		return err
	}
	for _, s := range found.subscriptions {
		if !s.Seats || stripe.IsOver(s.Status) {
			continue
		}
		if gone, err := l.ended(ctx, org); err != nil || !gone {
			return err // Clerk has it again
		}
		err := stripe.ErrPaymentUnderWay
		if s.Status == statusIncomplete { // its invoice could be paid afterwards
			err = l.stripe.GiveUp(ctx, s.ID)
		}
		if errors.Is(err, stripe.ErrPaymentUnderWay) {
			err = l.stripe.Cancel(ctx, "cancel-"+s.ID, s.ID)
		}
		if err != nil {
			return err
		}
		if err := l.in(ctx, org, nil, func(tx *tenancy.Tx) error {
			return record(ctx, tx, org, "subscription.cancel", s.ID, map[string]any{"why": "the organization was deleted"})
		}); err != nil {
			return err
		}
	}
	return l.sync(ctx, org, nil)
}

// ended tells whether the organization is gone, as far as the directory knows.
func (l *Licensing) ended(ctx context.Context, org string) (gone bool, err error) {
	err = l.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
		gone, err = selectEnded(ctx, tx, org)
		return err
	})
	return gone, err
}
