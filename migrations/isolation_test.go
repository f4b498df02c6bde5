package migrations_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/teamtask/teamtask/internal/pgtest"
)

// samples are values for columns that take only some, "table.column": value.
var samples = map[string]string{}

// column is a column that a row must have a value for.
type column struct {
	Name string
	Type string
	Key  bool // part of the primary key
}

func confinedTables(t *testing.T, q querier) []string {
	t.Helper()
	return list[string](t, q, `
		SELECT relname
		  FROM pg_class
		 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> ALL ($1)
		 ORDER BY relname`, slices.Sorted(maps.Keys(shared)))
}

func columnsOf(t *testing.T, q querier, table string) []column {
	t.Helper()
	rows, err := q.Query(t.Context(), `
		SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, coalesce(a.attnum = ANY (i.indkey), false) AS key
		  FROM pg_attribute a
		  LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
		 WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
		   AND a.attgenerated = '' AND a.attidentity <> 'a'
		   AND (a.attnotnull AND NOT a.atthasdef OR a.attnum = ANY (i.indkey))
		 ORDER BY a.attnum`, table)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByName[column])
	if err != nil {
		t.Fatal(err)
	}
	return columns
}

// rowOf is row number n of the tenant, as the text of a JSON object. Two tenants have
// the same ids.
func rowOf(t *testing.T, columns []column, table, tenant string, n int) string {
	t.Helper()
	row := map[string]any{}
	for _, c := range columns {
		row[c.Name] = valueOf(t, table, c, n)
	}
	row["tenant_id"] = tenant
	text, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func valueOf(t *testing.T, table string, c column, n int) any {
	t.Helper()
	if v, ok := samples[table+"."+c.Name]; ok {
		return v
	}
	switch c.Type {
	case "text", "character varying", "character":
		return fmt.Sprintf("x%d", n)
	case "uuid":
		return fmt.Sprintf("00000000-0000-7000-8000-%012d", n)
	case "boolean":
		return true
	case "smallint", "integer", "bigint", "numeric", "double precision", "real":
		return n
	case "timestamp with time zone", "timestamp without time zone", "date":
		return fmt.Sprintf("2026-01-%02d", n)
	case "interval":
		return "1 day"
	case "bytea":
		return `\x` + strings.Repeat(fmt.Sprintf("%02x", n), 32)
	case "json", "jsonb":
		return map[string]any{}
	}
	if strings.HasSuffix(c.Type, "[]") {
		return []any{}
	}
	t.Fatalf("column %s.%s: no value of type %s is known here; add one", table, c.Name, c.Type)
	return nil
}

// insertInto is the statement that inserts the JSON object $1.
func insertInto(columns []column, table string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = pgx.Identifier{c.Name}.Sanitize()
	}
	all := strings.Join(names, ", ")
	name := pgx.Identifier{table}.Sanitize()
	return `INSERT INTO ` + name + ` (` + all + `) SELECT ` + all + ` FROM jsonb_populate_record(NULL::` + name + `, $1::jsonb)`
}

// scopeToA scopes what follows in the transaction to A.
func scopeToA(t *testing.T, q querier) {
	t.Helper()
	run(t, q, `SELECT set_config('app.tenant_id', 'A', true)`)
}

func may(t *testing.T, q querier, table, privilege string) bool {
	t.Helper()
	return one[bool](t, q, `SELECT has_table_privilege($1, $2)`, table, privilege)
}

// occupied is a database with a row of A and one of B, of the same ids, in every
// confined table.
func occupied(t *testing.T) (base pgtest.Database, tables map[string][]column) {
	t.Helper()
	base = pgtest.New(t)
	admin := connect(t, base.AdminURL)
	run(t, admin, `SET session_replication_role = replica`) // foreign keys do not matter here
	tables = map[string][]column{}
	for _, table := range confinedTables(t, admin) {
		columns := columnsOf(t, admin, table)
		tables[table] = columns
		for _, tenant := range []string{"A", "B"} {
			run(t, admin, insertInto(columns, table), rowOf(t, columns, table, tenant, 1))
		}
	}
	run(t, admin, `UPDATE licenses SET assigned = 1, held = 1`) // as triggers would have counted
	return base, tables
}

