package cached_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamtask/teamtask/internal/cached"
)

const (
	within    = 5 * time.Second
	freshFor  = time.Minute
	usableFor = time.Hour
	retry     = 10 * time.Second
	patience  = time.Second
)

var errDown = errors.New("down")

// source is where a value is fetched from. Each fetch returns the next number.
type source struct {
	fetches atomic.Int64
	before  atomic.Int64
	err     atomic.Pointer[error]
	hangs   atomic.Bool
	gate    chan struct{} // nil: open
}

func (s *source) fail(err error) { s.err.Store(&err) }

func (s *source) fetch(ctx context.Context, before int64) (int64, error) {
	n := s.fetches.Add(1)
	s.before.Store(before)
	if s.gate != nil {
		<-s.gate
	}
	if s.hangs.Load() {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if err := s.err.Load(); err != nil && *err != nil {
		return 0, *err
	}
	return n, nil
}

func (s *source) value() *cached.Value[int64] {
	return cached.New(cached.Options[int64]{
		Fetch: s.fetch, Within: within, FreshFor: freshFor, UsableFor: usableFor, Retry: retry, Patience: patience,
	})
}

// want wants Get to return the value after so many fetches.
func want(t *testing.T, s *source, v *cached.Value[int64], value, fetches int64) {
	t.Helper()
	got, err := v.Get(t.Context())
	if err != nil || got != value || s.fetches.Load() != fetches {
		t.Errorf("got %d, %v after %d fetches; want %d after %d", got, err, s.fetches.Load(), value, fetches)
	}
}

func TestWaitersShareOneFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{gate: make(chan struct{})}
		v := s.value()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if got, err := v.Get(t.Context()); err != nil || got != 1 {
					t.Errorf("got %d, %v", got, err)
				}
			})
		}
		synctest.Wait()
		close(s.gate)
		group.Wait()
		if got := s.fetches.Load(); got != 1 {
			t.Errorf("%d fetches, want 1", got)
		}
	})
}

func TestAWaiterThatLeavesDoesNotCancelTheFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{gate: make(chan struct{})}
		v := s.value()
		hurried, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := v.Get(hurried); !errors.Is(err, context.Canceled) {
				t.Errorf("the one who left: %v", err)
			}
		})
		synctest.Wait()
		group.Go(func() {
			if got, err := v.Get(t.Context()); err != nil || got != 1 {
				t.Errorf("the other: %d, %v", got, err)
			}
		})
		leave()
		synctest.Wait()
		close(s.gate)
		group.Wait()
		if got := s.fetches.Load(); got != 1 {
			t.Errorf("%d fetches, want 1", got)
		}
	})
}

func TestAnOldValueIsUsedWhileFetchesFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		v := s.value()
		want(t, s, v, 1, 1)
		<-time.After(freshFor - 1)
		want(t, s, v, 1, 1)
		s.fail(errDown)
		<-time.After(1)
		want(t, s, v, 1, 2)
		if !v.Paused() {
			t.Error("not paused after a failed fetch")
		}
		want(t, s, v, 1, 2)
		<-time.After(retry)
		want(t, s, v, 1, 3)
		<-time.After(usableFor - freshFor - retry)
		if got, err := v.Get(t.Context()); !errors.Is(err, errDown) || got != 0 {
			t.Errorf("too old: %d, %v; want why", got, err)
		}
		if _, ok := v.Peek(); ok {
			t.Error("what is too old is seen")
		}
		s.fail(nil)
		if _, err := v.Get(t.Context()); !errors.Is(err, errDown) || s.fetches.Load() != 4 {
			t.Errorf("in the pause: %v after %d fetches, want 4", err, s.fetches.Load())
		}
		<-time.After(retry)
		want(t, s, v, 5, 5)
		if s.before.Load() != 1 || v.Paused() {
			t.Errorf("the fetch was given %d, want the value before; paused: %v", s.before.Load(), v.Paused())
		}
	})
}

func TestACallerWithAnOldValueWaitsForItsPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		v := s.value()
		want(t, s, v, 1, 1)
		s.hangs.Store(true)
		<-time.After(freshFor)
		began := time.Now()
		want(t, s, v, 1, 2)
		if took := time.Since(began); took != patience {
			t.Errorf("took %v, want %v", took, patience)
		}
		<-time.After(within) // the fetch ends
	})
}

func TestPeekDoesNotWaitAndFetchesInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		v := s.value()
		if _, ok := v.Peek(); ok || s.fetches.Load() != 0 {
			t.Error("there is a value before the first fetch")
		}
		want(t, s, v, 1, 1)
		<-time.After(freshFor)
		if got, ok := v.Peek(); !ok || got != 1 {
			t.Errorf("got %d, %v; want the old value", got, ok)
		}
		synctest.Wait()
		if got, ok := v.Peek(); !ok || got != 2 || s.fetches.Load() != 2 {
			t.Errorf("got %d, %v; want the new value", got, ok)
		}
	})
}

func TestRenewFetchesUnlessTheValueWasReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		v := s.value()
		want(t, s, v, 1, 1)
		seen := func(value int64) func(int64) bool { return func(now int64) bool { return now != value } }
		if err := v.Renew(t.Context(), seen(1)); err != nil || s.fetches.Load() != 2 {
			t.Errorf("the value seen: %v, %d fetches", err, s.fetches.Load())
		}
		if err := v.Renew(t.Context(), seen(1)); err != nil || s.fetches.Load() != 2 {
			t.Errorf("a value that was replaced: %v, %d fetches", err, s.fetches.Load())
		}
		s.fail(errDown)
		for range 2 { // the second one in the pause
			if err := v.Renew(t.Context(), seen(2)); !errors.Is(err, errDown) || s.fetches.Load() != 3 {
				t.Errorf("a fetch that fails: %v, %d fetches", err, s.fetches.Load())
			}
		}
		want(t, s, v, 2, 3)
	})
}

// A fetch that takes longer than its value may be used still serves those who waited for it.
func TestWhoWaitedForAFetchGetsItsValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := cached.New(cached.Options[int]{
			Fetch:  func(context.Context, int) (int, error) { <-time.After(2 * time.Second); return 7, nil },
			Within: within, FreshFor: time.Second, UsableFor: time.Second,
		})
		if got, err := v.Get(t.Context()); err != nil || got != 7 {
			t.Errorf("got %d, %v; want 7", got, err)
		}
	})
}
