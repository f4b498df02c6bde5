package licensing

import (
	"context"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

var jobStatements = []tenancy.Statement{selectCopiedSQL, selectDisagreeingSQL, doubtSQL, trustSQL}

// selectCopiedSQL knows of an organization that ever bought something: what Clerk says
// elsewhere is not ours to change.
var selectCopiedSQL = tenancy.Statement{Name: "licensing_select_copied", SQL: `
	SELECT m.user_id, st.seated AS wanted, m.licensed AS said, m.licensed_doubt AS doubt, now() AS now
	  FROM members m
	  JOIN standings st ON st.tenant_id = m.tenant_id AND st.user_id = m.user_id
	  JOIN licenses l ON l.tenant_id = m.tenant_id AND l.status <> 'none'
	 WHERE m.tenant_id = $1
	   AND m.user_id = $2
	   AND m.remove_time IS NULL`}

// selectCopied answers nil where there is no such member, or nothing to copy.
func selectCopied(ctx context.Context, tx *tenancy.Tx, org, user string) (*copied, error) {
	return first(tenancy.Rows[copied](ctx, tx, selectCopiedSQL, org, user))
}

var selectDisagreeingSQL = tenancy.Statement{Name: "licensing_select_disagreeing", SQL: `
	SELECT m.user_id, st.seated AS wanted, m.licensed AS said, m.licensed_doubt AS doubt, now() AS now
	  FROM members m
	  JOIN standings st ON st.tenant_id = m.tenant_id AND st.user_id = m.user_id
	  JOIN licenses l ON l.tenant_id = m.tenant_id AND l.status <> 'none'
	 WHERE m.tenant_id = $1
	   AND m.user_id > $2
	   AND m.remove_time IS NULL
	   AND (m.licensed <> st.seated OR m.licensed_doubt <= now())
	 ORDER BY m.user_id
	 LIMIT $3`}

// selectDisagreeing answers members of whom Clerk says something else than the ledger, or
// may.
func selectDisagreeing(ctx context.Context, tx *tenancy.Tx, org, after string, most int) ([]copied, error) {
	return tenancy.Rows[copied](ctx, tx, selectDisagreeingSQL, org, after, most)
}

// doubtSQL notes that the member's metadata are written until then at the latest.
var doubtSQL = tenancy.Statement{Name: "licensing_doubt", SQL: `
	UPDATE members
	   SET licensed_doubt = greatest(licensed_doubt, now() + $3::interval)
	 WHERE tenant_id = $1
	   AND user_id = $2
	RETURNING licensed_doubt AS doubt`}

// doubt answers until when.
func doubt(ctx context.Context, tx *tenancy.Tx, org, user string) (*time.Time, error) {
	stamp, err := first(tenancy.Rows[struct{ Doubt *time.Time }](ctx, tx, doubtSQL, org, user, writtenWithin))
	if err != nil || stamp == nil {
		return nil, err
	}
	return stamp.Doubt, nil
}

var trustSQL = tenancy.Statement{Name: "licensing_trust", SQL: `
	UPDATE members
	   SET licensed_doubt = NULL
	 WHERE tenant_id = $1
	   AND user_id = $2
	   AND licensed_doubt = $3`}

// trust ends the doubt, unless there is a newer one.
func trust(ctx context.Context, tx *tenancy.Tx, org, user string, doubt time.Time) error {
	_, err := tenancy.Exec(ctx, tx, trustSQL, org, user, doubt)
	return err
}
