package licensing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// What is done later, once the transaction that asks for it has committed.
const (
	jobCopy   = "licensing-copy"   // tells Clerk who holds a seat: of the subject, or of all members
	jobSettle = "licensing-settle" // releases what is due
	jobCancel = "licensing-cancel" // ends what a deleted organization has bought
	jobClose  = "licensing-close"  // lets nobody buy on the page (subject) any more
)

const (
	copyTries   = 4                // writes of one membership before the job is tried again later
	copyBatch   = 100              // members told to Clerk in one run
	copyBatchIn = 40 * time.Second // and for how long: less than an attempt of a job may take

	// writtenWithin is how long a write may be on its way: longer than an attempt of a job.
	writtenWithin = 90 * time.Second
)

// Jobs are what is done later.
func (l *Licensing) Jobs() []jobs.Job {
	return []jobs.Job{
		{Name: jobCopy, Do: l.copyJob},
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

func (l *Licensing) copyJob(ctx context.Context, c jobs.Call) error {
	if l.clerk == nil || l.stripe == nil {
		return errUnconfigured
	}
	if c.Subject != "" {
		return l.copy(ctx, c.Tenant, c.Subject)
	}
	return l.copyAll(ctx, c.Tenant)
}

var (
	errUnconfigured = errors.New("the server that asked for it had Clerk and Stripe configured, this one has not")
	errDisagree     = errors.New("clerk says otherwise right after it was told")
)

// copied is what the ledger says of a member, and what Clerk said last.
type copied struct {
	UserID string
	Wanted bool
	Said   bool
	Doubt  *time.Time // until when a write may be on its way; nil: none is
	Now    time.Time
}

// copy tells Clerk whether the member holds a seat that works, until it agrees. What Clerk
// has is taken from a fetch behind the write, never from the answer to it.
//
// A write is announced before it is sent. Whoever finds one announced fetches before they
// believe anything, and has somebody look again when it must have arrived: so two may do
// this at once, in two servers, and the process of either may end at any point.
func (l *Licensing) copy(ctx context.Context, org, user string) error {
	var mine *time.Time // what we announced
	for range copyTries {
		c, err := l.look(ctx, org, user)
		if err != nil || c == nil {
			return err
		}
		if c.Doubt != nil {
			if err := l.refresh(ctx, org, user); err != nil {
				return fmt.Errorf("fetch the membership: %w", err)
			}
			if c, err = l.look(ctx, org, user); err != nil || c == nil {
				return err
			}
		}
		if c.Wanted == c.Said {
			return l.agree(ctx, org, c, mine)
		}
		err = l.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
			mine, err = doubt(ctx, tx, org, user)
			return err
		})
		if err != nil {
			return err
		}
		_, err = l.clerk.SetMembershipMetadata(ctx, org, user, map[string]any{clerk.MetadataLicensed: c.Wanted})
		if err != nil && !errors.Is(err, clerk.NotFound) { // what there is not is fetched as gone
			return fmt.Errorf("write the membership's metadata: %w", err)
		}
	}
	return errDisagree
}

func (l *Licensing) look(ctx context.Context, org, user string) (c *copied, err error) {
	err = l.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
		c, err = selectCopied(ctx, tx, org, user)
		return err
	})
	return c, err
}

// agree ends the doubt where it was ours or is over, and has somebody look again where a
// write of others may still be on its way.
func (l *Licensing) agree(ctx context.Context, org string, c *copied, mine *time.Time) error {
	if c.Doubt == nil {
		return nil
	}
	return l.in(ctx, org, nil, func(tx *tenancy.Tx) error {
		if same(c.Doubt, mine) || !c.Doubt.After(c.Now) {
			return trust(ctx, tx, org, c.UserID, *c.Doubt)
		}
		return enqueue(ctx, tx, jobCopy, org, c.UserID, c.Doubt)
	})
}

// copyAll tells Clerk of all members of whom it says something else. One of whom it cannot
// be told does not hold up the rest; it gives up after 10 in a row.
func (l *Licensing) copyAll(ctx context.Context, org string) error {
	ctx, cancel := context.WithTimeout(ctx, copyBatchIn)
	defer cancel()
	var failed error // the last one
	row := 0
	for after := ""; ; {
		var page []copied
		err := l.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
			page, err = selectDisagreeing(ctx, tx, org, after, copyBatch)
			return err
		})
		if err != nil {
			return err
		}
		for _, c := range page {
			after = c.UserID
			err := l.copy(ctx, org, c.UserID)
			if err == nil {
				row = 0
				continue
			}
			if ctx.Err() != nil {
				return l.askAgain(ctx, org) // so many members take their time
			}
			failed = fmt.Errorf("member %s: %w", c.UserID, err)
			if row++; row >= inARow {
				return failed
			}
		}
		if len(page) < copyBatch {
			return failed
		}
	}
}

func (l *Licensing) askAgain(ctx context.Context, org string) error {
	ctx = context.WithoutCancel(ctx)
	return l.in(ctx, org, nil, func(tx *tenancy.Tx) error { return enqueue(ctx, tx, jobCopy, org, "", nil) })
}

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
