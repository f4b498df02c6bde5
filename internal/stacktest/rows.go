package stacktest

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Row is a task as a test puts it into the database, past the server.
type Row struct {
	Tenant      string
	ID          string // "": a new one
	Name        string // "": "a task"
	Description string
	Done        bool
	Owner       string // "": user_alice
	Revision    int    // 0: 1
}

// Put writes tasks past the server and returns their ids.
func (s *Stack) Put(rows ...Row) []string {
	s.T.Helper()
	batch := &pgx.Batch{}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = cmp.Or(r.ID, NewID(s.T))
		batch.Queue(`INSERT INTO tasks (tenant_id, id, name, description, done, created_by, updated_by, revision)
			VALUES ($1, $2, $3, $4, $5, $6, $6, $7)`,
			r.Tenant, ids[i], cmp.Or(r.Name, "a task"), r.Description, r.Done,
			cmp.Or(r.Owner, "user_alice"), cmp.Or(r.Revision, 1))
	}
	if err := s.Admin.SendBatch(s.In(), batch).Close(); err != nil {
		s.T.Fatalf("put tasks: %v", err)
	}
	return ids
}

// NewID is an id that no task has.
func NewID(t testing.TB) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// SendBatch changes the database past the server, in one go.
func (s *Stack) SendBatch(batch *pgx.Batch) {
	s.T.Helper()
	if err := s.Admin.SendBatch(s.In(), batch).Close(); err != nil {
		s.T.Fatalf("change the database: %v", err)
	}
}

// Exec changes the database past the server.
func (s *Stack) Exec(sql string, args ...any) {
	s.T.Helper()
	if _, err := s.Admin.Exec(s.In(), sql, args...); err != nil {
		s.T.Fatalf("%s: %v", sql, err)
	}
}

// Count returns the number that the query selects.
func (s *Stack) Count(sql string, args ...any) int {
	s.T.Helper()
	var n int
	if err := s.Admin.QueryRow(s.In(), sql, args...).Scan(&n); err != nil {
		s.T.Fatalf("%s: %v", sql, err)
	}
	return n
}

// tenantTables are the tables whose rows belong to tenants.
func (s *Stack) tenantTables() []string {
	s.T.Helper()
	tables, err := s.Column(`
		SELECT c.relname
		  FROM pg_attribute a
		  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
		  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
		 WHERE a.attname = 'tenant_id' AND NOT a.attisdropped
		 ORDER BY 1`)
	if err != nil || len(tables) < 2 {
		s.T.Fatalf("tables with tenants: %v, %v", tables, err)
	}
	return tables
}

// withoutRowSecurity takes the net away, so that only what statements say keeps
// tenants apart.
func (s *Stack) withoutRowSecurity() *Stack {
	s.T.Helper()
	for _, table := range s.tenantTables() {
		s.Exec(`ALTER TABLE ` + pgx.Identifier{table}.Sanitize() + ` DISABLE ROW LEVEL SECURITY`)
	}
	return s
}

// Snapshot is every row of the tenant, in every table that has tenants but the audit
// log, which has a line also for what changes nothing.
func (s *Stack) Snapshot(tenant string) string {
	s.T.Helper()
	var all strings.Builder
	for _, table := range s.tenantTables() {
		if table == auditTable {
			continue
		}
		rows, err := s.Column(fmt.Sprintf(`SELECT to_jsonb(r)::text FROM %s r WHERE tenant_id = $1 ORDER BY 1`,
			pgx.Identifier{table}.Sanitize()), tenant)
		if err != nil {
			s.T.Fatalf("rows of %s: %v", table, err)
		}
		fmt.Fprintf(&all, "%s\n%s\n", table, strings.Join(rows, "\n"))
	}
	return all.String()
}

const auditTable = "audit_events"

// Column returns the texts that the query selects.
func (s *Stack) Column(sql string, args ...any) ([]string, error) {
	rows, err := s.Admin.Query(s.In(), sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
