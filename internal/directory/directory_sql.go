package directory

import (
	"context"
	"slices"

	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Statements are all statements of this package, for tenancy.Open.
var Statements = slices.Concat([]tenancy.Statement{
	doneSQL, ticketSQL, lockSQL, placesSQL, goneSQL, insertGoneSQL,
	upsertUserSQL, deleteUserSQL, selectUserSQL,
	selectOrganizationSQL, upsertOrganizationSQL, deleteOrganizationSQL,
	selectMemberSQL, upsertMemberSQL, removeMemberSQL, removeMembersSQL,
	selectInvitationSQL, upsertInvitationSQL, removeInvitationsSQL, forgetInvitationsSQL,
	upsertBarredSQL, deleteBarredSQL, selectNewcomerSQL, claimInvitationsSQL, setInvitationUserSQL,
	tenantsSQL, selectMembersSQL, selectInvitationsSQL,
}, licensedStatements)

var doneSQL = tenancy.Statement{Name: inbox.DoneName, SQL: inbox.DoneSQL}

// done marks the delivery done, and those that its fetch has settled.
func done(ctx context.Context, tx *tenancy.Tx, event int64) error {
	_, err := tenancy.Exec(ctx, tx, doneSQL, event, Consumer)
	return err
}

var ticketSQL = tenancy.Statement{Name: "directory_ticket", SQL: `SELECT nextval('directory_tickets') AS ticket`}

func nextTicket(ctx context.Context, tx *tenancy.Tx) (int64, error) {
	return tenancy.Scalar[int64](ctx, tx, ticketSQL)
}

// lockSQL lets writers of one tenant wait for each other until the transaction ends.
var lockSQL = tenancy.Statement{Name: "directory_lock", SQL: `
	SELECT pg_advisory_xact_lock(hashtextextended('directory ' || $1::text, 0))`}

func lock(ctx context.Context, tx *tenancy.Tx, tenant string) error {
	_, err := tenancy.Exec(ctx, tx, lockSQL, tenant)
	return err
}

var placesSQL = tenancy.Statement{Name: "directory_select_places", SQL: `
	SELECT organization_id AS id
	  FROM directory_places
	 WHERE user_id = $1
	 ORDER BY organization_id`}

func selectPlaces(ctx context.Context, tx *tenancy.Tx, user string) ([]string, error) {
	return tenancy.Column[string](ctx, tx, placesSQL, user)
}

var goneSQL = tenancy.Statement{Name: "directory_select_gone", SQL: `SELECT ticket FROM directory_gone WHERE user_id = $1`}

// selectGone returns the ticket with which the person was found to be gone, or 0.
func selectGone(ctx context.Context, tx *tenancy.Tx, user string) (int64, error) {
	return tenancy.Scalar[int64](ctx, tx, goneSQL, user)
}

var insertGoneSQL = tenancy.Statement{Name: "directory_insert_gone", SQL: `
	INSERT INTO directory_gone (user_id, ticket)
	VALUES ($1, $2)
	ON CONFLICT (user_id) DO UPDATE
	   SET ticket = greatest(directory_gone.ticket, excluded.ticket)`}

func insertGone(ctx context.Context, tx *tenancy.Tx, user string, ticket int64) error {
	_, err := tenancy.Exec(ctx, tx, insertGoneSQL, user, ticket)
	return err
}

var selectUserSQL = tenancy.Statement{Name: "directory_select_user", SQL: `
	SELECT u.name, u.email, coalesce(b.why, '') AS barred, u.create_time, u.delete_time, u.ticket
	  FROM users u
	  LEFT JOIN directory_barred b ON b.user_id = u.tenant_id
	 WHERE u.tenant_id = $1`}

func selectUser(ctx context.Context, tx *tenancy.Tx, id string) (*user, error) {
	return tenancy.One[user](ctx, tx, selectUserSQL, id)
}

// upsertUserSQL also keeps that there is such a tenant, for whoever asks for all.
var upsertUserSQL = tenancy.Statement{Name: "directory_upsert_user", SQL: `
	WITH listed AS (
	    INSERT INTO directory_tenants (id, person)
	    VALUES ($1, true)
	    ON CONFLICT DO NOTHING
	)
	INSERT INTO users AS u (tenant_id, name, email, create_time, ticket)
	VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (tenant_id) DO UPDATE
	   SET name = excluded.name, email = excluded.email, create_time = excluded.create_time,
	       delete_time = NULL, ticket = excluded.ticket
	 WHERE u.ticket < excluded.ticket`}

func upsertUser(ctx context.Context, tx *tenancy.Tx, id string, u user) error {
	_, err := tenancy.Exec(ctx, tx, upsertUserSQL, id, u.Name, u.Email, u.CreateTime, u.Ticket)
	return err
}

// deleteUserSQL leaves nothing of the person but their id and when they went.
var deleteUserSQL = tenancy.Statement{Name: "directory_delete_user", SQL: `
	INSERT INTO users AS u (tenant_id, name, email, delete_time, ticket)
	VALUES ($1, '', '', now(), $2)
	ON CONFLICT (tenant_id) DO UPDATE
	   SET name = '', email = '', delete_time = coalesce(u.delete_time, excluded.delete_time), ticket = excluded.ticket
	 WHERE u.ticket < excluded.ticket`}

func deleteUser(ctx context.Context, tx *tenancy.Tx, id string, ticket int64) error {
	_, err := tenancy.Exec(ctx, tx, deleteUserSQL, id, ticket)
	return err
}

var selectOrganizationSQL = tenancy.Statement{Name: "directory_select_organization", SQL: `
	SELECT slug, name, create_time, delete_time, ticket
	  FROM organizations
	 WHERE tenant_id = $1`}

func selectOrganization(ctx context.Context, tx *tenancy.Tx, id string) (*organization, error) {
	return tenancy.One[organization](ctx, tx, selectOrganizationSQL, id)
}

// upsertOrganizationSQL also keeps that there is such a tenant, for whoever asks for all.
var upsertOrganizationSQL = tenancy.Statement{Name: "directory_upsert_organization", SQL: `
	WITH listed AS (
	    INSERT INTO directory_tenants (id, person)
	    VALUES ($1, false)
	    ON CONFLICT DO NOTHING
	)
	INSERT INTO organizations AS o (tenant_id, slug, name, create_time, ticket)
	VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (tenant_id) DO UPDATE
	   SET slug = excluded.slug, name = excluded.name, create_time = excluded.create_time,
	       delete_time = NULL, ticket = excluded.ticket
	 WHERE o.ticket < excluded.ticket`}

func upsertOrganization(ctx context.Context, tx *tenancy.Tx, id string, o organization) error {
	_, err := tenancy.Exec(ctx, tx, upsertOrganizationSQL, id, o.Slug, o.Name, o.CreateTime, o.Ticket)
	return err
}

var deleteOrganizationSQL = tenancy.Statement{Name: "directory_delete_organization", SQL: `
	INSERT INTO organizations AS o (tenant_id, slug, name, create_time, delete_time, ticket)
	VALUES ($1, $2, $3, $4, now(), $5)
	ON CONFLICT (tenant_id) DO UPDATE
	   SET delete_time = coalesce(o.delete_time, excluded.delete_time), ticket = excluded.ticket
	 WHERE o.ticket < excluded.ticket`}

func deleteOrganization(ctx context.Context, tx *tenancy.Tx, id string, o organization) error {
	_, err := tenancy.Exec(ctx, tx, deleteOrganizationSQL, id, o.Slug, o.Name, o.CreateTime, o.Ticket)
	return err
}

var selectMemberSQL = tenancy.Statement{Name: "directory_select_member", SQL: `
	SELECT membership_id, role, name, email, licensed, create_time, role_time, remove_time, ticket
	  FROM members
	 WHERE tenant_id = $1
	   AND user_id = $2`}

func selectMember(ctx context.Context, tx *tenancy.Tx, org, user string) (*member, error) {
	return tenancy.One[member](ctx, tx, selectMemberSQL, org, user)
}

// upsertMemberSQL also keeps that the person has a place here, which is asked for where
// no tenant is known. A role that was stored without "org:" has not changed.
var upsertMemberSQL = tenancy.Statement{Name: "directory_upsert_member", SQL: `
	WITH placed AS (
	    INSERT INTO directory_places (user_id, organization_id)
	    VALUES ($2, $1)
	    ON CONFLICT DO NOTHING
	), listed AS (
	    INSERT INTO directory_tenants (id, person)
	    VALUES ($1, false)
	    ON CONFLICT DO NOTHING
	)
	INSERT INTO members AS m (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, licensed, create_time, role_time, ticket)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now(), $11)
	ON CONFLICT (tenant_id, user_id) DO UPDATE
	   SET membership_id = excluded.membership_id, role = excluded.role, name = excluded.name, name_key = excluded.name_key,
	       email = excluded.email, email_key = excluded.email_key, licensed = excluded.licensed,
	       create_time = excluded.create_time, remove_time = NULL, ticket = excluded.ticket,
	       role_time = CASE WHEN excluded.role IN (m.role, 'org:' || m.role) THEN m.role_time ELSE now() END
	 WHERE m.ticket < excluded.ticket`}

func upsertMember(ctx context.Context, tx *tenancy.Tx, org, user string, m member) error {
	_, err := tenancy.Exec(ctx, tx, upsertMemberSQL, org, user, m.MembershipID, m.Role,
		m.Name, tenancy.SearchKey(m.Name), m.Email, tenancy.SearchKey(m.Email), m.Licensed, m.CreateTime, m.Ticket)
	return err
}

// removeMemberSQL leaves nothing of the person but ids, the role and when it ended.
var removeMemberSQL = tenancy.Statement{Name: "directory_remove_member", SQL: `
	INSERT INTO members AS m (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, remove_time, ticket)
	VALUES ($1, $2, $3, $4, '', '', '', '', now(), $5)
	ON CONFLICT (tenant_id, user_id) DO UPDATE
	   SET name = '', name_key = '', email = '', email_key = '', licensed = false,
	       remove_time = coalesce(m.remove_time, excluded.remove_time), ticket = excluded.ticket
	 WHERE m.ticket < excluded.ticket`}

func removeMember(ctx context.Context, tx *tenancy.Tx, org, user string, m member) error {
	_, err := tenancy.Exec(ctx, tx, removeMemberSQL, org, user, m.MembershipID, m.Role, m.Ticket)
	return err
}

var removeMembersSQL = tenancy.Statement{Name: "directory_remove_members", SQL: `
	UPDATE members
	   SET name = '', name_key = '', email = '', email_key = '', licensed = false,
	       remove_time = coalesce(remove_time, now()), ticket = $2
	 WHERE tenant_id = $1
	   AND ticket < $2
	   AND remove_time IS NULL`}

// removeMembers answers how many there were.
func removeMembers(ctx context.Context, tx *tenancy.Tx, org string, ticket int64) (int64, error) {
	return tenancy.Exec(ctx, tx, removeMembersSQL, org, ticket)
}

var selectInvitationSQL = tenancy.Statement{Name: "directory_select_invitation", SQL: `
	SELECT email, role, hold_seat, status, create_time, expire_time, user_id, accept_time, ticket
	  FROM invitations
	 WHERE tenant_id = $1
	   AND id = $2`}

func selectInvitation(ctx context.Context, tx *tenancy.Tx, org, id string) (*invitation, error) {
	return tenancy.One[invitation](ctx, tx, selectInvitationSQL, org, id)
}

// upsertInvitationSQL leaves an address out that was forgotten, and keeps whose the invitation
// is where that is not told again.
var upsertInvitationSQL = tenancy.Statement{Name: "directory_upsert_invitation", SQL: `
	INSERT INTO invitations AS i (tenant_id, id, email, role, hold_seat, status, create_time, expire_time, ticket, user_id, accept_time)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $6 = 'accepted' THEN now() END)
	ON CONFLICT (tenant_id, id) DO UPDATE
	   SET email = CASE WHEN i.email = '' AND i.status <> 'gone' THEN '' ELSE excluded.email END,
	       role = excluded.role, hold_seat = excluded.hold_seat, status = excluded.status,
	       create_time = excluded.create_time, expire_time = excluded.expire_time, ticket = excluded.ticket,
	       user_id = CASE WHEN excluded.user_id = '' THEN i.user_id ELSE excluded.user_id END,
	       accept_time = CASE WHEN excluded.status = 'accepted' THEN coalesce(i.accept_time, excluded.accept_time) END
	 WHERE i.ticket < excluded.ticket`}

func upsertInvitation(ctx context.Context, tx *tenancy.Tx, org, id string, i invitation) error {
	_, err := tenancy.Exec(ctx, tx, upsertInvitationSQL, org, id, i.Email, i.Role, i.HoldSeat, i.Status, i.CreateTime, i.ExpireTime, i.Ticket, i.UserID)
	return err
}

// setInvitationUserSQL writes whose the invitation is.
var setInvitationUserSQL = tenancy.Statement{Name: "directory_set_invitation_user", SQL: `
	UPDATE invitations
	   SET user_id = $3
	 WHERE tenant_id = $1
	   AND id = $2`}

func setInvitationUser(ctx context.Context, tx *tenancy.Tx, org, id, user string) error {
	_, err := tenancy.Exec(ctx, tx, setInvitationUserSQL, org, id, user)
	return err
}

var forgetInvitationsSQL = tenancy.Statement{Name: "directory_forget_invitations", SQL: `
	WITH theirs AS (
	    SELECT id, email
	      FROM invitations
	     WHERE tenant_id = $1
	       AND email <> ''
	       AND (lower(email) = ANY ($2) OR user_id = $3)
	       FOR UPDATE
	)
	UPDATE invitations i
	   SET email = ''
	  FROM theirs
	 WHERE i.tenant_id = $1
	   AND i.id = theirs.id
	RETURNING theirs.email AS id`}

// forgetInvitations leaves nothing of the addresses in the tenant's invitations, nor of those
// in the person's own, and returns what it has removed.
func forgetInvitations(ctx context.Context, tx *tenancy.Tx, org, user string, addresses []string) ([]string, error) {
	return tenancy.Column[string](ctx, tx, forgetInvitationsSQL, org, searchKeys(addresses), user)
}

var removeInvitationsSQL = tenancy.Statement{Name: "directory_remove_invitations", SQL: `
	UPDATE invitations
	   SET email = '', status = 'gone', ticket = $2
	 WHERE tenant_id = $1
	   AND ticket < $2
	   AND status <> 'gone'`}

// removeInvitations answers how many there were.
func removeInvitations(ctx context.Context, tx *tenancy.Tx, org string, ticket int64) (int64, error) {
	return tenancy.Exec(ctx, tx, removeInvitationsSQL, org, ticket)
}

// tenantsSQL answers every organization, or every person, that was ever kept, and the
// organizations that only members were kept of.
var tenantsSQL = tenancy.Statement{Name: "directory_select_tenants", SQL: `
	SELECT id
	  FROM directory_tenants
	 WHERE person = $1
	 ORDER BY id`}

func selectTenants(ctx context.Context, tx *tenancy.Tx, people bool) ([]string, error) {
	return tenancy.Column[string](ctx, tx, tenantsSQL, people)
}

type keptMember struct {
	UserID string
	member
}

var selectMembersSQL = tenancy.Statement{Name: "directory_select_members", SQL: `
	SELECT user_id, membership_id, role, name, email, licensed, create_time, role_time, remove_time, ticket
	  FROM members
	 WHERE tenant_id = $1
	   AND user_id > $2
	 ORDER BY user_id
	 LIMIT $3`}

func selectMembers(ctx context.Context, tx *tenancy.Tx, org, after string) ([]keptMember, error) {
	return tenancy.Rows[keptMember](ctx, tx, selectMembersSQL, org, after, oursPage)
}

type keptInvitation struct {
	ID string
	invitation
}

var selectInvitationsSQL = tenancy.Statement{Name: "directory_select_invitations", SQL: `
	SELECT id, email, role, hold_seat, status, create_time, expire_time, user_id, accept_time, ticket
	  FROM invitations
	 WHERE tenant_id = $1
	   AND id > $2
	 ORDER BY id
	 LIMIT $3`}

func selectInvitations(ctx context.Context, tx *tenancy.Tx, org, after string) ([]keptInvitation, error) {
	return tenancy.Rows[keptInvitation](ctx, tx, selectInvitationsSQL, org, after, oursPage)
}
