package licensing

import (
	"context"

	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Purchase is what an organization has bought, all its subscriptions together.
type Purchase struct {
	Ticket   int64  // of the fetch that found it
	Status   string // the best of all subscriptions
	Working  bool   // seats let their holders work
	Frozen   bool   // nothing new is assigned
	Quantity int32  // seats that are paid for
}

// lockPurchased returns the organization's license, locked; it makes the row where there is
// none.
func (l *Licensing) lockPurchased(ctx context.Context, tx *tenancy.Tx, org string) (*License, error) {
	if err := InsertLicense(ctx, tx, org); err != nil {
		return nil, err
	}
	return LockLicense(ctx, tx, org)
}

// SetPurchased writes what the organization has bought, and decides what follows for its
// seats: they are suspended or work again, a grace period begins or ends, seats are
// released. A purchase with a ticket that is not newer than the one written last changes
// nothing.
func (l *Licensing) SetPurchased(ctx context.Context, tx *tenancy.Tx, org string, p Purchase) error {
	lic, err := l.lockPurchased(ctx, tx, org)
	if err != nil || lic == nil || lic.Ticket >= p.Ticket {
		return err
	}
	before := *lic
	lic.Ticket, lic.Status, lic.Working, lic.Frozen, lic.Purchased = p.Ticket, p.Status, p.Working, p.Frozen, p.Quantity
	if err := updatePurchased(ctx, tx, org, p); err != nil {
		return err
	}
	if err := recordLicense(ctx, tx, org, before, *lic); err != nil {
		return err
	}
	if before.Working != lic.Working {
		if err := directory.EnqueueLicensed(ctx, tx, org, ""); err != nil {
			return err
		}
	}
	return l.settle(ctx, tx, org, lic)
}

// recordLicense keeps in the audit log what has changed of what is bought.
func recordLicense(ctx context.Context, tx *tenancy.Tx, org string, before, after License) error {
	details := map[string]any{}
	if before.Status != after.Status {
		details["status"] = audit.Change{Before: before.Status, After: after.Status}
	}
	if before.Purchased != after.Purchased {
		details["purchased"] = audit.Change{Before: before.Purchased, After: after.Purchased}
	}
	if before.Working != after.Working {
		details["working"] = audit.Change{Before: before.Working, After: after.Working}
	}
	if before.Frozen != after.Frozen {
		details["frozen"] = audit.Change{Before: before.Frozen, After: after.Frozen}
	}
	if len(details) == 0 {
		return nil
	}
	return record(ctx, tx, org, "license.update", "", details)
}
