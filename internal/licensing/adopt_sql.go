package licensing

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

var adoptStatements = []tenancy.Statement{insertFlaggedSQL, selectBarredSQL}

// insertFlaggedSQL gives the seats in the order in which people became members, so that
// the newest go first where there are too many.
var insertFlaggedSQL = tenancy.Statement{Name: "licensing_insert_flagged", SQL: `
	INSERT INTO seats (tenant_id, user_id, assigned_by, assign_time, carried)
	SELECT tenant_id, user_id, $2, least(create_time, now()), true
	  FROM members
	 WHERE tenant_id = $1
	   AND remove_time IS NULL
	   AND licensed
	   AND NOT EXISTS (SELECT FROM directory_barred b WHERE b.user_id = members.user_id)
	ON CONFLICT DO NOTHING
	RETURNING user_id AS id`}

func insertFlagged(ctx context.Context, tx *tenancy.Tx, org, by string) ([]string, error) {
	return tenancy.Column[string](ctx, tx, insertFlaggedSQL, org, by)
}

// BarredSeat is a seat of a person who cannot sign in any more.
type BarredSeat struct{ UserID, Why string }

var selectBarredSQL = tenancy.Statement{Name: "licensing_select_barred", SQL: `
	SELECT s.user_id, b.why
	  FROM seats s
	  JOIN directory_barred b ON b.user_id = s.user_id
	 WHERE s.tenant_id = $1
	 ORDER BY s.user_id`}

// selectBarred returns the seats of people who cannot sign in any more.
func selectBarred(ctx context.Context, tx *tenancy.Tx, org string) ([]BarredSeat, error) {
	return tenancy.Rows[BarredSeat](ctx, tx, selectBarredSQL, org)
}
