package membership

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
)

const many = 10_000

// large is how many members the large organization has.
var large = pgtest.Scaled(20_000)

// smallOrganizations are many with one member and one invitation each.
func (f *fixture) smallOrganizations() {
	f.t.Helper()
	f.exec(`SET session_replication_role = replica`) // what triggers would write is written here
	f.exec(`
		INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, email_first, ticket)
		SELECT 'org_' || i, 'user_' || i, 'orgmem_' || i, 'org:admin', 'X', 'x', 'x@x.test', 'x@x.test', 'x', 1
		  FROM generate_series(1, 500) AS i`)
	f.exec(`INSERT INTO standings (tenant_id, user_id, role) SELECT tenant_id, user_id, role FROM members`)
	f.exec(`
		INSERT INTO invitations (tenant_id, id, email, role, hold_seat, status, create_time, ticket)
		SELECT 'org_' || i, 'orginv_' || i, 'x@x.test', 'org:member', false, 'pending', now(), 1
		  FROM generate_series(1, 500) AS i`)
}

// largeOrganization has nine of ten members with a name that begins with "Person" and an
// address that begins with "mail"; the others are before them and behind them. Three have a
// rare role.
func (f *fixture) largeOrganization() {
	f.t.Helper()
	f.exec(`
		INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, email_first, ticket)
		SELECT $1, 'user_' || i, 'orgmem_' || i, role, name, lower(name), email, email, left(email, 1), 1
		  FROM (SELECT i,
		               CASE WHEN i % 7500 = 7 THEN 'org:rare' WHEN i % 10 = 0 THEN 'org:admin' ELSE 'org:member' END AS role,
		               CASE i % 20 WHEN 0 THEN 'Anna ' WHEN 1 THEN 'Zoe ' ELSE 'Person ' END || lpad(i::text, 6, '0') AS name,
		               CASE WHEN i = 19881 THEN 'mz' WHEN i % 20 = 2 THEN 'person' ELSE 'mail' END || lpad(i::text, 6, '0') || '@x.test' AS email
		          FROM generate_series(1, $2::integer) AS i) AS made
		 ORDER BY md5(i::text)`, ours, large)
	f.exec(`INSERT INTO standings (tenant_id, user_id, role) SELECT tenant_id, user_id, role FROM members WHERE tenant_id = $1`, ours)
	f.exec(`
		INSERT INTO invitations (tenant_id, id, email, role, hold_seat, status, create_time, ticket)
		SELECT $1, 'orginv_' || i, md5(i::text) || '@x.test', 'org:member', false, CASE i % 2 WHEN 0 THEN 'pending' ELSE 'gone' END,
		       now() - i * interval '1 minute', 1
		  FROM generate_series(1, $2::integer) AS i`, ours, large)
}

// crowd fills the organization with many members and invitations, beside a thousand
// small ones.
func (f *fixture) crowd() {
	f.t.Helper()
	f.exec(`
		INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, licensed, ticket)
		SELECT CASE WHEN i <= $2 THEN $1 ELSE 'org_' || i % 1000 END, 'user_' || i, 'orgmem_' || i,
		       CASE i % 10 WHEN 0 THEN 'org:admin' ELSE 'org:member' END,
		       'Name ' || md5(i::text), 'name ' || md5(i::text), md5(i::text) || '@X.test', md5(i::text) || '@x.test', true, 1
		  FROM generate_series(1, 2 * $2) AS i`, ours, many)
	f.exec(`
		INSERT INTO invitations (tenant_id, id, email, role, hold_seat, status, create_time, ticket)
		SELECT CASE WHEN i <= $2 THEN $1 ELSE 'org_' || i % 1000 END, 'orginv_' || i, md5(i::text) || '@x.test', 'org:member', false, 'pending',
		       now() - i * interval '1 minute', 1
		  FROM generate_series(1, 2 * $2) AS i`, ours, many)
	f.exec(`ANALYZE`)
}

