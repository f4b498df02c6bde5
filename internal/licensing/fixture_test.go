package licensing

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

const (
	ours   = "org_ours"
	theirs = "org_theirs"
)

// fixture is the licensing over a database of a test's own. What depends on what is bought
// is tested in package billing, whose fixture has a Stripe and a Clerk in memory.
type fixture struct {
	*Licensing
	t        testing.TB
	database pgtest.Database
	admin    *pgxpool.Pool // a superuser: it sees every tenant's rows
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, database: pgtest.New(t)}
	db, err := tenancy.Open(t.Context(), tenancy.Options{
		URL: f.database.AppURL, Schema: migrations.Latest(), Statements: slices.Concat(Statements, directory.Statements, audit.Statements),
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(db.Close)
	if f.admin, err = pgxpool.New(t.Context(), f.database.AdminURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.admin.Close)
	f.Licensing = New(Options{DB: db, Billing: true, Directory: true})
	return f
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.admin.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

func (f *fixture) texts(sql string, args ...any) []string {
	f.t.Helper()
	rows, err := f.admin.Query(f.t.Context(), sql, args...)
	if err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// boss assigns seats and revokes them.
func boss(org string) tenancy.Actor {
	return tenancy.Actor{
		User: "user_boss", Tenant: org, Organization: tenancy.Organization{ID: org}, Role: "org:admin",
		Permissions: tenancy.AllPermissions, IssuedAt: time.Now(),
	}
}
