package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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