// A page costs the same whatever it is filtered by and wherever it is in the list, and
// whatever the statistics say of the tables.
func TestEveryFilterOfMembersReadsItsPageAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`ALTER TABLE members SET (autovacuum_enabled = off)`)
	f.exec(`ALTER TABLE standings SET (autovacuum_enabled = off)`)
	f.exec(`ALTER TABLE invitations SET (autovacuum_enabled = off)`)
	f.smallOrganizations()
	f.exec(`ANALYZE`)
	f.largeOrganization()
	f.readsPagesAlone("with statistics from before the rows")
	f.exec(`ANALYZE`)
	f.readsPagesAlone("with new statistics")
	f.readsWhole(filter{query: "p"}, false)
	f.readsWhole(filter{query: "mail"}, false)
	f.readsWhole(filter{query: "mz"}, false)
	f.readsWhole(filter{query: "person 0001"}, false)
	f.readsWhole(filter{query: "nobody"}, false)
	f.readsWhole(filter{role: "org:rare"}, false)
	f.readsWhole(filter{role: "org:rare", query: "p"}, false)
	f.readsWhole(filter{role: "org:rare", query: "mail"}, true)
	f.readsWhole(filter{role: "org:member", query: "m"}, true)
}

// readsWhole wants the pages of the list to hold everybody whom the filter is for, once and
// in order, though some may be short.
func (f *fixture) readsWhole(by filter, short bool) {
	f.t.Helper()
	rows, err := f.admin.Query(f.t.Context(), `
		SELECT user_id FROM members
		 WHERE tenant_id = $1 AND ($2 = '' OR role = $2) AND (name_key LIKE $3 || '%' OR email_key LIKE $3 || '%')
		 ORDER BY name_key, user_id`, ours, by.role, by.query)
	if err != nil {
		f.t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.t.Fatal(err)
	}
	var got []string
	shorter := false
	for token := ""; ; {
		page, next, err := f.List(f.t.Context(), someone, by, tenancy.Page{Size: 200, Token: token})
		if err != nil {
			f.t.Fatalf("%+v: %v", by, err)
		}
		for _, m := range page {
			got = append(got, m.UserID)
		}
		if token = next; token == "" {
			break
		}
		shorter = shorter || len(page) < 200
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		f.t.Errorf("%+v: %d of %d members (-want +got):\n%.2000s", by, len(got), len(want), diff)
	}
	if shorter != short {
		f.t.Errorf("%+v: got pages that are short: %t, want %t", by, shorter, short)
	}
}

func (f *fixture) readsPagesAlone(when string) {
	f.t.Helper()
	last := f.lastMember()
	invitations := func(before moment) []any { return []any{ours, before.at, before.id, 51} }
	for _, c := range []struct {
		what  string
		by    filter
		after tenancy.Place
		rows  int // at least
	}{
		{"everybody", filter{}, tenancy.Place{}, 51},
		{"everybody, the last", filter{}, last, 50},
		{"a common role", filter{role: "org:member"}, tenancy.Place{}, 51},
		{"a common role, the last", filter{role: "org:member"}, last, 40},
		{"a rare role", filter{role: "org:rare"}, tenancy.Place{}, 3},
		{"a role of nobody", filter{role: "org:nobody"}, tenancy.Place{}, 0},
		{"names of most", filter{query: "p"}, tenancy.Place{}, 51},
		{"names of most, behind them", filter{query: "p"}, last, 0},
		{"names and addresses of most", filter{query: "pe"}, tenancy.Place{}, 51},
		{"addresses of most", filter{query: "mail"}, tenancy.Place{}, 51},
		{"addresses of most, the last", filter{query: "mail"}, last, 40},
		{"addresses of few of a character", filter{query: "mz"}, tenancy.Place{}, 1},
		{"names of few", filter{query: "person 00012"}, tenancy.Place{}, 8},
		{"addresses of few", filter{query: "mail00012"}, tenancy.Place{}, 8},
		{"nobody", filter{query: "nobody"}, tenancy.Place{}, 0},
		{"nobody behind all", filter{query: "\U0010ffff"}, tenancy.Place{}, 0},
		{"a rare role, names of most", filter{role: "org:rare", query: "p"}, tenancy.Place{}, 3},
		{"a rare role, addresses of most", filter{role: "org:rare", query: "mail"}, tenancy.Place{}, 1},
		{"a common role, addresses of most", filter{role: "org:member", query: "mail"}, tenancy.Place{}, 51},
		{"a common role, nobody", filter{role: "org:member", query: "nobody"}, tenancy.Place{}, 0},
	} {
		statement, args := membersOf(ours, c.by, c.after, 51, true)
		most := offIndex
		if c.by.query != "" {
			most = looking
		}
		f.readsPageAlone(when+": "+c.what, statement, args, c.rows, most)
	}
	f.readsPageAlone(when+": invitations", selectInvitationsSQL, invitations(latest), 51, offIndex)
	f.readsPageAlone(when+": the last invitations", selectInvitationsSQL, invitations(moment{time.Now().Add(-time.Duration(large-50) * time.Minute), "x"}), 24, offIndex)
	f.readsPageAlone(when+": roles in use", selectRolesInUseSQL, []any{ours}, 2, offIndex)
}

