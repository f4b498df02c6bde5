package tenancy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

func TestTheTraceIsToldOfEveryStatementByName(t *testing.T) {
	t.Parallel()
	var steps []string
	trace := func(_ context.Context, name string) func(error) {
		return func(err error) {
			if err != nil {
				name += " " + sqlState(err)
			}
			steps = append(steps, name)
		}
	}
	db, err := tenancy.Open(t.Context(), tenancy.Options{URL: pgtest.New(t).AppURL, Schema: migrations.Latest(), Statements: testStatements, Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	a := person("org_a")
	tasksOf(t, db, a)
	two := func(tx *tenancy.Tx) error {
		return errors.Join(add(t.Context(), tx, "org_a", "one"), add(t.Context(), tx, "org_a", "two"))
	}
	if err := db.In(t.Context(), a, two); err != nil {
		t.Error(err)
	}
	err = db.In(t.Context(), a, func(tx *tenancy.Tx) error {
		if _, err := tenancy.Exec(t.Context(), tx, divide, 0); err != nil {
			return err
		}
		return two(tx)
	})
	if sqlState(err) != "22012" {
		t.Errorf("got %v, want a division by zero", err)
	}
	want := []string{"test_read", "test_add", "test_add", "commit", "test_divide 22012"}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
