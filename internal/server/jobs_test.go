package server

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/telemetry"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

var (
	askSQL     = tenancy.Statement{Name: jobs.InsertName, SQL: jobs.InsertSQL}
	errNotThis = errors.New("not this one")
)

// A tenant's transaction takes the job with it, or takes it back.
func TestAJobIsAskedForInATenantsTransaction(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t)
	db, err := tenancy.Open(t.Context(), tenancy.Options{URL: database.AppURL, Schema: migrations.Latest(), Statements: []tenancy.Statement{askSQL}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	calls := make(chan jobs.Call, 10)
	m := telemetry.NewMetrics()
	queue, err := jobs.Open(t.Context(), jobs.Options{
		URL: database.AppURL, Log: slog.New(slog.DiscardHandler), Observe: countJobs(m),
		Jobs: []jobs.Job{{Name: "tell", Do: func(_ context.Context, c jobs.Call) error { calls <- c; return nil }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(queue.Close)
	if err := queue.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := queue.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ask := func(subject string, notBefore any, then error) error {
		return db.In(t.Context(), tenancy.System("org_1", "test"), func(tx *tenancy.Tx) error {
			_, err := tenancy.Exec(t.Context(), tx, askSQL, "tell", "org_1", subject, notBefore)
			return errors.Join(err, then)
		})
	}
	if err := ask("user_taken_back", nil, errNotThis); !errors.Is(err, errNotThis) {
		t.Errorf("got %v", err)
	}
	for subject, notBefore := range map[string]any{"user_now": nil, "user_past": time.Now().Add(-time.Hour)} {
		if err := ask(subject, notBefore, nil); err != nil {
			t.Fatal(err)
		}
		if got, want := <-calls, (jobs.Call{Tenant: "org_1", Subject: subject, Attempt: 1}); got != want {
			t.Errorf("done for %+v, want %+v", got, want)
		}
	}
	if err := ask("user_later", time.Now().Add(time.Hour), nil); err != nil {
		t.Fatal(err)
	}
	if len(calls) != 0 {
		t.Errorf("done for %+v too", <-calls)
	}
}
