package audit

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

// large is how many lines the log of the large tenant has, one a second.
var large = pgtest.Scaled(20_000)

var firstLine = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// crowd writes a large log, beside five hundred small ones. Most lines are by "many", of
// method "common", and went well; "rare", "few" and a refusal are few and far between.
func crowd(t *testing.T, admin *pgx.Conn) {
	t.Helper()
	const id = `(lpad(to_hex(floor(extract(epoch FROM time) * 1000)::bigint), 12, '0') || '-7' || substr(gen_random_uuid()::text, 16))::uuid`
	for _, c := range []struct {
		sql  string
		args []any
	}{
		{`ALTER TABLE audit_events SET (autovacuum_enabled = off)`, nil},
		{`INSERT INTO audit_events (tenant_id, actor, impersonator, method, target, outcome, reason, request_id, details)
		  SELECT 'org_' || i, 'someone', '', 'some', '', 'ok', '', '', '{}' FROM generate_series(1, 500) AS i`, nil},
		{`ANALYZE audit_events`, nil},
		{`INSERT INTO audit_events (tenant_id, id, time, actor, impersonator, method, target, outcome, reason, request_id, details)
		  SELECT 'large', ` + id + `, time, actor, '', method, '', outcome, '', '', '{}'
		    FROM (SELECT $1::timestamptz + i * interval '1 second' AS time,
		                 CASE WHEN i % 9000 = 5 THEN 'few' WHEN i % 3 = 0 THEN 'some' ELSE 'many' END AS actor,
		                 CASE WHEN i % 7000 = 5 THEN 'rare' WHEN i % 3 = 1 THEN 'usual' ELSE 'common' END AS method,
		                 CASE WHEN i % 8000 IN (7, 8, 9) THEN 'not_found' WHEN i % 4 = 0 THEN 'aborted' ELSE 'ok' END AS outcome
		            FROM generate_series(1, $2::integer) AS i) AS made`, []any{firstLine, large}},
	} {
		if _, err := admin.Exec(t.Context(), c.sql, c.args...); err != nil {
			t.Fatalf("%s: %v", c.sql, err)
		}
	}
}

// A page looks at a bounded number of lines, whatever it is filtered by and whatever the
// statistics say of the table; all pages together hold every line.
func TestEveryFilterOfTheLogLooksAtFewLines(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t)
	admin, err := pgx.Connect(t.Context(), database.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	db, err := tenancy.Open(t.Context(), tenancy.Options{URL: database.AppURL, Schema: migrations.Latest(), Statements: Statements})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	crowd(t, admin)
	since, until := firstLine.Add(7000500*time.Millisecond), firstLine.Add(14000500*time.Millisecond)
	var filters []filter
	for _, actor := range []string{"", "many", "few", "nobody"} {
		for _, method := range []string{"", "common", "rare", "none"} {
			for _, outcome := range []string{"", "ok", "aborted", "not_found", "unknown"} {
				filters = append(filters, filter{actor: actor, method: method, outcome: outcome})
			}
		}
	}
	for _, f := range []filter{{}, {actor: "many"}, {method: "rare"}, {outcome: "not_found"}, {actor: "many", method: "rare"}, {actor: "many", outcome: "aborted"}} {
		f.since, f.until = &since, &until
		filters = append(filters, f)
	}
	for _, when := range []string{"with statistics from before the rows", "with new statistics"} {
		for _, f := range filters {
			looksAtFew(t, database, when, f)
		}
		if _, err := admin.Exec(t.Context(), `ANALYZE audit_events`); err != nil {
			t.Fatal(err)
		}
	}
	log := &Log{db: db}
	for _, f := range filters {
		readsWhole(t, log, admin, f)
	}
	// What is rare is on the first page, wherever it is in the log.
	for _, f := range []filter{
		{actor: "few"}, {method: "rare"}, {outcome: "not_found"}, {actor: "few", method: "usual"}, {actor: "many", method: "rare"},
		{actor: "few", method: "rare"}, {actor: "many", outcome: "not_found"}, {method: "common", outcome: "not_found"}, {actor: "few", outcome: "ok"},
	} {
		page, _, err := log.list(t.Context(), tenancy.System("large", "test"), f, tenancy.Page{Size: 50})
		if want := linesFor(t, admin, f); err != nil || len(page) != want {
			t.Errorf("%q: the first page has %d lines, %v; want all %d", f.binding(), len(page), err, want)
		}
	}
}

