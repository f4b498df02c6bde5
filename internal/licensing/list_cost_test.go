package licensing

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// large is how many members a large organization has.
var large = pgtest.Scaled(12_000)

// crowds fills two organizations beside many small ones: ours, where all but three members
// hold a seat, and theirs, where three do. Nine of ten members have a name that begins with
// "Person" and an address that begins with "mail".
func (f *fixture) crowds() {
	f.t.Helper()
	conn, err := f.admin.Acquire(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Release()
	exec := func(sql string, args ...any) {
		f.t.Helper()
		if _, err := conn.Exec(f.t.Context(), sql, args...); err != nil {
			f.t.Fatalf("%s: %v", sql, err)
		}
	}
	exec(`SET session_replication_role = replica`) // what triggers would write is written here
	defer exec(`RESET session_replication_role`)
	for _, table := range []string{"members", "standings", "seats"} {
		exec(`ALTER TABLE ` + table + ` SET (autovacuum_enabled = off)`)
	}
	exec(`
		INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, email_first, ticket)
		SELECT 'org_' || i, 'user_' || i, 'orgmem_' || i, 'org:admin', 'X', 'x', 'x@x.test', 'x@x.test', 'x', 1
		  FROM generate_series(1, 500) AS i`)
	exec(`INSERT INTO standings (tenant_id, user_id, role) SELECT tenant_id, user_id, role FROM members`)
	exec(`ANALYZE`)
	exec(`
		INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, email_first, holds_seat, ticket)
		SELECT org, 'user_' || i, 'orgmem_' || i, 'org:member', name, lower(name), email, email, left(email, 1), (i % 5000 = 7) <> (org = $1), 1
		  FROM (SELECT i,
		               CASE i % 20 WHEN 0 THEN 'Anna ' WHEN 1 THEN 'Zoe ' ELSE 'Person ' END || lpad(i::text, 6, '0') AS name,
		               CASE WHEN i % 20 = 2 THEN 'person' ELSE 'mail' END || lpad(i::text, 6, '0') || '@x.test' AS email
		          FROM generate_series(1, $3::integer) AS i) AS made, unnest(ARRAY[$1::text, $2::text]) AS org
		 ORDER BY md5(i::text)`, ours, theirs, large)
	exec(`INSERT INTO standings (tenant_id, user_id, role, seated) SELECT tenant_id, user_id, role, holds_seat FROM members WHERE tenant_id IN ($1, $2)`, ours, theirs)
	exec(`INSERT INTO seats (tenant_id, user_id, assigned_by) SELECT tenant_id, user_id, 'user_boss' FROM members WHERE holds_seat`)
}

// A page costs the same whatever it is filtered by and wherever it is in the list, and
// whatever the statistics say of the tables.
func TestEveryFilterOfSeatsReadsItsPageAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.crowds()
	for _, when := range []string{"with statistics from before the rows", "with new statistics"} {
		for _, org := range []string{ours, theirs} {
			for _, licensed := range []*bool{nil, new(true), new(false)} {
				for _, query := range []string{"", "p", "mail", "mail00012", "nobody"} {
					for _, after := range []tenancy.Place{{}, {Key: "zoe 010001", ID: "user_10001"}} {
						f.readsPageAlone(when, org, Filter{licensed, query}, after)
					}
				}
			}
		}
		f.exec(`ANALYZE`)
	}
	for _, org := range []string{ours, theirs} {
		for _, licensed := range []*bool{new(true), new(false)} {
			for _, query := range []string{"", "p", "mail"} {
				f.readsWhole(org, Filter{licensed, query})
			}
		}
	}
}

// A page of 50 members reads this many pages of tables and indexes at most: eight for each
// member and the way to the first, or beside it as many members as a search looks at.
const (
	offIndex = 460
	looking  = offIndex + 1501
)

func (f *fixture) readsPageAlone(when, org string, by Filter, after tenancy.Place) {
	f.t.Helper()
	statement, args := seatsOf(org, by, after, 51)
	if !statement.Listing {
		f.t.Errorf("%s is not marked as listing", statement.Name)
	}
	most := offIndex
	if by.Query != "" {
		most = looking
	}
	for _, plan := range pgtest.Explain(f.t, f.database, pgtest.Explained{Tenant: org, Settings: tenancy.ListingSettings(), SQL: statement.SQL, Args: args}) {
		f.t.Logf("%s, %s %q: %d rows, %d buffers, %s", plan.Mode, org, by.binding(), plan.Rows, plan.Buffers, plan.Took)
		if plan.Buffers > most {
			f.t.Errorf("%s, %s, %s of %s behind %q, %s: got %d rows of %d buffers, want at most %d\n%s",
				when, statement.Name, by.binding(), org, after.Key, plan.Mode, plan.Rows, plan.Buffers, most, plan.Text)
		}
	}
}

// readsWhole wants the pages of the list to hold everybody whom the filter is for, once and
// in order, though some may be short.
func (f *fixture) readsWhole(org string, by Filter) {
	f.t.Helper()
	want := f.texts(`
		SELECT m.user_id FROM members m
		 WHERE tenant_id = $1
		   AND ($2::boolean IS NULL OR $2 = EXISTS (SELECT FROM seats s WHERE s.tenant_id = m.tenant_id AND s.user_id = m.user_id))
		   AND (name_key LIKE $3 || '%' OR email_key LIKE $3 || '%')
		 ORDER BY name_key, user_id`, org, by.Licensed, by.Query)
	var got []string
	for token := ""; ; {
		page, next, err := f.List(f.t.Context(), boss(org), by, tenancy.Page{Size: 200, Token: token})
		if err != nil {
			f.t.Fatalf("%s: %v", by.binding(), err)
		}
		for _, s := range page {
			got = append(got, s.UserID)
			if by.Licensed != nil && s.Held() != *by.Licensed {
				f.t.Fatalf("%s: got %s, whose seat is another", by.binding(), s.UserID)
			}
		}
		if token = next; token == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		f.t.Errorf("%s of %s: %d of %d members (-want +got):\n%.2000s", by.binding(), org, len(got), len(want), diff)
	}
}
