package billing

import (
	"context"
	"errors"

	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// The jobs of this package. Jobs of these names may be stored, so that they stay what they
// were first called.
const (
	jobCancel = licensing.JobCancel // ends what a deleted organization has bought
	jobClose  = "licensing-close"   // lets nobody buy on the page (subject) any more
)

// Jobs are the jobs of this package.
func (b *Billing) Jobs() []jobs.Job {
	return []jobs.Job{
		{Name: jobCancel, Do: func(ctx context.Context, c jobs.Call) error { return b.cancelAll(ctx, c.Tenant) }},
		{Name: jobClose, Do: func(ctx context.Context, c jobs.Call) error { return b.endSession(ctx, c.Tenant, c.Subject) }},
	}
}

var errUnconfigured = errors.New("the server that asked for it had Clerk and Stripe configured, this one has not")

// cancelAll ends all subscriptions of an organization that is gone, and the page on which it
// buys, so that nobody pays for what nobody can use.
func (b *Billing) cancelAll(ctx context.Context, org string) error {
	if b.stripe == nil {
		return errUnconfigured
	}
	if gone, err := b.ended(ctx, org); err != nil || !gone {
		return err
	}
	if err := b.endPage(ctx, org); err != nil {
		return err
	}
	q, err := b.query(ctx, org)
	if err != nil {
		return err
	}
	found, err := b.fetch(ctx, q, false)
	if err != nil {
		return err
	}
	for _, s := range found.subscriptions {
		if !s.Seats || stripe.IsOver(s.Status) {
			continue
		}
		if gone, err := b.ended(ctx, org); err != nil || !gone {
			return err // Clerk has it again
		}
		err := stripe.ErrPaymentUnderWay
		if s.Status == statusIncomplete { // its invoice could be paid afterwards
			err = b.stripe.GiveUp(ctx, s.ID)
		}
		if errors.Is(err, stripe.ErrPaymentUnderWay) {
			err = b.stripe.Cancel(ctx, "cancel-"+s.ID, s.ID)
		}
		if err != nil {
			return err
		}
		if err := b.in(ctx, org, nil, func(tx *tenancy.Tx) error {
			return record(ctx, tx, org, "subscription.cancel", s.ID, map[string]any{"why": "the organization was deleted"})
		}); err != nil {
			return err
		}
	}
	return b.sync(ctx, org, nil)
}

// ended reports whether the organization is gone, as far as the directory knows.
func (b *Billing) ended(ctx context.Context, org string) (gone bool, err error) {
	err = b.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
		gone, err = selectEnded(ctx, tx, org)
		return err
	})
	return gone, err
}
