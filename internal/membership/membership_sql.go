package membership

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// Statements are all statements of this package, for tenancy.Open.
var Statements = []tenancy.Statement{
	selectPersonSQL, selectCurrentSQL, selectMembersSQL, selectMembersOfRoleSQL, searchMembersSQL, searchMembersOfRoleSQL,
	selectInvitationsSQL,
	selectStandingSQL, selectRolesInUseSQL,
}

var selectPersonSQL = tenancy.Statement{Name: "select_person", SQL: `
	SELECT name, email, '' AS organization_slug, '' AS organization_name, false AS seated, false AS suspended
	  FROM users
	 WHERE tenant_id = $1
	   AND delete_time IS NULL`}

// selectPerson returns the person in their own workspace.
func selectPerson(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor) (profile, error) {
	return orZero(tenancy.One[profile](ctx, tx, selectPersonSQL, actor.Tenant))
}

var selectCurrentSQL = tenancy.Statement{Name: "select_current_member", SQL: `
	SELECT coalesce(m.name, '') AS name, coalesce(m.email, '') AS email,
	       coalesce(o.slug, '') AS organization_slug, coalesce(o.name, '') AS organization_name,
	       coalesce(s.seated, false) AS seated, h.user_id IS NOT NULL AND s.seated IS NOT TRUE AS suspended
	  FROM (SELECT) AS nothing
	  LEFT JOIN standings s ON s.tenant_id = $1 AND s.user_id = $2
	  LEFT JOIN seats h ON h.tenant_id = $1 AND h.user_id = $2
	  LEFT JOIN members m ON m.tenant_id = $1 AND m.user_id = $2 AND m.remove_time IS NULL
	  LEFT JOIN organizations o ON o.tenant_id = $1 AND o.delete_time IS NULL`}

// selectCurrent returns the person in the organization.
func selectCurrent(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor) (profile, error) {
	return orZero(tenancy.One[profile](ctx, tx, selectCurrentSQL, actor.Tenant, actor.User))
}

// listedMember is a member with how far the statement looked.
type listedMember struct {
	member
	tenancy.Look
}

// The lists of members differ in the index that they are read off, which the order names
// down to its last column: a range that stands for an equality leaves the planner no other
// index. Such a range ends only by its first column, so what ends it earlier is applied to
// the rows that were read, which are few. What is shown beside a member is looked up for
// those of the page alone.
const (
	memberShown = `
	SELECT p.user_id, p.name, p.name_key, p.email, p.role, p.matches, p.stopped,
	       CASE WHEN $5::boolean
	            THEN coalesce((SELECT s.seated FROM standings s WHERE s.tenant_id = $1 AND s.user_id = p.user_id), false)
	            ELSE p.licensed END AS licensed,
	       $5 AND EXISTS (SELECT FROM seats h WHERE h.tenant_id = $1 AND h.user_id = p.user_id)
	          AND NOT coalesce((SELECT s.seated FROM standings s WHERE s.tenant_id = $1 AND s.user_id = p.user_id), false) AS suspended
	  FROM `
	memberKept = `
	SELECT user_id, name, name_key, email, role, licensed, true AS matches, false AS stopped
	  FROM members
	 WHERE tenant_id = $1
	   AND remove_time IS NULL`

	// Searches. While few addresses begin with the query, $6 to $7, they are sorted.
	// Otherwise members whose address begins with the same character ($10) are looked at by
	// name: before those whose name begins with the query, and behind them.
	searchAddressed = `
	WITH addressed AS MATERIALIZED (
	    SELECT user_id, name, name_key, email, role, licensed
	      FROM members
	     WHERE tenant_id = $1
	       AND remove_time IS NULL
	       AND email_key >= $6 AND email_key < $7
	     ORDER BY email_key
	     LIMIT 501
	), few AS MATERIALIZED (
	    SELECT count(*) <= 500 AS few FROM addressed
	)`
	searchFew = `
	SELECT user_id, name, name_key, email, role, licensed, true AS matches, false AS stopped
	  FROM addressed
	 WHERE (SELECT few FROM few)
	   AND (name_key, user_id) > ($2, $3)
	   AND NOT (name_key >= $6 AND name_key < $7)`
	searchMany = `
	SELECT user_id, name, name_key, email, role, licensed, email_key, email_first
	  FROM members
	 WHERE tenant_id = $1
	   AND remove_time IS NULL
	   AND NOT (SELECT few FROM few)`
	searchBefore = `
	   AND $2::text < $6
	   AND (email_first, name_key, user_id) > ($10, $2, $3)
	   AND email_first <= $10`
	searchBehind = `
	   AND (email_first, name_key, user_id) > ($10, $11, $12)
	   AND email_first <= $10`
	searchOrder  = ` ORDER BY email_first, name_key, user_id`
	searchLooked = `
	SELECT user_id, name, name_key, email, role, licensed, matches, stopped
	  FROM (SELECT *, row_number() OVER (` + searchOrder + `) = 500 AS stopped, email_key >= $6 AND email_key < $7`
	searchShown = `
	 WHERE (matches OR stopped)`
)

var selectMembersSQL = tenancy.Statement{Name: "select_members", Listing: true, SQL: memberShown + `(` + memberKept + `
	   AND (name_key, user_id) > ($2, $3)
	 ORDER BY name_key, user_id
	 LIMIT $4) AS p
	 ORDER BY p.name_key, p.user_id`}

var selectMembersOfRoleSQL = tenancy.Statement{Name: "select_members_of_role", Listing: true, SQL: memberShown + `(` + memberKept + `
	   AND (role, name_key, user_id) > ($6, $2, $3)
	   AND role <= $6
	 ORDER BY role, name_key, user_id
	 LIMIT $4) AS p
	 ORDER BY p.role, p.name_key, p.user_id`}

