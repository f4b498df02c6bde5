package tenancy_test

import (
	"context"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

// patience is how long a test waits for something that is bound to happen.
const patience = 30 * time.Second

// The statements of these tests. They read without naming a tenant, so that what
// they show is what row security lets through.
var (
	addTask = tenancy.Statement{Name: "test_add", SQL: `
		INSERT INTO tasks (tenant_id, id, name, description, created_by, updated_by)
		VALUES ($1, $2, $3, '', $4, $4)`}
	readTasks = tenancy.Statement{Name: "test_read", SQL: `
		SELECT tenant_id, name
		  FROM tasks
		 ORDER BY tenant_id, name`}
	renameTasks = tenancy.Statement{Name: "test_rename", SQL: `
		UPDATE tasks
		   SET name = $1`}
	readScope = tenancy.Statement{Name: "test_scope", SQL: `
		SELECT coalesce(current_setting('app.tenant_id', true), '') AS tenant,
		       coalesce(current_setting('app.user_id', true), '') AS person,
		       pg_backend_pid() AS backend`}
	divide = tenancy.Statement{Name: "test_divide", SQL: `SELECT 1 / $1::integer AS quotient`}
	pause  = tenancy.Statement{Name: "test_pause", SQL: `
		SELECT true AS over
		  FROM pg_sleep($1::double precision)`}

	testStatements = []tenancy.Statement{addTask, readTasks, renameTasks, readScope, divide, pause}
)

type taskRow struct {
	TenantID string
	Name     string
}

type scopeRow struct {
	Tenant  string
	Person  string
	Backend int32
}

func person(tenant string) tenancy.Actor {
	return tenancy.Actor{User: "user_of_" + tenant, Tenant: tenant, Organization: tenancy.Organization{ID: tenant}}
}

// withParameters answers address with more parameters, name and value by turns.
func withParameters(t *testing.T, address string, pairs ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	for pair := range slices.Chunk(pairs, 2) {
		query.Set(pair[0], pair[1])
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func openAt(t *testing.T, address string) *tenancy.DB {
	t.Helper()
	db, err := tenancy.Open(t.Context(), tenancy.Options{URL: address, Schema: migrations.Latest(), Statements: testStatements})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// openOne opens a pool of one connection.
func openOne(t *testing.T, address string) *tenancy.DB {
	t.Helper()
	return openAt(t, withParameters(t, address, "pool_max_conns", "1"))
}

func connectAt(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func runSQL(t *testing.T, conn *pgx.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func one[T any](t *testing.T, conn *pgx.Conn, query string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// until waits for something that nothing reports.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-timeout.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func add(ctx context.Context, tx *tenancy.Tx, tenant, name string) error {
	_, err := tenancy.Exec(ctx, tx, addTask, tenant, uuid.New(), name, "user_1")
	return err
}

func mustAdd(t *testing.T, db *tenancy.DB, tenant, name string) {
	t.Helper()
	err := db.Once(t.Context(), person(tenant), func(tx *tenancy.Tx) error { return add(t.Context(), tx, tenant, name) })
	if err != nil {
		t.Fatalf("add a task: %v", err)
	}
}

// tasksOf answers the names of the tasks that the actor sees, and fails t when one of
// them belongs to another tenant.
func tasksOf(t *testing.T, db *tenancy.DB, a tenancy.Actor) []string {
	t.Helper()
	var names []string
	err := db.Once(t.Context(), a, func(tx *tenancy.Tx) error {
		rows, err := tenancy.Rows[taskRow](t.Context(), tx, readTasks)
		for _, r := range rows {
			if r.TenantID != a.Tenant {
				t.Errorf("%s sees a row of %s", a.Tenant, r.TenantID)
			}
			names = append(names, r.Name)
		}
		return err
	})
	if err != nil {
		t.Fatalf("read tasks: %v", err)
	}
	return names
}

func scopeOf(t *testing.T, db *tenancy.DB, a tenancy.Actor) scopeRow {
	t.Helper()
	var rows []scopeRow
	err := db.Once(t.Context(), a, func(tx *tenancy.Tx) (err error) {
		rows, err = tenancy.Rows[scopeRow](t.Context(), tx, readScope)
		return err
	})
	if err != nil || len(rows) != 1 {
		t.Fatalf("read the scope: got %d rows, %v", len(rows), err)
	}
	return rows[0]
}

// countTasks counts all tasks, of every tenant.
func countTasks(t *testing.T, db pgtest.Database) int {
	t.Helper()
	return one[int](t, connectAt(t, db.AdminURL), `SELECT count(*) FROM tasks`)
}