// TestUnscopedSeesNothing is C03 and C07.
func TestUnscopedSeesNothing(t *testing.T) {
	t.Parallel()
	base, tables := occupied(t)
	conn := connect(t, base.AppURL)
	nothing := func(when string) {
		t.Helper()
		for table := range tables {
			name := pgx.Identifier{table}.Sanitize()
			if n := one[int](t, conn, `SELECT count(*) FROM `+name); n != 0 {
				t.Errorf("%s: got %d rows of %s, want 0", when, n, table)
			}
			if may(t, conn, table, "UPDATE") {
				if n := run(t, conn, `UPDATE `+name+` SET tenant_id = tenant_id`); n != 0 {
					t.Errorf("%s: changed %d rows of %s", when, n, table)
				}
			}
			if may(t, conn, table, "DELETE") {
				if n := run(t, conn, `DELETE FROM `+name); n != 0 {
					t.Errorf("%s: deleted %d rows of %s", when, n, table)
				}
			}
			if may(t, conn, table, "INSERT") {
				denied(t, conn, insertInto(tables[table], table), rowOf(t, tables[table], table, "A", 2))
				denied(t, conn, insertInto(tables[table], table), rowOf(t, tables[table], table, "", 2))
			}
		}
	}
	if one[bool](t, conn, `SELECT current_setting('app.tenant_id', true) IS NOT NULL`) {
		t.Error("a new connection has a scope")
	}
	nothing("on a new connection")
	for _, end := range []string{`COMMIT`, `ROLLBACK`} {
		run(t, conn, `BEGIN`)
		scopeToA(t, conn)
		run(t, conn, end)
		if end == `COMMIT` && one[string](t, conn, `SELECT current_setting('app.tenant_id', true)`) != "" {
			t.Error("the setting of a reused connection is not empty: this test tests nothing")
		}
		nothing("after " + end)
	}
	run(t, conn, `SELECT set_config('app.tenant_id', '', false)`)
	nothing("with an empty scope")

	admin := connect(t, base.AdminURL)
	for table := range tables {
		if n := one[int](t, admin, `SELECT count(*) FROM `+pgx.Identifier{table}.Sanitize()); n != 2 {
			t.Errorf("got %d rows of %s, want those 2 that were there", n, table)
		}
	}
}

// TestOwnerIsBoundToo is C01: FORCE.
func TestOwnerIsBoundToo(t *testing.T) {
	t.Parallel()
	base, tables := occupied(t)
	conn := connect(t, base.OwnerURL)
	for table := range tables {
		if n := one[int](t, conn, `SELECT count(*) FROM `+pgx.Identifier{table}.Sanitize()); n != 0 {
			t.Errorf("the owner sees %d rows of %s, want 0", n, table)
		}
	}
}

// TestScopedSeesItsOwn is C08 and the rest of confinement, for every table.
func TestScopedSeesItsOwn(t *testing.T) {
	t.Parallel()
	base, tables := occupied(t)
	conn := connect(t, base.AppURL)
	for table, columns := range tables {
		name := pgx.Identifier{table}.Sanitize()
		within(t, conn, func(tx pgx.Tx) {
			scopeToA(t, tx)
			if got := list[string](t, tx, `SELECT tenant_id FROM `+name); len(got) != 1 || got[0] != "A" {
				t.Errorf("%s: A sees the rows of %q", table, got)
			}
			if n := one[int](t, tx, `SELECT count(*) FROM `+name+` WHERE tenant_id = 'B'`); n != 0 {
				t.Errorf("%s: A sees %d rows of B by asking for them", table, n)
			}
			if may(t, tx, table, "UPDATE") {
				if n := run(t, tx, `UPDATE `+name+` SET tenant_id = tenant_id WHERE tenant_id = 'B'`); n != 0 {
					t.Errorf("%s: A changed %d rows of B", table, n)
				}
				if n := run(t, tx, `UPDATE `+name+` SET tenant_id = tenant_id`); n != 1 {
					t.Errorf("%s: A changed %d rows, want its own", table, n)
				}
				violates(t, tx, table, `UPDATE `+name+` SET tenant_id = 'B'`)
				violates(t, tx, table, `UPDATE `+name+` SET tenant_id = ''`)
			}
			if may(t, tx, table, "INSERT") {
				violates(t, tx, table, insertInto(columns, table), rowOf(t, columns, table, "B", 1)) // the same id, there already
				violates(t, tx, table, insertInto(columns, table), rowOf(t, columns, table, "B", 2))
				violates(t, tx, table, insertInto(columns, table), rowOf(t, columns, table, "C", 1))
			}
			if may(t, tx, table, "DELETE") {
				if n := run(t, tx, `DELETE FROM `+name+` WHERE tenant_id = 'B'`); n != 0 {
					t.Errorf("%s: A deleted %d rows of B", table, n)
				}
				if n := run(t, tx, `DELETE FROM `+name); n != 1 {
					t.Errorf("%s: A deleted %d rows, want its own", table, n)
				}
			}
		})
	}
}

