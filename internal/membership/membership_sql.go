package membership

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// Statements are all statements of this package, for tenancy.Open.
var Statements = []tenancy.Statement{
	selectPersonSQL, selectCurrentSQL, selectMembersSQL, searchMembersSQL, selectInvitationsSQL,
	selectStandingSQL, selectRolesInUseSQL,
}

var selectPersonSQL = tenancy.Statement{Name: "select_person", SQL: `
	SELECT name, email, '' AS organization_slug, '' AS organization_name, false AS seated, false AS suspended
	  FROM users
	 WHERE tenant_id = $1
	   AND delete_time IS NULL`}

// selectPerson answers the person in their own workspace.
func selectPerson(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor) (profile, error) {
	return one(tenancy.Rows[profile](ctx, tx, selectPersonSQL, actor.Tenant))
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

// selectCurrent answers the person in the organization.
func selectCurrent(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor) (profile, error) {
	return one(tenancy.Rows[profile](ctx, tx, selectCurrentSQL, actor.Tenant, actor.User))
}

var selectMembersSQL = tenancy.Statement{Name: "select_members", SQL: `
	SELECT m.user_id, m.name, m.name_key, m.email, m.role, CASE WHEN $6::boolean THEN s.seated ELSE m.licensed END AS licensed,
	       $6 AND h.user_id IS NOT NULL AND NOT s.seated AS suspended
	  FROM members m
	  JOIN standings s ON s.tenant_id = m.tenant_id AND s.user_id = m.user_id
	  LEFT JOIN seats h ON h.tenant_id = m.tenant_id AND h.user_id = m.user_id
	 WHERE m.tenant_id = $1
	   AND m.remove_time IS NULL
	   AND (m.name_key, m.user_id) > ($2, $3)
	   AND ($4::text = '' OR m.role = $4)
	 ORDER BY m.name_key, m.user_id
	 LIMIT $5`}

// searchMembersSQL reads each of the two spans from its own index, so that what matches
// few costs little; whoever matches by both is of the first.
var searchMembersSQL = tenancy.Statement{Name: "search_members", SQL: `
	SELECT m.user_id, m.name, m.name_key, m.email, m.role, CASE WHEN $6::boolean THEN s.seated ELSE m.licensed END AS licensed,
	       $6 AND h.user_id IS NOT NULL AND NOT s.seated AS suspended
	  FROM ((SELECT user_id, name, name_key, email, role, licensed
	           FROM members
	          WHERE tenant_id = $1
	            AND remove_time IS NULL
	            AND (name_key, user_id) > ($2, $3)
	            AND ($4::text = '' OR role = $4)
	            AND name_key >= $7 AND name_key < $8
	          ORDER BY name_key, user_id
	          LIMIT $5)
	        UNION ALL
	        (SELECT user_id, name, name_key, email, role, licensed
	           FROM members
	          WHERE tenant_id = $1
	            AND remove_time IS NULL
	            AND (name_key, user_id) > ($2, $3)
	            AND ($4::text = '' OR role = $4)
	            AND email_key >= $7 AND email_key < $8
	            AND NOT (name_key >= $7 AND name_key < $8)
	          ORDER BY name_key, user_id
	          LIMIT $5)) AS m
	  JOIN standings s ON s.tenant_id = $1 AND s.user_id = m.user_id
	  LEFT JOIN seats h ON h.tenant_id = $1 AND h.user_id = m.user_id
	 ORDER BY m.name_key, m.user_id
	 LIMIT $5`}

func selectMembers(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, f filter, after tenancy.Place, limit int, ledger bool) ([]member, error) {
	if f.query == "" {
		return tenancy.Rows[member](ctx, tx, selectMembersSQL, actor.Tenant, after.Key, after.ID, f.role, limit, ledger)
	}
	s := tenancy.SpanOf(f.query)
	return tenancy.Rows[member](ctx, tx, searchMembersSQL, actor.Tenant, after.Key, after.ID, f.role, limit, ledger, s.First, s.Behind)
}

// selectInvitationsSQL says of one that nobody has accepted in time that it has expired,
// before Clerk does.
var selectInvitationsSQL = tenancy.Statement{Name: "select_invitations", SQL: `
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

var selectRolesInUseSQL = tenancy.Statement{Name: "select_roles_in_use", SQL: `
	SELECT DISTINCT role
	  FROM members
	 WHERE tenant_id = $1
	   AND remove_time IS NULL`}

func selectRolesInUse(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor) ([]string, error) {
	rows, err := tenancy.Rows[struct{ Role string }](ctx, tx, selectRolesInUseSQL, actor.Tenant)
	keys := make([]string, len(rows))
	for i, r := range rows {
		keys[i] = r.Role
	}
	return keys, err
}

// one is the only row, or the zero profile.
func one(rows []profile, err error) (profile, error) {
	if err != nil || len(rows) == 0 {
		return profile{}, err
	}
	return rows[0], nil
}
