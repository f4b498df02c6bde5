package directory

import (
	"context"
	"time"

	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/tenancy"
)

var licensedStatements = []tenancy.Statement{jobSQL, selectLicensedSQL, selectDisagreeingSQL, setPendingSQL, clearPendingSQL}

var jobSQL = tenancy.Statement{Name: jobs.InsertName, SQL: jobs.InsertSQL}

// selectLicensedSQL knows of an organization that ever bought something: what Clerk says
// elsewhere is not ours to change.
var selectLicensedSQL = tenancy.Statement{Name: "directory_select_licensed", SQL: `
	SELECT m.user_id, st.seated AS wanted, m.licensed AS said, m.licensed_doubt AS pending, now() AS now
	  FROM members m
	  JOIN standings st ON st.tenant_id = m.tenant_id AND st.user_id = m.user_id
	  JOIN licenses l ON l.tenant_id = m.tenant_id AND l.status <> 'none'
	 WHERE m.tenant_id = $1
	   AND m.user_id = $2
	   AND m.remove_time IS NULL`}

// selectLicensed returns nil where there is no such member, or the organization never bought anything.
func selectLicensed(ctx context.Context, tx *tenancy.Tx, org, user string) (*LicensedFlag, error) {
	return tenancy.One[LicensedFlag](ctx, tx, selectLicensedSQL, org, user)
}

var selectDisagreeingSQL = tenancy.Statement{Name: "directory_select_disagreeing", SQL: `
	SELECT m.user_id, st.seated AS wanted, m.licensed AS said, m.licensed_doubt AS pending, now() AS now
	  FROM members m
	  JOIN standings st ON st.tenant_id = m.tenant_id AND st.user_id = m.user_id
	  JOIN licenses l ON l.tenant_id = m.tenant_id AND l.status <> 'none'
	 WHERE m.tenant_id = $1
	   AND m.user_id > $2
	   AND m.remove_time IS NULL
	   AND (m.licensed <> st.seated OR m.licensed_doubt <= now())
	 ORDER BY m.user_id
	 LIMIT $3`}

// selectDisagreeing returns members of whom Clerk says something else than the ledger, or
// may.
func selectDisagreeing(ctx context.Context, tx *tenancy.Tx, org, after string, most int) ([]LicensedFlag, error) {
	return tenancy.Rows[LicensedFlag](ctx, tx, selectDisagreeingSQL, org, after, most)
}

// setPendingSQL notes that the member's metadata are written until then at the latest.
var setPendingSQL = tenancy.Statement{Name: "directory_set_pending", SQL: `
	UPDATE members
	   SET licensed_doubt = greatest(licensed_doubt, now() + $3::interval)
	 WHERE tenant_id = $1
	   AND user_id = $2
	RETURNING licensed_doubt AS pending`}

// setPending returns until when.
func setPending(ctx context.Context, tx *tenancy.Tx, org, user string) (*time.Time, error) {
	return tenancy.Scalar[*time.Time](ctx, tx, setPendingSQL, org, user, writtenWithin)
}

var clearPendingSQL = tenancy.Statement{Name: "directory_clear_pending", SQL: `
	UPDATE members
	   SET licensed_doubt = NULL
	 WHERE tenant_id = $1
	   AND user_id = $2
	   AND licensed_doubt = $3`}

// clearPending ends the pending write, unless there is a newer one.
func clearPending(ctx context.Context, tx *tenancy.Tx, org, user string, pending time.Time) error {
	_, err := tenancy.Exec(ctx, tx, clearPendingSQL, org, user, pending)
	return err
}
