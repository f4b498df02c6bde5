package membership

import (
	"cmp"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

const (
	ours   = "org_ours"
	theirs = "org_theirs"
)

var adminRoles = []string{"org:admin"}

// fixture is the membership over a database of a test's own.
type fixture struct {
	*Membership
	t        testing.TB
	database pgtest.Database
	admin    *pgx.Conn // a superuser: it sees every tenant's rows
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return newFixtureWith(t, func(context.Context) ([]clerk.Role, error) { return nil, nil })
}

func newFixtureWith(t testing.TB, roles func(context.Context) ([]clerk.Role, error)) *fixture {
	t.Helper()
	f := &fixture{t: t, database: pgtest.New(t)}
	db, err := tenancy.Open(t.Context(), tenancy.Options{URL: f.database.AppURL, Schema: migrations.Latest(), Statements: Statements})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(db.Close)
	f.admin = f.connect(f.database.AdminURL)
	f.Membership = New(Options{DB: db, Roles: roles, AdminRoles: adminRoles, Holds: holds})
	return f
}

func holds(role string, given tenancy.Permissions) tenancy.Permissions {
	return rbac.Roles{Admin: adminRoles}.Of(role, given)
}

func (f *fixture) connect(url string) *pgx.Conn {
	f.t.Helper()
	conn, err := pgx.Connect(f.t.Context(), url)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.admin.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

// put writes members of the organization past the directory: each as the directory
// would. An empty role is org:member.
func (f *fixture) put(org string, members ...member) {
	f.t.Helper()
	batch := &pgx.Batch{}
	for _, m := range members {
		batch.Queue(`
			INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, licensed, ticket)
			VALUES ($1, $2, 'orgmem_1', $3, $4, $5, $6, $7, $8, 1)
			ON CONFLICT (tenant_id, user_id) DO UPDATE
			   SET role = excluded.role, name = excluded.name, name_key = excluded.name_key, email = excluded.email,
			       email_key = excluded.email_key, licensed = excluded.licensed, remove_time = NULL`,
			org, m.UserID, cmp.Or(m.Role, "org:member"), m.Name, tenancy.SearchKey(m.Name), m.Email, tenancy.SearchKey(m.Email), m.Licensed)
	}
	if err := f.admin.SendBatch(f.t.Context(), batch).Close(); err != nil {
		f.t.Fatalf("put members: %v", err)
	}
}

// named are members of those names, whose ids are user_ and their number from first on.
func named(first int, names ...string) []member {
	var all []member
	for i, name := range names {
		all = append(all, member{UserID: fmt.Sprintf("user_%03d", first+i), Name: name})
	}
	return all
}

func (f *fixture) remove(org, user string) {
	f.t.Helper()
	f.exec(`UPDATE members SET name = '', name_key = '', email = '', email_key = '', remove_time = now() WHERE tenant_id = $1 AND user_id = $2`, org, user)
}

// invite writes invitations of the organization past the directory.
func (f *fixture) invite(org string, invitations ...invitation) {
	f.t.Helper()
	batch := &pgx.Batch{}
	for _, i := range invitations {
		batch.Queue(`
			INSERT INTO invitations (tenant_id, id, email, role, hold_seat, status, create_time, expire_time, ticket)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)`,
			org, i.ID, i.Email, i.Role, i.HoldSeat, i.Status, i.CreateTime, i.ExpireTime)
	}
	if err := f.admin.SendBatch(f.t.Context(), batch).Close(); err != nil {
		f.t.Fatalf("put invitations: %v", err)
	}
}

// person is a member of the organization with that role and no more permissions than to
// see members.
func person(org, user, role string) tenancy.Actor {
	return tenancy.Actor{
		User: user, Tenant: org, Organization: tenancy.Organization{ID: org, Slug: "of-the-token"}, Role: role,
		Permissions: tenancy.MembersView, IssuedAt: time.Now(),
	}
}

var someone = person(ours, "user_someone", "org:member")

// pages reads the list from p on to its end, and answers who is in it by page. Between
// is called before each page but the first.
func (f *fixture) pages(actor tenancy.Actor, by filter, size int, between func()) [][]string {
	f.t.Helper()
	var all [][]string
	for token := ""; ; {
		found, next, err := f.List(f.t.Context(), actor, by, tenancy.Page{Size: size, Token: token})
		if err != nil {
			f.t.Fatalf("list: %v", err)
		}
		users := []string{}
		for _, m := range found {
			users = append(users, m.UserID)
		}
		all = append(all, users)
		if token = next; token == "" {
			return all
		}
		if between != nil {
			between()
		}
	}
}

// everybody reads the list in one page.
func (f *fixture) everybody(actor tenancy.Actor, by filter) []string {
	f.t.Helper()
	all := f.pages(actor, by, 200, nil)
	if len(all) != 1 {
		f.t.Fatalf("%d pages, want 1", len(all))
	}
	return all[0]
}
