package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

func TestReadinessIsCheckedOnceForAllWhoAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var checks, now, most atomic.Int64
		var broken atomic.Bool
		down := errors.New("down")
		r := &readiness{busy: func() bool { return false }, check: func(context.Context) error {
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
		r := &readiness{busy: func() bool { return false }, check: func(context.Context) error {
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
		r := &readiness{busy: func() bool { return false }, check: func(ctx context.Context) error {
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

// A check does not stand in line behind calls for longer than it may take: where all
// connections are in use the server is ready, where one is free and does not answer it
// is not.
func TestABusyServerIsReady(t *testing.T) {
	t.Parallel()
	for _, busy := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := &readiness{busy: func() bool { return busy }, check: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}}
			began := time.Now()
			if err := r.ready(t.Context()); (err == nil) != busy || time.Since(began) != readyWithin {
				t.Errorf("busy %v: %v after %v", busy, err, time.Since(began))
			}
		})
	}
	refused := errors.New("the database refuses")
	r := &readiness{busy: func() bool { return true }, check: func(context.Context) error { return refused }}
	if err := r.ready(t.Context()); !errors.Is(err, refused) {
		t.Errorf("a database that answers no: %v", err)
	}
}

// Probes take one connection between them, however many there are, and get an answer
// when calls have taken all of them.
func TestProbesTakeNoConnectionsFromCalls(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	r := readinessOf(s.db)
	free := s.useUp(t)
	began := time.Now()
	var asking sync.WaitGroup
	for range 200 {
		asking.Go(func() {
			if err := r.ready(t.Context()); err != nil {
				t.Errorf("while all connections are in use: %v", err)
			}
		})
	}
	asking.Wait()
	if took := time.Since(began); took < readyWithin || took > readyWithin+waitMax/2 {
		t.Errorf("it took %v", took)
	}
	free()
	if err := r.ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// useUp keeps all connections of the pool in use, until free.
func (s *stack) useUp(t *testing.T) (free func()) {
	t.Helper()
	release := make(chan struct{})
	var using sync.WaitGroup
	for range s.db.Size() {
		using.Go(func() {
			err := s.db.In(t.Context(), tenancy.Actor{User: "user_x", Tenant: "user_x"}, func(*tenancy.Tx) error {
				<-release
				return nil
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