// violates wants the statement refused by row security, not by a key or a grant.
func violates(t *testing.T, tx pgx.Tx, table, statement string, args ...any) {
	t.Helper()
	nested, err := tx.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = nested.Exec(t.Context(), statement, args...)
	if err == nil || !strings.Contains(err.Error(), "violates row-level security policy") || !strings.Contains(err.Error(), "42501") {
		t.Errorf("%s: %s: got %v, want a violation of row security", table, statement, err)
	}
	if err := nested.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRowSecurityOffIsAnError is C23.
func TestRowSecurityOffIsAnError(t *testing.T) {
	t.Parallel()
	base, tables := occupied(t)
	conn := connect(t, base.AppURL)
	run(t, conn, `SET row_security = off`)
	for table := range tables {
		name := pgx.Identifier{table}.Sanitize()
		for _, statement := range []string{`SELECT * FROM ` + name, `COPY ` + name + ` TO STDOUT`} {
			if got := denied(t, conn, statement); !strings.Contains(got, "affected by row-level security") {
				t.Errorf("%s: got %q, want a refusal because of row security", statement, got)
			}
		}
	}
}

// TestRoleCannotBecomeAnother: RESET and SET change nothing.
func TestRoleCannotBecomeAnother(t *testing.T) {
	t.Parallel()
	base, tables := occupied(t)
	conn := connect(t, base.AppURL)
	owner := one[string](t, conn, `SELECT tableowner FROM pg_tables WHERE tablename = 'tasks'`)
	super := one[string](t, conn, `SELECT rolname FROM pg_roles WHERE rolsuper ORDER BY oid LIMIT 1`)
	for _, other := range []string{owner, super} {
		other = pgx.Identifier{other}.Sanitize()
		for _, statement := range []string{`SET ROLE ` + other, `SET SESSION AUTHORIZATION ` + other, `SET LOCAL ROLE ` + other} {
			denied(t, conn, statement)
		}
	}
	for _, statement := range []string{
		`RESET ROLE`, `SET ROLE NONE`, `SET SESSION AUTHORIZATION DEFAULT`, `RESET SESSION AUTHORIZATION`, `RESET ALL`,
		`SET ROLE teamtask_runtime`,
	} {
		run(t, conn, statement)
		for table := range tables {
			name := pgx.Identifier{table}.Sanitize()
			if n := one[int](t, conn, `SELECT count(*) FROM `+name); n != 0 {
				t.Errorf("after %s: got %d rows of %s, want 0", statement, n, table)
			}
			within(t, conn, func(tx pgx.Tx) {
				scopeToA(t, tx)
				if n := one[int](t, tx, `SELECT count(*) FROM `+name); n != 1 {
					t.Errorf("after %s: A sees %d rows of %s, want 1", statement, n, table)
				}
			})
		}
	}
}

// TestRuntimeRoleChangesNoTable is C14 and C22.
func TestRuntimeRoleChangesNoTable(t *testing.T) {
	t.Parallel()
	base, tables := occupied(t)
	conn := connect(t, base.AppURL)
	every := slices.Concat(slices.Collect(maps.Keys(tables)), slices.Collect(maps.Keys(shared)))
	for _, table := range every {
		name := pgx.Identifier{table}.Sanitize()
		for _, form := range []string{
			`TRUNCATE %s`, `DROP TABLE %s`, `ALTER TABLE %s DISABLE ROW LEVEL SECURITY`, `ALTER TABLE %s NO FORCE ROW LEVEL SECURITY`,
			`ALTER TABLE %s ADD COLUMN more text`, `ALTER TABLE %s OWNER TO teamtask_runtime`, `ALTER TABLE %s RENAME TO other`,
			`CREATE POLICY everybody ON %s USING (true)`, `CREATE INDEX ON %s ((1))`,
			`CREATE RULE none AS ON DELETE TO %s DO INSTEAD NOTHING`, `ALTER TABLE %s DISABLE TRIGGER ALL`,
			`CREATE TRIGGER t AFTER INSERT ON %s EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
			`COPY %s TO PROGRAM 'cat'`, `COPY %s TO '/tmp/teamtask-test'`, `ALTER TABLE %s SET SCHEMA pg_temp`,
		} {
			denied(t, conn, fmt.Sprintf(form, name))
		}
	}
	for _, table := range every { // a grant of what one does not hold is a warning
		const acl = `SELECT relacl::text FROM pg_class WHERE oid = $1::regclass`
		if rights, ok := shared[table]; ok && rights == "" { // and of a table without any rights is refused
			denied(t, conn, `GRANT ALL ON `+pgx.Identifier{table}.Sanitize()+` TO PUBLIC`)
			continue
		}
		before := one[string](t, conn, acl, table)
		run(t, conn, `GRANT ALL ON `+pgx.Identifier{table}.Sanitize()+` TO PUBLIC`)
		if after := one[string](t, conn, acl, table); after != before {
			t.Errorf("%s: got grants %s, want %s", table, after, before)
		}
	}
	for table := range tables {
		name := pgx.Identifier{table}.Sanitize()
		denied(t, conn, `DROP POLICY tenant ON `+name)
		denied(t, conn, `ALTER POLICY tenant ON `+name+` USING (true)`)
	}
	for table, granted := range shared {
		name := pgx.Identifier{table}.Sanitize()
		column := pgx.Identifier{one[string](t, conn, `SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND attidentity = '' ORDER BY attnum LIMIT 1`, table)}.Sanitize()
		for right, statement := range map[string]string{
			"SELECT": `SELECT FROM ` + name, "INSERT": `INSERT INTO ` + name + ` DEFAULT VALUES`,
			"UPDATE": `UPDATE ` + name + ` SET ` + column + ` = ` + column, "DELETE": `DELETE FROM ` + name,
		} {
			if !slices.Contains(strings.Fields(granted), right) {
				denied(t, conn, statement)
			}
		}
	}
	for _, statement := range []string{
		`CREATE TABLE mine (id integer)`, `CREATE VIEW mine AS SELECT 1`, `CREATE SCHEMA mine`, `CREATE SEQUENCE mine`, `CREATE TYPE mine AS ENUM ('a')`,
		`CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'`,
		`CREATE OR REPLACE FUNCTION refuse(code text, words text) RETURNS boolean LANGUAGE sql AS 'SELECT true'`,
		`DROP FUNCTION refuse`, `CALL confine('tasks')`, `CREATE ROLE mine`, `ALTER ROLE teamtask_runtime BYPASSRLS`,
		`UPDATE pg_class SET relrowsecurity = false`, `SELECT pg_read_file('PG_VERSION')`, `SELECT * FROM pg_authid`,
		`SET session_replication_role = replica`, `SET fsync = off`,
	} {
		within(t, conn, func(tx pgx.Tx) {
			_, err := tx.Exec(t.Context(), statement)
			if state := sqlState(err); state != "42501" && state != "55P02" { // the latter: a setting of the server
				t.Errorf("%s: got %v, want a refusal", statement, err)
			}
		})
	}
}

// TestLeakyFunctionSeesOwnRowsOnly: a temporary function is the one thing the runtime
// role can make; PostgreSQL asks the policy before it.
func TestLeakyFunctionSeesOwnRowsOnly(t *testing.T) {
	t.Parallel()
	base, tables := occupied(t)
	config, err := pgx.ParseConfig(base.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { seen = append(seen, n.Message) }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	within(t, conn, func(tx pgx.Tx) {
		run(t, tx, `
			CREATE FUNCTION pg_temp.leak(v text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
			AS $$ BEGIN RAISE NOTICE '%', v; RETURN true; END $$`)
		scopeToA(t, tx)
		for table := range tables {
			seen = nil
			one[int](t, tx, `SELECT count(*) FROM `+pgx.Identifier{table}.Sanitize()+` WHERE pg_temp.leak(tenant_id)`)
			if !slices.Equal(seen, []string{"A"}) {
				t.Errorf("%s: the function saw rows of %q, want A", table, seen)
			}
		}
	})
}
