package main

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// row is a task as a test puts it into the database, past the server.
type row struct {
	tenant      string
	id          string // "": a new one
	name        string // "": "a task"
	description string
	done        bool
	owner       string // "": user_alice
	revision    int    // 0: 1
}

// put writes tasks past the server and answers their ids.
func (s *stack) put(rows ...row) []string {
	s.t.Helper()
	batch := &pgx.Batch{}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = cmp.Or(r.id, newID(s.t))
		batch.Queue(`INSERT INTO tasks (tenant_id, id, name, description, done, created_by, updated_by, revision)
			VALUES ($1, $2, $3, $4, $5, $6, $6, $7)`,
			r.tenant, ids[i], cmp.Or(r.name, "a task"), r.description, r.done,
			cmp.Or(r.owner, "user_alice"), cmp.Or(r.revision, 1))
	}
	if err := s.admin.SendBatch(s.in(), batch).Close(); err != nil {
		s.t.Fatalf("put tasks: %v", err)
	}
	return ids
}

// newID is an id that no task has.
func newID(t testing.TB) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// sendBatch changes the database past the server, in one go.
func (s *stack) sendBatch(batch *pgx.Batch) {
	s.t.Helper()
	if err := s.admin.SendBatch(s.in(), batch).Close(); err != nil {
		s.t.Fatalf("change the database: %v", err)
	}
}

// exec changes the database past the server.
func (s *stack) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.admin.Exec(s.in(), sql, args...); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

// count answers the number that the query selects.
func (s *stack) count(sql string, args ...any) int {
	s.t.Helper()
	var n int
	if err := s.admin.QueryRow(s.in(), sql, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// tenantTables are the tables whose rows belong to tenants.
func (s *stack) tenantTables() []string {
	s.t.Helper()
	tables, err := s.column(`
		SELECT c.relname
		  FROM pg_attribute a
		  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
		  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
		 WHERE a.attname = 'tenant_id' AND NOT a.attisdropped
		 ORDER BY 1`)
	if err != nil || len(tables) < 2 {
		s.t.Fatalf("tables with tenants: %v, %v", tables, err)
	}
	return tables
}

// withoutRowSecurity takes the net away, so that only what statements say keeps
// tenants apart.
func (s *stack) withoutRowSecurity() *stack {
	s.t.Helper()
	for _, table := range s.tenantTables() {
		s.exec(`ALTER TABLE ` + pgx.Identifier{table}.Sanitize() + ` DISABLE ROW LEVEL SECURITY`)
	}
	return s
}

// snapshot is every row of the tenant, in every table that has tenants but the audit
// log, which has a line also for what changes nothing.
func (s *stack) snapshot(tenant string) string {
	s.t.Helper()
	var all strings.Builder
	for _, table := range s.tenantTables() {
		if table == auditTable {
			continue
		}
		rows, err := s.column(fmt.Sprintf(`SELECT to_jsonb(r)::text FROM %s r WHERE tenant_id = $1 ORDER BY 1`,
			pgx.Identifier{table}.Sanitize()), tenant)
		if err != nil {
			s.t.Fatalf("rows of %s: %v", table, err)
		}
		fmt.Fprintf(&all, "%s\n%s\n", table, strings.Join(rows, "\n"))
	}
	return all.String()
}

const auditTable = "audit_events"

func (s *stack) column(sql string, args ...any) ([]string, error) {
	rows, err := s.admin.Query(s.in(), sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
