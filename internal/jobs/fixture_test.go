package jobs_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const patience = 90 * time.Second

// logged stores what is logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// stage is a client over a database of its own.
type stage struct {
	t      testing.TB
	db     pgtest.Database
	client *jobs.Client
	admin  *pgxpool.Pool
	log    *logged
}

// newStage makes a client that is not started yet. change may change its options.
func newStage(t testing.TB, change func(o *jobs.Options)) *stage {
	t.Helper()
	x := &stage{t: t, db: pgtest.New(t), log: &logged{}}
	var err error
	if x.admin, err = pgxpool.New(t.Context(), x.db.AdminURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.admin.Close)
	o := jobs.Options{
		URL: x.db.AppURL, Log: slog.New(slog.NewJSONHandler(x.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Backoff: func(int) time.Duration { return 0 },
	}
	if change != nil {
		change(&o)
	}
	if x.client, err = jobs.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.client.Close)
	return x
}

func (x *stage) start() {
	x.t.Helper()
	if err := x.client.Start(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := x.client.Stop(ctx); err != nil {
			x.t.Error(err)
		}
	})
}

func (x *stage) exec(sql string, args ...any) {
	x.t.Helper()
	if _, err := x.admin.Exec(x.t.Context(), sql, args...); err != nil {
		x.t.Fatalf("%s: %v", sql, err)
	}
}

func (x *stage) count(sql string, args ...any) (n int) {
	x.t.Helper()
	if err := x.admin.QueryRow(x.t.Context(), sql, args...).Scan(&n); err != nil {
		x.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// until waits until the query returns the number.
func (x *stage) until(want int, sql string, args ...any) {
	x.t.Helper()
	got := -1
	x.comes(sql, func() bool { got = x.count(sql, args...); return got == want })
}

// comes waits for what is bound to happen.
func (x *stage) comes(what string, holds func() bool) {
	x.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			x.t.Fatalf("never: %s\n%s", what, x.log)
		}
	}
}
