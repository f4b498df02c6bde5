package internal_test

import (
	"go/ast"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// owners are the tables that each package writes. A table has one owner; what another
// package wants written it asks the owner for. Triggers write as well, for instance
// standings: they are in migrations.
var owners = map[string][]string{
	"migrations":     {"sealing_keys"},
	"internal/audit": {"audit_events"},
	"internal/directory": {
		"directory_barred", "directory_gone", "directory_places", "directory_tenants", "invitations", "members", "organizations", "users",
	},
	"internal/inbox":     {"inbox_deliveries", "inbox_events"},
	"internal/jobs":      {"river_job"},
	"internal/licensing": {"licenses", "seat_holds", "seats"},
	"internal/billing":   {"licensing_customers", "subscriptions"},
	"internal/tasks":     {"task_requests", "tasks"},
}

// guests are the exceptions: tables that a package writes beside the owner, with the reason.
var guests = map[string]map[string]string{
	"internal/inbox":   {"river_job": "the jobs of its own deliveries: which wait, and which are lost, is joined with its own tables"},
	"internal/billing": {"licenses": "its columns customer_* and checkout_*, which licensing does not write: a table of their own would need a migration"},
}

// written matches the beginning of a statement that writes, with the table. A row lock (FOR
// UPDATE) and the branch of an upsert (DO UPDATE SET) have no table of their own.
var written = regexp.MustCompile(`(?i)\b(?:` +
	`(?:INSERT\s+INTO|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?(?:public\.)?([a-z_]+)\b` +
	`|UPDATE\s+(?:ONLY\s+)?(?:public\.)?([a-z_]+)(?:\s+(?:AS\s+)?[a-z_]+)?\s+SET\b` +
	`|COPY\s+(?:public\.)?([a-z_]+)\s*(?:\([^)]*\)\s*)?FROM\b)`)

// tablesIn returns the tables that the text of a statement writes.
func tablesIn(sql string) []string {
	var all []string
	for _, m := range written.FindAllStringSubmatch(sql, -1) {
		all = append(all, strings.ToLower(m[1]+m[2]+m[3]))
	}
	return all
}

func TestTablesOfStatementsAreRead(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string][]string{
		"INSERT INTO seats (a) VALUES ($1) ON CONFLICT (a) DO UPDATE\n SET a = 1": {"seats"},
		"WITH x AS (\n DELETE FROM seat_holds h USING y RETURNING h.id) SELECT 1": {"seat_holds"},
		"SELECT 1 FROM licenses\n FOR UPDATE":                                     {},
		"SELECT 1 FROM licenses FOR UPDATE SKIP LOCKED":                           {},
		"SELECT 1 FROM licenses FOR NO KEY UPDATE OF licenses":                    {},
		"UPDATE public.members\n SET a = 1":                                       {"members"},
		"UPDATE members AS m\n   SET a = 1":                                       {"members"},
		"merge into tasks t USING x":                                              {"tasks"},
		"COPY tasks (a, b) FROM STDIN":                                            {"tasks"},
	} {
		if got := tablesIn(sql); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", sql, got, want)
		}
	}
}

// Each table is written by one package, so that the rules of its rows are in one place.
func TestEachTableIsWrittenByOnePackage(t *testing.T) {
	t.Parallel()
	found := map[string]map[string]bool{} // tables by package
	for _, s := range sources(t) {
		of := path.Dir(s.path)
		if strings.HasPrefix(of, "internal/sandbox") || slices.Contains([]string{"internal/localpg", "internal/pgtest", "internal/stacktest"}, of) || strings.HasPrefix(s.path, "internal/../migrations") {
			continue // not the server's, or the schema itself
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			var tables []string
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && strings.Contains(text, "\n") {
					tables = tablesIn(text)
				} else if err == nil && startsStatement(text) {
					tables = tablesIn(text)
				}
			case *ast.CompositeLit:
				tables = identifier(n)
			}
			for _, table := range tables {
				if found[of] == nil {
					found[of] = map[string]bool{}
				}
				found[of][table] = true
			}
			return true
		})
	}
	owner := map[string]string{}
	for of, tables := range owners {
		for _, table := range tables {
			if other, ok := owner[table]; ok {
				t.Errorf("%s is owned by %s and by %s", table, of, other)
			}
			owner[table] = of
			if !found[of][table] {
				t.Errorf("%s does not write %s: the table of owners is out of date", of, table)
			}
		}
	}
	for of, tables := range found {
		for _, table := range slices.Sorted(maps.Keys(tables)) {
			if owner[table] != of && guests[of][table] == "" {
				t.Errorf("%s writes %s, which is %q's", of, table, owner[table])
			}
		}
	}
	for of, tables := range guests {
		for table := range tables {
			if !found[of][table] {
				t.Errorf("%s does not write %s any more: the exception is out of date", of, table)
			}
		}
	}
}

// startsStatement reports whether a text of one line begins as a statement that writes.
func startsStatement(text string) bool {
	return regexp.MustCompile(`^\s*(INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|TRUNCATE|COPY|WITH) `).MatchString(text)
}

// identifier returns the table of a pgx.Identifier, to which rows are copied.
func identifier(n *ast.CompositeLit) []string {
	selector, ok := n.Type.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "Identifier" || len(n.Elts) == 0 {
		return nil
	}
	if literal, ok := n.Elts[len(n.Elts)-1].(*ast.BasicLit); ok {
		if table, err := strconv.Unquote(literal.Value); err == nil {
			return []string{table}
		}
	}
	return nil
}