var searchMembersSQL = tenancy.Statement{Name: "search_members", Listing: true, SQL: searchAddressed + memberShown + `(
	    (` + searchFew + ` ORDER BY name_key, user_id LIMIT $4)
	    UNION ALL
	    (` + memberKept + ` AND (name_key, user_id) > ($8, $9) AND name_key < $7 ORDER BY name_key, user_id LIMIT $4)
	    UNION ALL
	    (` + searchLooked + ` AS matches FROM (` + searchMany + searchBefore + searchOrder + ` LIMIT 500) AS w) AS w` + searchShown + ` AND name_key < $6` + searchOrder + ` LIMIT $4)
	    UNION ALL
	    (` + searchLooked + ` AS matches FROM (` + searchMany + searchBehind + searchOrder + ` LIMIT 500) AS w) AS w` + searchShown + searchOrder + ` LIMIT $4)) AS p
	 ORDER BY p.name_key, p.user_id
	 LIMIT $4`}

var searchMembersOfRoleSQL = tenancy.Statement{Name: "search_members_of_role", Listing: true, SQL: searchAddressed + memberShown + `(
	    (` + searchFew + ` AND role = $13 ORDER BY name_key, user_id LIMIT $4)
	    UNION ALL
	    (SELECT *
	       FROM (` + memberKept + ` AND (role, name_key, user_id) > ($13, $8, $9) AND role <= $13
	             ORDER BY role, name_key, user_id LIMIT $4) AS named
	      WHERE name_key < $7)
	    UNION ALL
	    (` + searchLooked + ` AND role = $13 AS matches FROM (` + searchMany + searchBefore + searchOrder + ` LIMIT 500) AS w) AS w` + searchShown + ` AND name_key < $6` + searchOrder + ` LIMIT $4)
	    UNION ALL
	    (` + searchLooked + ` AND role = $13 AS matches FROM (` + searchMany + searchBehind + searchOrder + ` LIMIT 500) AS w) AS w` + searchShown + searchOrder + ` LIMIT $4)) AS p
	 ORDER BY p.name_key, p.user_id
	 LIMIT $4`}

func selectMembers(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, f filter, after tenancy.Place, limit int, ledger bool) ([]listedMember, error) {
	statement, args := membersOf(actor.Tenant, f, after, limit, ledger)
	return tenancy.Rows[listedMember](ctx, tx, statement, args...)
}

// membersOf returns the statement that the filter is for, and its arguments.
func membersOf(tenant string, f filter, after tenancy.Place, limit int, ledger bool) (tenancy.Statement, []any) {
	args := []any{tenant, after.Key, after.ID, limit, ledger}
	statement, ofRole := selectMembersSQL, selectMembersOfRoleSQL
	if f.query != "" {
		s := tenancy.SearchOf(f.query, after)
		args = append(args, s.First, s.Behind, s.Named.Key, s.Named.ID, s.Initial, s.Others.Key, s.Others.ID)
		statement, ofRole = searchMembersSQL, searchMembersOfRoleSQL
	}
	if f.role != "" {
		return ofRole, append(args, f.role)
	}
	return statement, args
}

// selectInvitationsSQL says of one that nobody has accepted in time that it has expired,
// before Clerk does.
var selectInvitationsSQL = tenancy.Statement{Name: "select_invitations", Listing: true, SQL: `
	SELECT id, email, role, hold_seat,
	       CASE WHEN status = 'pending' AND expire_time <= now() THEN 'expired' ELSE status END AS status,
	       create_time, expire_time
	  FROM invitations
	 WHERE tenant_id = $1
	   AND status <> 'gone'
	   AND (create_time, id) < ($2, $3)
	 ORDER BY create_time DESC, id DESC
	 LIMIT $4`}

func selectInvitations(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, before moment, limit int) ([]invitation, error) {
	return tenancy.Rows[invitation](ctx, tx, selectInvitationsSQL, actor.Tenant, before.at, before.id, limit)
}

// selectStandingSQL asks for nothing: what counts is that the scope lets the actor in.
var selectStandingSQL = tenancy.Statement{Name: "select_standing", SQL: `SELECT true AS stands`}

func selectStanding(ctx context.Context, tx *tenancy.Tx) error {
	_, err := tenancy.Exec(ctx, tx, selectStandingSQL)
	return err
}

// selectRolesInUseSQL goes from one role to the next, and not from member to member.
var selectRolesInUseSQL = tenancy.Statement{Name: "select_roles_in_use", Listing: true, SQL: `
	WITH RECURSIVE used AS (
	    (SELECT role FROM members WHERE tenant_id = $1 AND remove_time IS NULL ORDER BY role, name_key, user_id LIMIT 1)
	    UNION ALL
	    SELECT (SELECT m.role FROM members m WHERE m.tenant_id = $1 AND m.remove_time IS NULL AND m.role > used.role
	             ORDER BY m.role, m.name_key, m.user_id LIMIT 1)
	      FROM used
	     WHERE used.role IS NOT NULL
	)
	SELECT role FROM used WHERE role IS NOT NULL`}

func selectRolesInUse(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor) ([]string, error) {
	return tenancy.Column[string](ctx, tx, selectRolesInUseSQL, actor.Tenant)
}

// orZero returns the profile, or the zero profile for nil.
func orZero(found *profile, err error) (profile, error) {
	if err != nil || found == nil {
		return profile{}, err
	}
	return *found, nil
}
