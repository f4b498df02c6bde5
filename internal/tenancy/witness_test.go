package tenancy_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

var witnessTask = tenancy.Statement{Name: "test_witness", SQL: `
	INSERT INTO tasks (tenant_id, id, name, description, created_by, updated_by)
	SELECT $1, $2, 'witness', '', 'w', 'w'
	 WHERE current_setting('app.changed', true) = 'on'`}

// A witness goes along with a change through both doors, without a round trip of its
// own, and is kept where the change is.
func TestWitnessTravelsWithTheChange(t *testing.T) {
	t.Parallel()
	p := throughProxy(t, pgtest.New(t).AppURL)
	db, err := tenancy.Open(t.Context(), tenancy.Options{
		URL: withParameters(t, p.url, "pool_max_conns", "1"), Schema: migrations.Latest(), Statements: append(testStatements, witnessTask),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	a, refused := person("org_a"), person("org_a")
	refused.SeatRequired = true
	adds := func(ctx context.Context, tx *tenancy.Tx) error { return add(ctx, tx, "org_a", "change") }
	reads := func(ctx context.Context, tx *tenancy.Tx) error {
		_, err := tenancy.Rows[taskRow](ctx, tx, readTasks)
		return err
	}
	for _, c := range []struct {
		name   string
		door   func(context.Context, tenancy.Actor, func(*tenancy.Tx) error) error
		actor  tenancy.Actor
		tenant string
		do     func(context.Context, *tenancy.Tx) error
		trips  int
		kept   bool
		fails  bool
	}{
		{"Once changes", db.Once, a, "org_a", adds, 1, true, false},
		{"Once reads", db.Once, a, "org_a", reads, 1, false, false},
		{"Once is refused", db.Once, refused, "org_a", adds, 1, false, true},
		{"Once in another tenant", db.Once, a, "org_b", adds, 1, false, false},
		{"In changes", db.In, a, "org_a", adds, 2, true, false},
		{"In reads", db.In, a, "org_a", reads, 2, false, false},
		{"In is refused", db.In, refused, "org_a", adds, 2, false, true},
		{"In changes twice", db.In, a, "org_a", func(ctx context.Context, tx *tenancy.Tx) error {
			if err := adds(ctx, tx); err != nil {
				return err
			}
			return adds(ctx, tx)
		}, 3, true, false},
		{"In thinks better of it", db.In, a, "org_a", func(ctx context.Context, tx *tenancy.Tx) error {
			_ = adds(ctx, tx)
			return errOfCaller
		}, 2, false, true},
		{"In has failed", db.In, a, "org_a", func(ctx context.Context, tx *tenancy.Tx) error {
			_ = adds(ctx, tx)
			_, _ = tenancy.Exec(ctx, tx, divide, 0) // forgets the error
			return nil
		}, 3, false, true},
	} {
		before := len(tasksOf(t, db, a))
		witness := &tenancy.Witness{Tenant: c.tenant, Statement: witnessTask, Args: func() []any { return []any{c.tenant, uuid.New()} }}
		ctx := tenancy.WithWitness(t.Context(), witness)
		var err error
		if got := p.during(func() { err = c.door(ctx, c.actor, func(tx *tenancy.Tx) error { return c.do(ctx, tx) }) }); got != c.trips {
			t.Errorf("%s: got %d round trips, want %d", c.name, got, c.trips)
		}
		if (err != nil) != c.fails || witness.Kept() != c.kept {
			t.Errorf("%s: got %v and kept %v, want kept %v", c.name, err, witness.Kept(), c.kept)
		}
		if after := tasksOf(t, db, a); c.fails && len(after) != before {
			t.Errorf("%s: got %d rows more, want none", c.name, len(after)-before)
		}
		if c.kept { // once at most
			if err := c.door(ctx, c.actor, func(tx *tenancy.Tx) error { return adds(ctx, tx) }); err != nil {
				t.Error(err)
			}
		}
	}
	witnesses := 0
	for _, name := range tasksOf(t, db, a) {
		if name == "witness" {
			witnesses++
		}
	}
	if witnesses != 3 {
		t.Errorf("got %d witnesses, want the 3 that were kept, once each", witnesses)
	}
}
