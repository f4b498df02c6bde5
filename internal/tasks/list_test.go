package tasks

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// large is how many tasks the large tenant has. Nine of ten tasks are by "many", one is by
// "few" and all others by "some".
var large = pgtest.Scaled(20_000)

func exec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// A page costs the same whatever it is filtered by and wherever it is in the list, and
// whatever the statistics say of the table.
func TestEveryFilterOfTasksReadsItsPageAlone(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	admin, err := pgx.Connect(t.Context(), db.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	exec(t, admin, `ALTER TABLE tasks SET (autovacuum_enabled = off)`)
	exec(t, admin, `SET session_replication_role = replica`)
	exec(t, admin, `
		INSERT INTO tasks (tenant_id, id, name, description, done, created_by, updated_by)
		SELECT 'org_' || i, gen_random_uuid(), 'x', '', i % 2 = 0, 'someone', 'someone'
		  FROM generate_series(1, 500) AS i`)
	exec(t, admin, `ANALYZE tasks`)
	exec(t, admin, `
		INSERT INTO tasks (tenant_id, id, name, description, done, created_by, updated_by)
		SELECT tenant, gen_random_uuid(), 'x', '', CASE tenant WHEN 'done' THEN i % 10000 <> 7 ELSE i % 10000 = 7 END,
		       CASE WHEN i = 3 THEN 'few' WHEN i % 10 = 0 THEN 'some' ELSE 'many' END, 'someone'
		  FROM generate_series(1, $1::integer) AS i, unnest(ARRAY['done', 'open']) AS tenant`, large)
	for _, when := range []string{"with statistics from before the rows", "with new statistics"} {
		for _, tenant := range []string{"done", "open"} {
			for _, createdBy := range []string{"", "many", "some", "few", "nobody"} {
				for _, done := range []*bool{nil, new(true), new(false)} {
					for _, before := range []uuid.UUID{lastPossible, uuid.MustParse("00200000-0000-4000-8000-000000000000")} {
						readsPageAlone(t, db, admin, when, tenant, filter{done, createdBy}, before)
					}
				}
			}
		}
		exec(t, admin, `ANALYZE tasks`)
	}
}

// pageBuffers is how many pages of the table and an index a page of 50 tasks reads at most:
// one for each task, and the way to the first; twice that for one person's, open and done.
const pageBuffers = 51 + 12

func readsPageAlone(t *testing.T, db pgtest.Database, admin *pgx.Conn, when, tenant string, f filter, before uuid.UUID) {
	t.Helper()
	var want int
	err := admin.QueryRow(t.Context(), `
		SELECT least(51, count(*)) FROM tasks
		 WHERE tenant_id = $1 AND ($2 = '' OR created_by = $2) AND ($3::boolean IS NULL OR done = $3) AND id < $4`,
		tenant, f.createdBy, f.done, tenancy.Stored(before)).Scan(&want)
	if err != nil {
		t.Fatal(err)
	}
	statement, args := listOf(tenant, f, before, 51)
	args[1] = before
	if !statement.Listing {
		t.Errorf("%s is not marked as listing", statement.Name)
	}
	most := pageBuffers
	if f.createdBy != "" && f.done == nil {
		most *= 2
	}
	for _, plan := range pgtest.Explain(t, db, pgtest.Explained{Tenant: tenant, Settings: tenancy.ListingSettings(), SQL: statement.SQL, Args: args}) {
		t.Logf("%s, %s %q: %d rows, %d buffers, %s", plan.Mode, tenant, f.binding(), plan.Rows, plan.Buffers, plan.Took)
		if plan.Buffers > most || plan.Rows != want {
			t.Errorf("%s, %s, %q of %s before %s, %s: got %d rows of %d buffers, want %d of at most %d\n%s",
				when, statement.Name, f.binding(), tenant, before, plan.Mode, plan.Rows, plan.Buffers, want, most, plan.Text)
		}
	}
}
