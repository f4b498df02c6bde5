package licensing

import (
	"context"
	"time"

	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// The directory calls these methods in the transaction in which it writes what Clerk has, so
// that no seat outlives a membership and what is held for an invitation is there when it is
// accepted.

var _ directory.Observer = (*Licensing)(nil)

// day is how long after its acceptance a seat is kept for somebody who is not a member yet.
const day = 24 * time.Hour

// Lock implements directory.Observer. It takes the lock of the organization's license before
// anything of its members is written: a call that gives a seat has it while it writes what
// the directory writes too.
func (l *Licensing) Lock(ctx context.Context, tx *tenancy.Tx, org string) error {
	_, err := LockLicense(ctx, tx, org)
	return err
}

// OnMemberChanged implements directory.Observer. The member takes over the seat that was
// held for them, or loses the one they have where they cannot sign in any more.
func (l *Licensing) OnMemberChanged(ctx context.Context, tx *tenancy.Tx, org, user string) (bool, error) {
	why, err := selectWhyBarred(ctx, tx, user)
	if err != nil {
		return false, err
	}
	if why == "" {
		return l.takeOver(ctx, tx, org, user)
	}
	return l.bar(ctx, tx, org, user, why)
}

// takeOver turns what is kept for the member's invitation into their seat. What is kept for
// them beside it, or beside a seat that they have, ends.
func (l *Licensing) takeOver(ctx context.Context, tx *tenancy.Tx, org, user string) (bool, error) {
	invitations, err := deleteHoldsOf(ctx, tx, org, user)
	if err != nil || len(invitations) == 0 {
		return false, err
	}
	given, err := insertCarried(ctx, tx, org, user, system(org).User)
	if err != nil {
		return false, err
	}
	if given {
		if err := record(ctx, tx, org, "seat.assign", user, map[string]any{"invitation": invitations[0]}); err != nil {
			return false, err
		}
		invitations = invitations[1:]
	}
	for _, id := range invitations {
		if err := record(ctx, tx, org, "hold.end", id, map[string]any{"why": "the member has a seat"}); err != nil {
			return false, err
		}
	}
	if len(invitations) == 0 {
		return given, nil
	}
	return given, l.settleAgain(ctx, tx, org)
}

// bar takes the seat of somebody who cannot sign in any more, and what is kept for them. It
// reports whether they had a seat.
func (l *Licensing) bar(ctx context.Context, tx *tenancy.Tx, org, user, why string) (bool, error) {
	invitations, err := deleteHoldsOf(ctx, tx, org, user)
	if err != nil {
		return false, err
	}
	for _, id := range invitations {
		if err := record(ctx, tx, org, "hold.release", id, map[string]any{"why": why}); err != nil {
			return false, err
		}
	}
	taken, err := deleteSeatOf(ctx, tx, org, user)
	if err != nil || !taken && len(invitations) == 0 {
		return false, err
	}
	if taken {
		if err := record(ctx, tx, org, "seat.release", user, map[string]any{"why": why}); err != nil {
			return false, err
		}
	}
	return taken, l.settleAgain(ctx, tx, org)
}

// OnMemberEnded implements directory.Observer. The seat of a member who left is free.
func (l *Licensing) OnMemberEnded(ctx context.Context, tx *tenancy.Tx, org, user string) error {
	taken, err := deleteSeatOf(ctx, tx, org, user)
	if err != nil || !taken {
		return err
	}
	if err := record(ctx, tx, org, "seat.release", user, map[string]any{"why": "the membership has ended"}); err != nil {
		return err
	}
	return l.settleAgain(ctx, tx, org)
}

// OnOrganizationEnded implements directory.Observer. Nobody holds a seat of a deleted
// organization, and what it has bought is ended by a job.
func (l *Licensing) OnOrganizationEnded(ctx context.Context, tx *tenancy.Tx, org string) error {
	lic, err := LockLicense(ctx, tx, org)
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
	return enqueue(ctx, tx, JobCancel, org, nil)
}

// OnInvitationChanged implements directory.Observer. For an invitation that asks for a seat
// one is held while it can be accepted, where there is one.
func (l *Licensing) OnInvitationChanged(ctx context.Context, tx *tenancy.Tx, org, id string) error {
	lic, err := LockLicense(ctx, tx, org)
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
			changed, err := l.OnMemberChanged(ctx, tx, org, user)
			if err == nil && changed {
				err = directory.EnqueueLicensed(ctx, tx, org, user)
			}
			if err != nil {
				return err
			}
		}
		if len(wish.Members) > 0 {
			return nil
		}
		end := lic.Now.Add(day)
		return enqueue(ctx, tx, jobSettle, org, &end)
	}
	if wish.Held || len(wish.Members) > 0 { // a member has taken it over, or has no need of it
		return nil
	}
	if lic.Free() == 0 {
		return record(ctx, tx, org, "hold.refuse", id, map[string]any{"purchased": lic.Purchased, "assigned": lic.Assigned, "held": lic.Held})
	}
	if err := insertHold(ctx, tx, org, id); err != nil {
		return err
	}
	if err := record(ctx, tx, org, "hold.begin", id, nil); err != nil || wish.ExpireTime == nil {
		return err
	}
	return enqueue(ctx, tx, jobSettle, org, wish.ExpireTime)
}

func (l *Licensing) settleAgain(ctx context.Context, tx *tenancy.Tx, org string) error {
	lic, err := LockLicense(ctx, tx, org)
	if err != nil || lic == nil {
		return err
	}
	return l.settle(ctx, tx, org, lic)
}
