package licensing

import (
	"context"
	"time"

	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Seat is a member, with a seat or without one.
type Seat struct {
	UserID     string
	Name       string
	NameKey    string // the name as it is sorted by
	Email      string
	Role       string
	AssignTime *time.Time // nil without a seat
	AssignedBy string
	Working    bool // the seat lets its holder work
	Synced     bool // Clerk was read to say what it should, since it was last written to
}

// Held reports whether the member has a seat on record, whether or not it works.
func (s *Seat) Held() bool { return s.AssignTime != nil }

// Assign gives a free seat to the member, who keeps the one they have. Clerk follows by a
// job.
//
// Faults: SEATS_EXHAUSTED, MEMBER_NOT_FOUND (also of a member who cannot sign in any more),
// fault.BillingNotConfigured, fault.DirectoryNotConfigured.
func (l *Licensing) Assign(ctx context.Context, actor tenancy.Actor, user string) (Seat, Summary, error) {
	return l.change(ctx, actor, func(tx *tenancy.Tx, lic *License) (Seat, bool, error) {
		s, given, err := l.give(ctx, tx, actor, user, lic)
		if err == nil && given {
			tx.Note("licensed", false, true)
		}
		return s, given, err
	})
}

// give is Assign under the lock.
func (l *Licensing) give(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, user string, lic *License) (Seat, bool, error) {
	if lic.Free() == 0 && lic.Held > 0 {
		if err := l.settle(ctx, tx, actor.Tenant, lic); err != nil { // ends what is kept for nobody
			return Seat{}, false, err
		}
	}
	found, err := insertSeat(ctx, tx, actor, user, lic.Free() > 0)
	switch {
	case err != nil:
		return Seat{}, false, err
	case found == nil:
		return Seat{}, false, errMemberNotFound
	case !found.Held() && found.Barred != "":
		return Seat{}, false, errMemberBarred.With("why", found.Barred)
	case !found.Held():
		return Seat{}, false, exhausted(*lic)
	case found.Given:
		lic.Assigned++
	}
	return found.Seat, found.Given, nil
}

// Revoke takes the member's seat, where they have one.
//
// Faults: MEMBER_NOT_FOUND, fault.BillingNotConfigured, fault.DirectoryNotConfigured.
func (l *Licensing) Revoke(ctx context.Context, actor tenancy.Actor, user string) (Seat, Summary, error) {
	return l.change(ctx, actor, func(tx *tenancy.Tx, lic *License) (Seat, bool, error) {
		found, err := deleteSeat(ctx, tx, actor.Tenant, user)
		if err != nil {
			return Seat{}, false, err
		}
		if found == nil {
			return Seat{}, false, errMemberNotFound
		}
		if !found.Taken {
			return found.Seat, false, nil
		}
		lic.Assigned--
		tx.Note("licensed", true, false)
		return found.Seat, true, l.settle(ctx, tx, actor.Tenant, lic)
	})
}

// change runs do under the lock of the actor's license, and has Clerk told where
// something has changed.
func (l *Licensing) change(ctx context.Context, actor tenancy.Actor, do func(*tenancy.Tx, *License) (Seat, bool, error)) (Seat, Summary, error) {
	if err := l.configured(); err != nil {
		return Seat{}, Summary{}, err
	}
	var s Seat
	var after Summary
	err := l.db.In(ctx, actor, func(tx *tenancy.Tx) error {
		lic, err := LockLicense(ctx, tx, actor.Tenant)
		if err != nil {
			return err
		}
		if lic == nil {
			lic = &License{Status: statusNone} // without the lock there is none to give
		}
		var changed bool
		if s, changed, err = do(tx, lic); err != nil {
			return err
		}
		if after, err = selectSummary(ctx, tx, actor.Tenant); err != nil || !changed {
			return err
		}
		return directory.EnqueueLicensed(ctx, tx, actor.Tenant, s.UserID)
	})
	if err != nil {
		return Seat{}, Summary{}, err
	}
	return s, l.priced(after), nil
}
