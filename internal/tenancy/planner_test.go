package tenancy_test

import (
	"testing"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

const planned = `
	SELECT concat_ws(' ', current_setting('enable_sort'), current_setting('enable_seqscan'), current_setting('enable_bitmapscan'),
	       current_setting('enable_hashjoin'), current_setting('enable_mergejoin'), current_setting('statement_timeout')) AS settings`

var (
	plannedList  = tenancy.Statement{Name: "planned_list", Listing: true, SQL: planned}
	plannedOther = tenancy.Statement{Name: "planned_other", SQL: planned}
)

// A list is planned off indexes and has little time; the next call on the connection is as
// before.
func TestAListIsPlannedOffIndexesAndNothingElseIs(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	for _, c := range []struct{ suffix, list, other string }{
		{"&pool_max_conns=1", "off off off off off 2s", "on on on on on 5s"},
		{"&pool_max_conns=1&statement_timeout=7s", "off off off off off 7s", "on on on on on 7s"},
	} {
		db, err := tenancy.Open(t.Context(), tenancy.Options{
			URL: base.AppURL + c.suffix, Schema: migrations.Latest(), Statements: []tenancy.Statement{plannedList, plannedOther},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		for range 2 {
			for _, step := range []struct {
				statement tenancy.Statement
				want      string
			}{{plannedList, c.list}, {plannedOther, c.other}} {
				err := db.Once(t.Context(), person("org_a"), func(tx *tenancy.Tx) error {
					rows, err := tenancy.Rows[struct{ Settings string }](t.Context(), tx, step.statement)
					if err == nil && rows[0].Settings != step.want {
						t.Errorf("%s: got %s, want %s", step.statement.Name, rows[0].Settings, step.want)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
