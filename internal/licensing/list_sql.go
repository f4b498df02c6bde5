package licensing

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

var listStatements = []tenancy.Statement{selectSeatsSQL, selectSeatsHeldSQL, searchSeatsSQL, searchSeatsHeldSQL}

// listedSeat is a member with how far the statement looked.
type listedSeat struct {
	Seat
	tenancy.Look
}

// The lists of seats differ in the index that they are read off, as the lists of members
// do: see internal/membership. What is shown beside a member is looked up for those of the
// page alone.
const (
	seatShown = `
	SELECT p.user_id, p.name, p.name_key, p.email, p.role, p.matches, p.stopped,
	       s.assign_time, coalesce(s.assigned_by, '') AS assigned_by,
	       coalesce(st.seated, false) AS working,
	       p.licensed = coalesce(st.seated, false) AND p.licensed_doubt IS NULL AS synced
	  FROM `
	seatOf = ` AS p
	  LEFT JOIN LATERAL (
	           SELECT seated FROM standings WHERE tenant_id = $1 AND user_id = p.user_id LIMIT 1) AS st ON true
	  LEFT JOIN LATERAL (
	           SELECT assign_time, assigned_by FROM seats WHERE tenant_id = $1 AND user_id = p.user_id LIMIT 1) AS s ON true`
	seatKept = `
	SELECT user_id, name, name_key, email, role, licensed, licensed_doubt, true AS matches, false AS stopped
	  FROM members
	 WHERE tenant_id = $1
	   AND remove_time IS NULL`

	// Searches. While few addresses begin with the query, $5 to $6, they are sorted.
	// Otherwise members whose address begins with the same character ($9) are looked at by
	// name: before those whose name begins with the query, and behind them.
	searchAddressed = `
	WITH addressed AS MATERIALIZED (
	    SELECT user_id, name, name_key, email, role, licensed, licensed_doubt, holds_seat
	      FROM members
	     WHERE tenant_id = $1
	       AND remove_time IS NULL
	       AND email_key >= $5 AND email_key < $6
	     ORDER BY email_key
	     LIMIT 501
	), few AS MATERIALIZED (
	    SELECT count(*) <= 500 AS few FROM addressed
	)`
	searchFew = `
	SELECT user_id, name, name_key, email, role, licensed, licensed_doubt, true AS matches, false AS stopped
	  FROM addressed
	 WHERE (SELECT few FROM few)
	   AND (name_key, user_id) > ($2, $3)
	   AND NOT (name_key >= $5 AND name_key < $6)`
	searchMany = `
	SELECT user_id, name, name_key, email, role, licensed, licensed_doubt, holds_seat, email_key, email_first
	  FROM members
	 WHERE tenant_id = $1
	   AND remove_time IS NULL
	   AND NOT (SELECT few FROM few)`
	searchBefore = `
	   AND $2::text < $5
	   AND (email_first, name_key, user_id) > ($9, $2, $3)
	   AND email_first <= $9`
	searchBehind = `
	   AND (email_first, name_key, user_id) > ($9, $10, $11)
	   AND email_first <= $9`
	searchOrder  = ` ORDER BY email_first, name_key, user_id`
	searchLooked = `
	SELECT user_id, name, name_key, email, role, licensed, licensed_doubt, matches, stopped
	  FROM (SELECT *, row_number() OVER (` + searchOrder + `) = 500 AS stopped, email_key >= $5 AND email_key < $6`
	searchShown = `
	 WHERE (matches OR stopped)`
)

var selectSeatsSQL = tenancy.Statement{Name: "licensing_select_seats", Listing: true, SQL: seatShown + `(` + seatKept + `
	   AND (name_key, user_id) > ($2, $3)
	 ORDER BY name_key, user_id
	 LIMIT $4)` + seatOf + `
	 ORDER BY p.name_key, p.user_id`}

// selectSeatsHeldSQL lists members who hold a seat, or who hold none.
var selectSeatsHeldSQL = tenancy.Statement{Name: "licensing_select_seats_held", Listing: true, SQL: seatShown + `(` + seatKept + `
	   AND (holds_seat, name_key, user_id) > ($5, $2, $3)
	   AND holds_seat <= $5
	 ORDER BY holds_seat, name_key, user_id
	 LIMIT $4)` + seatOf + `
	 ORDER BY p.name_key, p.user_id`}

var searchSeatsSQL = tenancy.Statement{Name: "licensing_search_seats", Listing: true, SQL: searchAddressed + seatShown + `(
	SELECT *
	  FROM ((` + searchFew + ` ORDER BY name_key, user_id LIMIT $4)
	        UNION ALL
	        (` + seatKept + ` AND (name_key, user_id) > ($7, $8) AND name_key < $6 ORDER BY name_key, user_id LIMIT $4)
	        UNION ALL
	        (` + searchLooked + ` AS matches FROM (` + searchMany + searchBefore + searchOrder + ` LIMIT 500) AS w) AS w` + searchShown + ` AND name_key < $5` + searchOrder + ` LIMIT $4)
	        UNION ALL
	        (` + searchLooked + ` AS matches FROM (` + searchMany + searchBehind + searchOrder + ` LIMIT 500) AS w) AS w` + searchShown + searchOrder + ` LIMIT $4)) AS found
	 ORDER BY name_key, user_id
	 LIMIT $4)` + seatOf + `
	 ORDER BY p.name_key, p.user_id`}

var searchSeatsHeldSQL = tenancy.Statement{Name: "licensing_search_seats_held", Listing: true, SQL: searchAddressed + seatShown + `(
	SELECT *
	  FROM ((` + searchFew + ` AND holds_seat = $12 ORDER BY name_key, user_id LIMIT $4)
	        UNION ALL
	        (SELECT *
	           FROM (` + seatKept + ` AND (holds_seat, name_key, user_id) > ($12, $7, $8) AND holds_seat <= $12
	                 ORDER BY holds_seat, name_key, user_id LIMIT $4) AS named
	          WHERE name_key < $6)
	        UNION ALL
	        (` + searchLooked + ` AND holds_seat = $12 AS matches FROM (` + searchMany + searchBefore + searchOrder + ` LIMIT 500) AS w) AS w` + searchShown + ` AND name_key < $5` + searchOrder + ` LIMIT $4)
	        UNION ALL
	        (` + searchLooked + ` AND holds_seat = $12 AS matches FROM (` + searchMany + searchBehind + searchOrder + ` LIMIT 500) AS w) AS w` + searchShown + searchOrder + ` LIMIT $4)) AS found
	 ORDER BY name_key, user_id
	 LIMIT $4)` + seatOf + `
	 ORDER BY p.name_key, p.user_id`}

func selectSeats(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, f Filter, after tenancy.Place, limit int) ([]listedSeat, error) {
	statement, args := seatsOf(actor.Tenant, f, after, limit)
	return tenancy.Rows[listedSeat](ctx, tx, statement, args...)
}

// seatsOf returns the statement that the filter is for, and its arguments.
func seatsOf(tenant string, f Filter, after tenancy.Place, limit int) (tenancy.Statement, []any) {
	args := []any{tenant, after.Key, after.ID, limit}
	statement, held := selectSeatsSQL, selectSeatsHeldSQL
	if f.Query != "" {
		s := tenancy.SearchOf(f.Query, after)
		args = append(args, s.First, s.Behind, s.Named.Key, s.Named.ID, s.Initial, s.Others.Key, s.Others.ID)
		statement, held = searchSeatsSQL, searchSeatsHeldSQL
	}
	if f.Licensed != nil {
		return held, append(args, *f.Licensed)
	}
	return statement, args
}
