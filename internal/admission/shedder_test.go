package admission

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A refusal is delayed for callers who try again at once, unless its caller has gone or
// too many wait.
func TestRefusalsAreDelayedALittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &Shedder{Limiter: NewLimiter(DefaultLimits(1))}
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
		began := time.Now()
		s.delay(r)
		if got := time.Since(began); got != shedDelay {
			t.Errorf("delayed by %v, want %v", got, shedDelay)
		}
		var all sync.WaitGroup
		for range delayedMax {
			all.Go(func() { s.delay(r) })
		}
		synctest.Wait()
		began = time.Now()
		s.delay(r)
		if got := time.Since(began); got != 0 {
			t.Errorf("one too many is delayed by %v", got)
		}
		cancel()
		all.Wait()
		if got := time.Since(began); got != 0 || s.delayed.Load() != 0 {
			t.Errorf("callers who have gone are delayed by %v, %d are counted", got, s.delayed.Load())
		}
	})
}

// Under overload the newest call is first and fewer wait, for a shorter time; a burst is
// served in its order.
func TestUnderOverloadTheNewestCallIsFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{AtWork: 1, TenantAtWork: 1, Waiting: 40, TenantWaiting: 40, Wait: time.Second})
		leave := l.enters(t, gamers)
		var order []int // guarded by the only slot
		var all sync.WaitGroup
		comes := func(call int) {
			all.Go(func() {
				s, err := l.enter(t.Context(), gamers)
				if err != nil {
					return
				}
				order = append(order, call)
				l.leave(s)
			})
			synctest.Wait()
		}
		comes(1)
		<-time.After(900 * time.Millisecond)
		comes(2)
		comes(3)
		<-time.After(200 * time.Millisecond) // calls have been waiting for 1.1 s without a break
		if n := l.Queued(); n != 2 {
			t.Fatalf("%d wait, want the two that came last", n)
		}
		for call := 4; call < 30; call++ {
			comes(call)
		}
		if n := l.Queued(); n != 40/overloadCut {
			t.Errorf("%d wait under overload, want %d", n, 40/overloadCut)
		}
		if !l.admits(acme) {
			t.Error("the first call of another tenant has no room")
		}
		leave()
		all.Wait()
		if !slices.IsSortedFunc(order, func(a, b int) int { return b - a }) || len(order) != 10 {
			t.Errorf("served in the order %v, want the newest first", order)
		}
		l.rests(t)
	})
}

func TestACallWaitsAShorterTimeUnderOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{AtWork: 1, TenantAtWork: 1, Waiting: 40, TenantWaiting: 40, Wait: time.Second})
		leave := l.enters(t, gamers)
		waits := func() (took time.Duration) {
			began := time.Now()
			if _, err := l.enter(t.Context(), gamers); err == nil {
				t.Error("served")
			}
			return time.Since(began)
		}
		if got := waits(); got != time.Second {
			t.Errorf("a call of a burst waited %v", got)
		}
		stop := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() { // there is always one that waits
			for {
				select {
				case <-stop:
					return
				default:
				}
				all.Go(func() { waits() })
				<-time.After(100 * time.Millisecond)
			}
		})
		<-time.After(2500 * time.Millisecond)
		if got := waits(); got != time.Second/overloadCut {
			t.Errorf("under overload a call waited %v", got)
		}
		close(stop)
		all.Wait()
		if got := waits(); got != time.Second {
			t.Errorf("after it a call waited %v", got)
		}
		leave()
		l.rests(t)
	})
}