// Where an index leads to the lines, a page of 50 reads one page of the table for each and
// the way to the first; elsewhere it looks at 1,000 lines, by two indexes at most.
const (
	offIndex = 51 + 20
	looking  = offIndex + 2*1000 + 40
)

func looksAtFew(t *testing.T, database pgtest.Database, when string, f filter) {
	t.Helper()
	statement, args := eventsOf("large", f, f.highest(), 51)
	args[1], args[2] = f.highest(), f.lowest()
	if !statement.Listing {
		t.Errorf("%s is not marked as listing", statement.Name)
	}
	named := 0
	for _, condition := range []string{f.actor, f.method, f.outcome} {
		if condition != "" {
			named++
		}
	}
	most := looking
	if named == 0 || named == 1 && f.outcome != succeeded {
		most = offIndex
	}
	if f.since != nil {
		most = looking // it looks for lines that are older than the period
	}
	for _, plan := range pgtest.Explain(t, database, pgtest.Explained{Tenant: "large", Settings: tenancy.ListingSettings(), SQL: statement.SQL, Args: args}) {
		t.Logf("%s, %q: %d rows, %d buffers, %s", plan.Mode, f.binding(), plan.Rows, plan.Buffers, plan.Took)
		if plan.Buffers > most {
			t.Errorf("%s, %s, %q, %s: got %d rows of %d buffers, want at most %d\n%s", when, statement.Name, f.binding(), plan.Mode, plan.Rows, plan.Buffers, most, plan.Text)
		}
	}
}

// readsWhole wants the pages to hold every line that the filter is for, once and newest
// first, though some may be short.
func readsWhole(t *testing.T, log *Log, admin *pgx.Conn, f filter) {
	t.Helper()
	got, want := 0, linesFor(t, admin, f)
	before := uuid.Max
	for token := ""; ; {
		page, next, err := log.list(t.Context(), tenancy.System("large", "test"), f, tenancy.Page{Size: 200, Token: token})
		if err != nil {
			t.Fatalf("%q: %v", f.binding(), err)
		}
		for _, e := range page {
			if id := uuid.UUID(e.ID.Bytes); cmp.Compare(id.String(), before.String()) >= 0 {
				t.Fatalf("%q: %s comes behind %s", f.binding(), id, before)
			} else {
				before = id
			}
			if f.actor != "" && e.Actor != f.actor || f.method != "" && e.Method != f.method || f.outcome != "" && e.Outcome != f.outcome {
				t.Fatalf("%q: got %+v", f.binding(), e)
			}
		}
		got += len(page)
		if token = next; token == "" {
			break
		}
	}
	if got != want {
		t.Errorf("%q: got %d lines, want %d", f.binding(), got, want)
	}
}

// linesFor is how many lines the filter is for.
func linesFor(t *testing.T, admin *pgx.Conn, f filter) (n int) {
	t.Helper()
	err := admin.QueryRow(t.Context(), `
		SELECT count(*) FROM audit_events
		 WHERE tenant_id = 'large' AND ($1 = '' OR actor = $1) AND ($2 = '' OR method = $2) AND ($3 = '' OR outcome = $3)
		   AND ($4::timestamptz IS NULL OR time >= $4) AND ($5::timestamptz IS NULL OR time < $5)`,
		f.actor, f.method, f.outcome, f.since, f.until).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
