package membership

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const many = 10_000

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

// plan explains the statement as the runtime role runs it, prepared and with a plan that
// is good for any arguments.
func (f *fixture) plan(s tenancy.Statement, args ...any) string {
	f.t.Helper()
	conn := f.connect(f.database.AppURL)
	for _, set := range []string{`SET plan_cache_mode = force_generic_plan`, `SELECT set_config('app.tenant_id', '` + ours + `', false)`, `PREPARE it AS ` + s.SQL} {
		if _, err := conn.Exec(f.t.Context(), set); err != nil {
			f.t.Fatal(err)
		}
	}
	var literals []string
	for _, arg := range args {
		literals = append(literals, fmt.Sprintf("'%v'", arg))
	}
	rows, err := conn.Query(f.t.Context(), `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) EXECUTE it (`+strings.Join(literals, ", ")+`)`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		f.t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// A page costs the same wherever it is in the list: it is read off an index, and nothing
// is sorted.
func TestPagesAreReadOffAnIndexInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.crowd()
	last := f.lastMember()
	for what, c := range map[string]struct {
		statement tenancy.Statement
		args      []any
		index     string
	}{
		"first members":     {selectMembersSQL, []any{ours, "", "", "", 51, true}, "members_by_name"},
		"last members":      {selectMembersSQL, []any{ours, last.Key, last.ID, "", 51, true}, "members_by_name"},
		"first invitations": {selectInvitationsSQL, []any{ours, "9999-12-31", "", 51}, "invitations_newest"},
		"last invitations":  {selectInvitationsSQL, []any{ours, time.Now().AddDate(0, 0, -7).UTC().Format(time.RFC3339), "", 51}, "invitations_newest"},
	} {
		plan := f.plan(c.statement, c.args...)
		if strings.Contains(plan, "Sort") || strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, c.index) || strings.Contains(plan, "Rows Removed") {
			t.Errorf("%s:\n%s", what, plan)
		}
	}
	plan := f.plan(searchMembersSQL, ours, "", "", "", 51, true, "name 00", "name 01")
	if strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, "members_by_name") || !strings.Contains(plan, "members_by_email") {
		t.Errorf("a search:\n%s", plan)
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
