package licensing

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

var seatStatements = []tenancy.Statement{insertSeatSQL, deleteSeatSQL}

// givenSeat is a member, and whether they were given the seat just now.
type givenSeat struct {
	Seat
	Given  bool
	Barred string // why they cannot be given one, or ""
}

// insertSeatSQL gives the member a seat where they have none, may have one and there is one
// ($4). The license must be locked. What Clerk says counts as read only while no write to it is under
// way, or has an outcome that is not known (licensed_doubt).
var insertSeatSQL = tenancy.Statement{Name: "licensing_insert_seat", SQL: `
	WITH member AS (
	    SELECT m.user_id, m.name, m.name_key, m.email, m.role, m.licensed, m.licensed_doubt, s.assign_time, s.assigned_by, st.seated,
	           coalesce(b.why, '') AS barred
	      FROM members m
	      JOIN standings st ON st.tenant_id = m.tenant_id AND st.user_id = m.user_id
	      LEFT JOIN seats s ON s.tenant_id = m.tenant_id AND s.user_id = m.user_id
	      LEFT JOIN directory_barred b ON b.user_id = m.user_id
	     WHERE m.tenant_id = $1
	       AND m.user_id = $2
	       AND m.remove_time IS NULL
	), given AS (
	    INSERT INTO seats (tenant_id, user_id, assigned_by)
	    SELECT $1, user_id, $3
	      FROM member
	     WHERE $4::boolean
	       AND assign_time IS NULL
	       AND barred = ''
	 RETURNING assign_time, assigned_by
	)
	SELECT m.user_id, m.name, m.name_key, m.email, m.role,
	       coalesce(g.assign_time, m.assign_time) AS assign_time,
	       coalesce(g.assigned_by, m.assigned_by, '') AS assigned_by,
	       m.seated OR g.assign_time IS NOT NULL AS working,
	       m.licensed = (m.seated OR g.assign_time IS NOT NULL) AND m.licensed_doubt IS NULL AS synced,
	       g.assign_time IS NOT NULL AS given, m.barred
	  FROM member m
	  LEFT JOIN given g ON true`}

// insertSeat returns the member, or nil where there is none.
func insertSeat(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, user string, room bool) (*givenSeat, error) {
	return tenancy.One[givenSeat](ctx, tx, insertSeatSQL, actor.Tenant, user, actor.User, room)
}

// takenSeat is a member, and whether a seat was taken from them just now.
type takenSeat struct {
	Seat
	Taken bool
}

var deleteSeatSQL = tenancy.Statement{Name: "licensing_delete_seat", SQL: `
	WITH taken AS (
	    DELETE FROM seats
	     WHERE tenant_id = $1
	       AND user_id = $2
	 RETURNING user_id
	)
	SELECT user_id, name, name_key, email, role, NULL::timestamptz AS assign_time, '' AS assigned_by,
	       false AS working, NOT licensed AND licensed_doubt IS NULL AS synced, EXISTS (SELECT FROM taken) AS taken
	  FROM members
	 WHERE tenant_id = $1
	   AND user_id = $2
	   AND remove_time IS NULL`}

// deleteSeat returns the member, or nil where there is none.
func deleteSeat(ctx context.Context, tx *tenancy.Tx, tenant, user string) (*takenSeat, error) {
	return tenancy.One[takenSeat](ctx, tx, deleteSeatSQL, tenant, user)
}
