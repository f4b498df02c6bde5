package directory

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// selectNewcomerSQL reports whether the person is not a member yet, and a seat is asked for by
// an invitation of which it is not known whose it is.
var selectNewcomerSQL = tenancy.Statement{Name: "directory_select_newcomer", SQL: `
	SELECT EXISTS (SELECT FROM invitations
	                WHERE tenant_id = $1
	                  AND hold_seat
	                  AND user_id = ''
	                  AND email <> ''
	                  AND status IN ('pending', 'accepted'))
	   AND NOT EXISTS (SELECT FROM members
	                    WHERE tenant_id = $1
	                      AND user_id = $2
	                      AND remove_time IS NULL) AS newcomer`}

func selectNewcomer(ctx context.Context, tx *tenancy.Tx, org, user string) (bool, error) {
	return tenancy.Scalar[bool](ctx, tx, selectNewcomerSQL, org, user)
}

// claimInvitationsSQL makes the invitations to the addresses the person's.
var claimInvitationsSQL = tenancy.Statement{Name: "directory_claim_invitations", SQL: `
	UPDATE invitations
	   SET user_id = $2
	 WHERE tenant_id = $1
	   AND user_id = ''
	   AND email <> ''
	   AND status IN ('pending', 'accepted')
	   AND lower(email) = ANY ($3)`}

func claimInvitations(ctx context.Context, tx *tenancy.Tx, org, user string, addresses []string) error {
	_, err := tenancy.Exec(ctx, tx, claimInvitationsSQL, org, user, searchKeys(addresses))
	return err
}

func searchKeys(texts []string) []string {
	keys := make([]string, len(texts))
	for i, text := range texts {
		keys[i] = tenancy.SearchKey(text)
	}
	return keys
}

var upsertBarredSQL = tenancy.Statement{Name: "directory_upsert_barred", SQL: `
	INSERT INTO directory_barred (user_id, why)
	VALUES ($1, $2)
	ON CONFLICT (user_id) DO UPDATE
	   SET why = excluded.why`}

func upsertBarred(ctx context.Context, tx *tenancy.Tx, user, why string) error {
	_, err := tenancy.Exec(ctx, tx, upsertBarredSQL, user, why)
	return err
}

var deleteBarredSQL = tenancy.Statement{Name: "directory_delete_barred", SQL: `
	DELETE FROM directory_barred
	 WHERE user_id = $1`}

func deleteBarred(ctx context.Context, tx *tenancy.Tx, user string) error {
	_, err := tenancy.Exec(ctx, tx, deleteBarredSQL, user)
	return err
}
