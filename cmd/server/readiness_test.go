package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/tenancy"
)

func TestReadinessIsCheckedOnceForAllWhoAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var checks, now, most atomic.Int64
		var broken atomic.Bool
		down := errors.New("down")
		r := &readiness{check: func(context.Context) error {
			checks.Add(1)
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			<-time.After(readyWithin / 2)
			if broken.Load() {
				return down
			}
			return nil
		}}
		var asking sync.WaitGroup
		ask := func(many int, want error) {
			for range many {
				asking.Go(func() {
					if err := r.ready(t.Context()); !errors.Is(err, want) {
						t.Errorf("%v, want %v", err, want)
					}
				})
			}
			asking.Wait()
		}
		ask(100, nil)
		broken.Store(true)
		ask(100, nil) // it is known
		if n := checks.Load(); n != 1 {
			t.Errorf("%d checks", n)
		}
		<-time.After(readyFor)
		ask(100, down)
		broken.Store(false)
		<-time.After(readyFor)
		ask(1, nil)
		if n := checks.Load(); n != 3 || most.Load() != 1 {
			t.Errorf("%d checks, %d at once", n, most.Load())
		}
	})
}

// A check may take longer than it should, and no second one begins beside it.
func TestACheckThatIsLateIsNotJoinedByAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var checks atomic.Int64
		r := &readiness{check: func(context.Context) error {
			checks.Add(1)
			<-time.After(3 * readyFor)
			return nil
		}}
		var asking sync.WaitGroup
		for range 5 {
			asking.Go(func() { _ = r.ready(t.Context()) })
			<-time.After(readyFor / 2)
		}
		asking.Wait()
		if n := checks.Load(); n != 1 {
			t.Errorf("%d checks", n)
		}
	})
}

func TestWhoAsksAndGoesTakesNobodysAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &readiness{check: func(ctx context.Context) error {
			select {
			case <-time.After(readyWithin / 2):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		gone, leave := context.WithCancel(t.Context())
		answer := make(chan error)
		go func() { answer <- r.ready(gone) }()
		synctest.Wait()
		leave()
		if err := <-answer; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := r.ready(t.Context()); err != nil {
			t.Errorf("who stayed: %v", err)
		}
	})
}

// A database that does not answer is not ready, however long it takes to say so.
func TestADatabaseThatIsSilentIsNotReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &readiness{check: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		began := time.Now()
		if err := r.ready(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != readyWithin {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// Probes take no connections from calls, however many there are, and calls none from them.
func TestProbesTakeNoConnectionsFromCalls(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	free := s.useUp(t)
	defer free()
	var asking sync.WaitGroup
	for range 200 {
		asking.Go(func() {
			if err := s.db.Ready(t.Context()); err != nil {
				t.Errorf("while all connections are in use: %v", err)
			}
		})
	}
	asking.Wait()
	var backends int
	if err := s.admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'teamtask'`).Scan(&backends); err != nil {
		t.Fatal(err)
	}
	if want := s.db.Size() + 1; backends != want {
		t.Errorf("%d connections, want %d for calls and one for probes", backends, want-1)
	}
}

// useUp keeps all connections of the pool in use, each for a tenant, until free.
func (s *stack) useUp(t *testing.T) (free func()) {
	t.Helper()
	release := make(chan struct{})
	var using sync.WaitGroup
	all := Statements()
	look := all[slices.IndexFunc(all, func(s tenancy.Statement) bool { return s.Name == "select_task" })]
	for i := range s.db.Size() {
		using.Go(func() {
			someone := fmt.Sprintf("user_%d", i)
			err := s.db.In(t.Context(), tenancy.Actor{User: someone, Tenant: someone}, func(tx *tenancy.Tx) error {
				_, err := tenancy.Exec(t.Context(), tx, look, someone, uuid.New())
				<-release
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "all connections are in use", func() bool {
		_, used := s.db.Connections()
		return used == s.db.Size()
	})
	return func() {
		close(release)
		using.Wait()
	}
}
