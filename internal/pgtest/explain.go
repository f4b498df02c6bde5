package pgtest

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Explained is a prepared statement that Explain runs.
type Explained struct {
	Tenant   string // the scope it runs in
	Settings string // a statement that runs before it in its transaction; "" for none
	SQL      string
	Args     []any // texts, numbers, truth values, times, and nil
}

// Plan is how PostgreSQL ran a statement.
type Plan struct {
	Mode    string // plan_cache_mode
	Rows    int    // that it returned
	Buffers int    // pages of tables and indexes that it looked at, each time it did
	Took    time.Duration
	Text    string // as JSON
}

// Scaled returns n, or that many times TEAMTASK_TEST_SCALE, for a run by hand over more rows
// than tests need.
func Scaled(n int) int {
	if scale, err := strconv.Atoi(os.Getenv("TEAMTASK_TEST_SCALE")); err == nil {
		return n * scale
	}
	return n
}

// Explain runs the statement as the runtime role does, once with a plan for its arguments
// and once with the plan for all arguments that PostgreSQL turns to after five calls.
func Explain(t testing.TB, db Database, e Explained) []Plan {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, `PREPARE it AS `+e.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	var values []string
	for _, arg := range e.Args {
		values = append(values, literal(arg))
	}
	execute := `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE it`
	if len(values) > 0 {
		execute += ` (` + strings.Join(values, ", ") + `)`
	}
	var plans []Plan
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		settings := []string{`SELECT set_config('app.tenant_id', ` + literal(e.Tenant) + `, true)`, `SET LOCAL plan_cache_mode = ` + mode}
		if e.Settings != "" {
			settings = append(settings, e.Settings)
		}
		for _, s := range settings {
			if _, err := tx.Exec(ctx, s, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		var text string
		if err := tx.QueryRow(ctx, execute, pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil {
			t.Fatalf("%s: %v", execute, err)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
		var read []struct {
			Plan struct {
				Rows int `json:"Actual Rows"`
				Hit  int `json:"Shared Hit Blocks"`
				Read int `json:"Shared Read Blocks"`
			}
			Took float64 `json:"Execution Time"` // ms
		}
		if err := json.Unmarshal([]byte(text), &read); err != nil || len(read) != 1 {
			t.Fatalf("read the plan: %v", err)
		}
		top := read[0].Plan
		plans = append(plans, Plan{Mode: mode, Rows: top.Rows, Buffers: top.Hit + top.Read, Took: time.Duration(read[0].Took * float64(time.Millisecond)), Text: text})
	}
	return plans
}

func literal(arg any) string {
	switch arg := arg.(type) {
	case nil:
		return "NULL"
	case time.Time:
		return "'" + arg.UTC().Format(time.RFC3339Nano) + "'"
	case *time.Time:
		if arg == nil {
			return "NULL"
		}
		return literal(*arg)
	case *bool:
		if arg == nil {
			return "NULL"
		}
		return literal(*arg)
	}
	return "'" + strings.ReplaceAll(fmt.Sprint(arg), "'", "''") + "'"
}
