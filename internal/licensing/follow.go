package licensing

import (
	"context"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// The functions here are called by the directory, in the transaction in which it writes
// what Clerk has, so that no seat outlives a membership and what is kept for an invitation
// is there when it is accepted.

// day is how long after its invitation a seat is kept for somebody who has accepted it and
// whom the directory does not find by the address.
const day = 24 * time.Hour

// Lock takes the lock of the organization's license, before anything of its members is
// written: whoever gives a seat has it while they write what the directory writes too.
func (l *Licensing) Lock(ctx context.Context, tx *tenancy.Tx, org string) error {
	_, err := lockLicense(ctx, tx, org)
	return err
}

// Member is told of a member as they were written: they take over the seat that was kept
// for them, and Clerk is told where its news are something else than what the ledger says.
// What is no news is on its way already: a Clerk that does not listen is told by one job,
// and not by one more for each time it is asked. A write that was under way when they left
// may still arrive, so that somebody who comes back with one is looked at again.
func (l *Licensing) Member(ctx context.Context, tx *tenancy.Tx, org, user string, news bool) error {
	c, err := selectCopied(ctx, tx, org, user)
	if err != nil || c == nil {
		return err
	}
	if !c.Wanted {
		taken, err := l.takeOver(ctx, tx, org, user)
		if err != nil {
			return err
		}
		if taken {
			return enqueue(ctx, tx, jobCopy, org, user, nil)
		}
	}
	if !news || c.Wanted == c.Said && c.Doubt == nil || l.stripe == nil {
		return nil
	}
	return enqueue(ctx, tx, jobCopy, org, user, nil)
}

// takeOver turns what is kept for an invitation to the member's address into their seat.
func (l *Licensing) takeOver(ctx context.Context, tx *tenancy.Tx, org, user string) (bool, error) {
	invitation, err := deleteHoldOf(ctx, tx, org, user)
	if err != nil || invitation == "" {
		return false, err
	}
	given, err := insertCarried(ctx, tx, org, user, system(org).User)
	if err != nil || !given {
		return false, err
	}
	return true, record(ctx, tx, org, "seat.assign", user, map[string]any{"invitation": invitation})
}

// MemberEnded is told of somebody who is not a member any more: their seat is free.
func (l *Licensing) MemberEnded(ctx context.Context, tx *tenancy.Tx, org, user string) error {
	taken, err := deleteSeatOf(ctx, tx, org, user)
	if err != nil || !taken {
		return err
	}
	if err := record(ctx, tx, org, "seat.release", user, map[string]any{"why": "the membership has ended"}); err != nil {
		return err
	}
	return l.settleAgain(ctx, tx, org)
}

// OrganizationEnded is told of an organization that is gone: nobody holds a seat any more,
// and what it has bought is ended by a job.
func (l *Licensing) OrganizationEnded(ctx context.Context, tx *tenancy.Tx, org string) error {
	lic, err := lockLicense(ctx, tx, org)
	if err != nil || lic == nil {
		return err
	}
	if err := deleteSeats(ctx, tx, org); err != nil {
		return err
	}
	if err := deleteHolds(ctx, tx, org); err != nil {
		return err
	}
	if lic.Assigned+lic.Held > 0 {
		details := map[string]any{"why": "the organization was deleted", "assigned": lic.Assigned, "held": lic.Held}
		if err := record(ctx, tx, org, "seats.release", "", details); err != nil {
			return err
		}
	}
	if lic.CustomerID == "" {
		return nil
	}
	return enqueue(ctx, tx, jobCancel, org, "", nil)
}

// Invitation is told of an invitation as it was written. One that asks for a seat gets one
// kept while it can be accepted, where there is one.
func (l *Licensing) Invitation(ctx context.Context, tx *tenancy.Tx, org, id string) error {
	lic, err := lockLicense(ctx, tx, org)
	if err != nil || lic == nil {
		return err
	}
	if lic.Held > 0 {
		if err := l.settle(ctx, tx, org, lic); err != nil { // ends what cannot be accepted any more
			return err
		}
	}
	wish, err := selectWish(ctx, tx, org, id)
	if err != nil || wish == nil {
		return err
	}
	if wish.Accepted { // the member may have come first
		for _, user := range wish.Members {
			if _, err := l.takeOver(ctx, tx, org, user); err != nil {
				return err
			}
			if err := enqueue(ctx, tx, jobCopy, org, user, nil); err != nil {
				return err
			}
		}
		if len(wish.Members) > 0 || wish.ExpireTime == nil {
			return nil
		}
		end := wish.ExpireTime.Add(day)
		return enqueue(ctx, tx, jobSettle, org, "", &end)
	}
	if wish.Held {
		return nil
	}
	if lic.free() == 0 {
		return record(ctx, tx, org, "hold.refuse", id, map[string]any{"purchased": lic.Purchased, "assigned": lic.Assigned, "held": lic.Held})
	}
	if err := insertHold(ctx, tx, org, id); err != nil {
		return err
	}
	if err := record(ctx, tx, org, "hold.begin", id, nil); err != nil || wish.ExpireTime == nil {
		return err
	}
	return enqueue(ctx, tx, jobSettle, org, "", wish.ExpireTime)
}

func (l *Licensing) settleAgain(ctx context.Context, tx *tenancy.Tx, org string) error {
	lic, err := lockLicense(ctx, tx, org)
	if err != nil || lic == nil {
		return err
	}
	return l.settle(ctx, tx, org, lic)
}