// A page of 50 members reads this many pages of tables and indexes at most: seven for each
// member and the way to the first, or beside it as many members as a search looks at.
const (
	offIndex = 420
	looking  = offIndex + 1501
)

func (f *fixture) readsPageAlone(what string, s tenancy.Statement, args []any, rows, most int) {
	f.t.Helper()
	if !s.Listing {
		f.t.Errorf("%s: %s is not marked as listing", what, s.Name)
	}
	for _, plan := range pgtest.Explain(f.t, f.database, pgtest.Explained{Tenant: ours, Settings: tenancy.ListingSettings(), SQL: s.SQL, Args: args}) {
		f.t.Logf("%s, %s: %d rows, %d buffers, %s", plan.Mode, what, plan.Rows, plan.Buffers, plan.Took)
		if plan.Buffers > most || plan.Rows < rows {
			f.t.Errorf("%s, %s: got %d rows of %d buffers, want at least %d of at most %d\n%s", what, plan.Mode, plan.Rows, plan.Buffers, rows, most, plan.Text)
		}
	}
}

// lastMember is the place before the last 50.
func (f *fixture) lastMember() (p tenancy.Place) {
	f.t.Helper()
	err := f.admin.QueryRow(f.t.Context(), `SELECT name_key, user_id FROM members WHERE tenant_id = $1
		ORDER BY name_key DESC, user_id DESC OFFSET 50 LIMIT 1`, ours).Scan(&p.Key, &p.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// BenchmarkTenThousand says what pages of a list of ten thousand cost; of-first is how
// much that is of what the first page of members costs.
func BenchmarkTenThousand(b *testing.B) {
	f := newFixture(b)
	f.crowd()
	token := f.db.SealPage(someone, membersList, filter{}.binding(), f.lastMember().Bytes())
	older := f.db.SealPage(someone, invitationsList, nil, moment{time.Now().Add(-(many - 50) * time.Minute), "x"}.bytes())
	members := func(by filter, token string) func() (int, error) {
		return func() (int, error) { return counted(f.List(b.Context(), someone, by, tenancy.Page{Token: token})) }
	}
	invitations := func(token string) func() (int, error) {
		return func() (int, error) { return counted(f.Invitations(b.Context(), someone, tenancy.Page{Token: token})) }
	}
	var first float64 // nanoseconds
	for _, c := range []struct {
		name string
		ask  func() (int, error)
		rows int // -1: not known
	}{
		{"warm", members(filter{}, ""), 50},
		{"members-first", members(filter{}, ""), 50},
		{"members-last", members(filter{}, token), 50},
		{"invitations-first", invitations(""), 50},
		{"invitations-last", invitations(older), 50},
		{"name-of-few", members(filter{query: "name 00a"}, ""), -1},
		{"name-of-all", members(filter{query: "name"}, ""), 50},
		{"address-of-few", members(filter{query: "00a"}, ""), -1},
		{"address-of-many", members(filter{query: "a"}, ""), 50},
		{"role-of-a-tenth", members(filter{role: "org:admin"}, ""), 50},
		{"role-of-nobody", members(filter{role: "org:nobody"}, ""), 0},
		{"roles-in-use", f.rolesInUse, 2},
		{"current", func() (int, error) {
			_, err := f.Current(b.Context(), someone)
			return 0, err
		}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if n, err := c.ask(); err != nil || c.rows >= 0 && n != c.rows {
					b.Fatalf("%d rows, %v; want %d", n, err, c.rows)
				}
			}
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			if c.name == "members-first" {
				first = each
			}
			if first > 0 {
				b.ReportMetric(each/first, "of-first")
			}
		})
	}
}

func (f *fixture) rolesInUse() (n int, err error) {
	err = f.db.Once(f.t.Context(), someone, func(tx *tenancy.Tx) error {
		inUse, err := selectRolesInUse(f.t.Context(), tx, someone)
		n = len(inUse)
		return err
	})
	return n, err
}

func counted[T any](rows []T, _ string, err error) (int, error) { return len(rows), err }
