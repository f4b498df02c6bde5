package licensing

import (
	"context"
	"time"

	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	jobSettle = "licensing-settle" // releases what is due

	// JobCancel ends what a deleted organization has bought: a job of package billing.
	JobCancel = "licensing-cancel"
)

// Jobs are the jobs of this package.
func (l *Licensing) Jobs() []jobs.Job {
	return []jobs.Job{{Name: jobSettle, Do: func(ctx context.Context, c jobs.Call) error { return l.Settle(ctx, c.Tenant) }}}
}

// enqueue asks for a job of the organization in the caller's transaction. At is when it is
// due; nil: now.
func enqueue(ctx context.Context, tx *tenancy.Tx, job, tenant string, at *time.Time) error {
	_, err := tenancy.Exec(ctx, tx, jobSQL, job, tenant, "", at)
	return err
}

// Settle releases what is due in the organization.
func (l *Licensing) Settle(ctx context.Context, org string) error {
	return l.db.In(ctx, system(org), func(tx *tenancy.Tx) error {
		lic, err := LockLicense(ctx, tx, org)
		if err != nil || lic == nil {
			return err
		}
		return l.settle(ctx, tx, org, lic)
	})
}
