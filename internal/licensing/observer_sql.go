package licensing

import (
	"context"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

var followStatements = []tenancy.Statement{
	deleteHoldsOfSQL, selectWhyBarredSQL, insertCarriedSQL, deleteSeatOfSQL, deleteSeatsSQL, deleteHoldsSQL, insertHoldSQL, selectWishSQL,
}

// deleteHoldsOfSQL finds the member's invitations: those that are known to be theirs, and where
// it is not known whose one is, those to their address. An address that is not known matches
// none.
var deleteHoldsOfSQL = tenancy.Statement{Name: "licensing_delete_holds_of", SQL: `
	WITH found AS (
	    DELETE FROM seat_holds h
	     USING invitations i, members m
	     WHERE h.tenant_id = $1
	       AND i.tenant_id = h.tenant_id
	       AND i.id = h.invitation_id
	       AND m.tenant_id = h.tenant_id
	       AND m.user_id = $2
	       AND m.remove_time IS NULL
	       AND (i.user_id = m.user_id
	            OR i.user_id = '' AND m.email_key <> '' AND lower(i.email) = m.email_key)
	 RETURNING h.invitation_id AS id, h.hold_time
	)
	SELECT id
	  FROM found
	 ORDER BY hold_time, id`}

func deleteHoldsOf(ctx context.Context, tx *tenancy.Tx, org, user string) ([]string, error) {
	return tenancy.Column[string](ctx, tx, deleteHoldsOfSQL, org, user)
}

var selectWhyBarredSQL = tenancy.Statement{Name: "licensing_select_why_barred", SQL: `
	SELECT why AS id
	  FROM directory_barred
	 WHERE user_id = $1`}

// selectWhyBarred returns why the person cannot sign in any more, or "".
func selectWhyBarred(ctx context.Context, tx *tenancy.Tx, user string) (string, error) {
	return tenancy.Scalar[string](ctx, tx, selectWhyBarredSQL, user)
}

// insertCarriedSQL gives a seat that is counted already.
var insertCarriedSQL = tenancy.Statement{Name: "licensing_insert_carried", SQL: `
	INSERT INTO seats (tenant_id, user_id, assigned_by, carried)
	VALUES ($1, $2, $3, true)
	ON CONFLICT DO NOTHING`}

func insertCarried(ctx context.Context, tx *tenancy.Tx, org, user, by string) (bool, error) {
	n, err := tenancy.Exec(ctx, tx, insertCarriedSQL, org, user, by)
	return n > 0, err
}

var deleteSeatOfSQL = tenancy.Statement{Name: "licensing_delete_seat_of", SQL: `
	DELETE FROM seats
	 WHERE tenant_id = $1
	   AND user_id = $2`}

func deleteSeatOf(ctx context.Context, tx *tenancy.Tx, org, user string) (bool, error) {
	n, err := tenancy.Exec(ctx, tx, deleteSeatOfSQL, org, user)
	return n > 0, err
}

var deleteSeatsSQL = tenancy.Statement{Name: "licensing_delete_seats", SQL: `
	DELETE FROM seats
	 WHERE tenant_id = $1`}

func deleteSeats(ctx context.Context, tx *tenancy.Tx, org string) error {
	_, err := tenancy.Exec(ctx, tx, deleteSeatsSQL, org)
	return err
}

var deleteHoldsSQL = tenancy.Statement{Name: "licensing_delete_holds", SQL: `
	DELETE FROM seat_holds
	 WHERE tenant_id = $1`}

func deleteHolds(ctx context.Context, tx *tenancy.Tx, org string) error {
	_, err := tenancy.Exec(ctx, tx, deleteHoldsSQL, org)
	return err
}

var insertHoldSQL = tenancy.Statement{Name: "licensing_insert_hold", SQL: `
	INSERT INTO seat_holds (tenant_id, invitation_id)
	VALUES ($1, $2)`}

func insertHold(ctx context.Context, tx *tenancy.Tx, org, invitation string) error {
	_, err := tenancy.Exec(ctx, tx, insertHoldSQL, org, invitation)
	return err
}

// wish is an invitation that asks for a seat and can be accepted, or was.
type wish struct {
	Accepted   bool
	Held       bool
	ExpireTime *time.Time
	Members    []string // whose it is, or may be by its address
}

var selectWishSQL = tenancy.Statement{Name: "licensing_select_wish", SQL: `
	SELECT i.status = 'accepted' AS accepted,
	       h.invitation_id IS NOT NULL AS held,
	       i.expire_time,
	       ARRAY(SELECT m.user_id
	               FROM members m
	              WHERE m.tenant_id = i.tenant_id
	                AND m.remove_time IS NULL
	                AND (m.user_id = i.user_id
	                     OR i.user_id = '' AND m.email_key <> '' AND m.email_key = lower(i.email))) AS members
	  FROM invitations i
	  LEFT JOIN seat_holds h ON h.tenant_id = i.tenant_id AND h.invitation_id = i.id
	 WHERE i.tenant_id = $1
	   AND i.id = $2
	   AND i.hold_seat
	   AND (i.status = 'pending' AND coalesce(i.expire_time > now(), true) OR i.status = 'accepted' AND h.invitation_id IS NOT NULL)`}

func selectWish(ctx context.Context, tx *tenancy.Tx, org, invitation string) (*wish, error) {
	return tenancy.One[wish](ctx, tx, selectWishSQL, org, invitation)
}
