package licensing

import (
	"context"

	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// AdoptSeats takes the members whom Clerk's metadata call licensed into an empty ledger,
// also where they are more than are paid for: then the grace period begins. It returns the
// members that it has assigned a seat to.
func (l *Licensing) AdoptSeats(ctx context.Context, tx *tenancy.Tx, org string) ([]string, error) {
	lic, err := LockLicense(ctx, tx, org)
	if err != nil || lic == nil || lic.Status == statusNone || lic.Assigned > 0 {
		return nil, err
	}
	flagged, err := insertFlagged(ctx, tx, org, system(org).User)
	if err != nil {
		return nil, err
	}
	for _, user := range flagged {
		if err := record(ctx, tx, org, "seat.assign", user, map[string]any{"adopted": true}); err != nil {
			return nil, err
		}
	}
	if len(flagged) > 0 && !lic.Working {
		lic.SuspendTime = nil // their 30 days begin now
	}
	lic.Assigned += int32(len(flagged))
	return flagged, l.settle(ctx, tx, org, lic)
}

// ReleaseBarred returns the seats of people who cannot sign in any more, of whom the news
// was lost, and releases them where apply is set.
func (l *Licensing) ReleaseBarred(ctx context.Context, tx *tenancy.Tx, org string, apply bool) ([]BarredSeat, error) {
	all, err := selectBarred(ctx, tx, org)
	if err != nil || !apply {
		return all, err
	}
	for _, s := range all {
		if _, err := l.bar(ctx, tx, org, s.UserID, s.Why); err != nil {
			return nil, err
		}
		if err := directory.EnqueueLicensed(ctx, tx, org, s.UserID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// CompareFlags calls differs with each member of whom Clerk's metadata say something else
// than the ledger, and has Clerk written to where apply is set.
func (l *Licensing) CompareFlags(ctx context.Context, org string, apply bool, differs func(user string, here, atClerk bool)) error {
	for after := ""; ; {
		var page []directory.LicensedFlag
		last := false
		err := l.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
			page, last, err = directory.Disagreeing(ctx, tx, org, after)
			return err
		})
		if err != nil {
			return err
		}
		for _, m := range page {
			after = m.UserID
			differs(m.UserID, m.Wanted, m.Said)
		}
		if len(page) > 0 && apply {
			if err := l.db.In(ctx, system(org), func(tx *tenancy.Tx) error { return directory.EnqueueLicensed(ctx, tx, org, "") }); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}
