package admission

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
)

func TestTheLimitsGoByThePool(t *testing.T) {
	t.Parallel()
	want := Limits{AtWork: 80, TenantAtWork: 20, Waiting: 640, TenantWaiting: 320, Wait: time.Second, ShedDelay: 200 * time.Millisecond, Bytes: 32 << 20, TenantBytes: 16 << 20}
	if got := DefaultLimits(10); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCallsAreServedInTheOrderInWhichTheyCame(t *testing.T) {
	t.Parallel()
	const calls = 20
	for _, inAll := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := NewLimiter(tight(inAll, 1, calls))
			leave := l.enters(t, gamers)
			var order []int // guarded by the only slot
			for i := range calls {
				go func() {
					defer l.enters(t, gamers)()
					order = append(order, i)
				}()
				synctest.Wait() // it stands in line
			}
			leave()
			synctest.Wait()
			if !slices.IsSorted(order) || len(order) != calls {
				t.Errorf("in all = %v: the order was %v", inAll, order)
			}
			l.rests(t)
		})
	}
}

// Tenants take turns: who comes later does not wait for all of another's storm.
func TestAStormDoesNotStandBeforeOthersInLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{AtWork: 1, TenantAtWork: 2, Waiting: 100, TenantWaiting: 50, Wait: time.Hour})
		leave := l.enters(t, "org_1")
		var order []string // guarded by the only slot
		for _, tenant := range append(slices.Repeat([]string{gamers}, 50), acme) {
			go func() {
				defer l.enters(t, tenant)()
				order = append(order, tenant)
			}()
			synctest.Wait()
		}
		leave()
		synctest.Wait()
		if got := slices.Index(order, acme); got != 1 || len(order) != 51 {
			t.Errorf("%d calls of the storm came first, of %d", got, len(order))
		}
		l.rests(t)
	})
}

func TestACallWaitsOnlyAWhileAndOnlyWithItsCaller(t *testing.T) {
	t.Parallel()
	for _, inAll := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			within := tight(inAll, 1, 1)
			within.Wait = callWait
			l := NewLimiter(within)
			leave := l.enters(t, gamers)
			started := time.Now()
			if _, err := l.enter(t.Context(), gamers); !errors.Is(err, fault.Overloaded) || time.Since(started) != callWait {
				t.Errorf("a call that waited in vain: %v after %v", err, time.Since(started))
			}
			hurried, cancel := context.WithTimeout(t.Context(), callWait/2)
			defer cancel()
			started = time.Now()
			if _, err := l.enter(hurried, gamers); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != callWait/2 {
				t.Errorf("a call whose deadline came: %v after %v", err, time.Since(started))
			}
			given, giveUp := context.WithCancel(t.Context())
			answers := make(chan error, 1)
			go func() { _, err := l.enter(given, gamers); answers <- err }()
			synctest.Wait()
			started = time.Now()
			if _, err := l.enter(t.Context(), gamers); !errors.Is(err, fault.Overloaded) || time.Since(started) != 0 {
				t.Errorf("one more than may wait: %v after %v", err, time.Since(started))
			}
			giveUp()
			if err := <-answers; !errors.Is(err, context.Canceled) {
				t.Errorf("a call that was given up: %v", err)
			}
			l.has(t, 1, 0)
			if n := l.tenants[gamers].active; n != 1 {
				t.Errorf("in all = %v: the tenant has %d slots, want the one of the call at work", inAll, n)
			}
			go func() { answers <- nil; l.enters(t, gamers)(); answers <- nil }()
			<-answers
			synctest.Wait()
			leave()
			<-answers
			l.rests(t)
		})
	}
}

// A call that has waited for its tenant's turn waits for that of all only for the rest.
func TestACallThatWaitsTwiceWaitsNoLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{AtWork: 1, TenantAtWork: 1, Waiting: 2, TenantWaiting: 2, Wait: callWait})
		leave := l.enters(t, gamers)
		others, answer := make(chan func(), 1), make(chan error, 1)
		go func() { others <- l.enters(t, acme) }()
		synctest.Wait()
		started := time.Now()
		go func() { _, err := l.enter(t.Context(), gamers); answer <- err }()
		<-time.After(callWait / 2)
		leave()
		leave = <-others
		if err := <-answer; !errors.Is(err, fault.Overloaded) || time.Since(started) != callWait {
			t.Errorf("%v after %v", err, time.Since(started))
		}
		leave()
		l.rests(t)
	})
}

// However many come and go, no more work than may, and nothing is left of them.
func TestTheLimitsHoldForManyAtOnce(t *testing.T) {
	t.Parallel()
	l := NewLimiter(Limits{AtWork: 6, TenantAtWork: 2, Waiting: 20, TenantWaiting: 8, Wait: time.Millisecond})
	var inAll, done atomic.Int64
	var of [5]atomic.Int64
	atOnce(crowd, func(worker int) {
		for i := range 200 {
			which := (worker + i) % len(of)
			tenant := strconv.Itoa(which)
			ctx, cancel := context.WithCancel(t.Context())
			if i%7 == 0 {
				cancel()
			}
			if s, err := l.enter(ctx, tenant); err == nil {
				if a, b := inAll.Add(1), of[which].Add(1); a > 6 || b > 2 {
					t.Errorf("%d at work, %d of one tenant", a, b)
				}
				done.Add(1)
				runtime.Gosched()
				of[which].Add(-1)
				inAll.Add(-1)
				l.leave(s)
			}
			cancel()
		}
	})
	if done.Load() == 0 {
		t.Error("none was let in")
	}
	l.rests(t)
}

func TestCallsWithoutATenantCountOnlyInAll(t *testing.T) {
	t.Parallel()
	l := NewLimiter(Limits{AtWork: 3, TenantAtWork: 1, Waiting: 2, TenantWaiting: 1, Wait: waitMax})
	leave := make(chan struct{})
	unary := l.WrapUnary(func(context.Context, connect.AnyRequest) (connect.AnyResponse, error) {
		<-leave
		return nil, nil
	})
	stream := l.WrapStreamingHandler(func(context.Context, connect.StreamingHandlerConn) error {
		<-leave
		return nil
	})
	var working sync.WaitGroup
	for i := range 5 {
		working.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = unary(t.Context(), connect.NewRequest(&teamtaskv1.GetTaskRequest{}))
			} else {
				err = stream(t.Context(), nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	l.has(t, 3, 2)
	exit := fault.NewExit(slog.New(slog.DiscardHandler), nil)
	if _, err := l.Gate(exit)(t.Context(), connect.Spec{}, connect.Peer{}, nil); connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("one more than may wait, at the gate: %v", err)
	}
	if _, err := unary(t.Context(), connect.NewRequest(&teamtaskv1.GetTaskRequest{})); !errors.Is(err, fault.Overloaded) {
		t.Errorf("one more than may wait: %v", err)
	}
	if err := stream(t.Context(), nil); !errors.Is(err, fault.Overloaded) {
		t.Errorf("one more than may wait, as a stream: %v", err)
	}
	close(leave)
	working.Wait()
	l.rests(t)
}

// What the limit adds to every call.
func BenchmarkEnterAndLeave(b *testing.B) {
	l := NewLimiter(DefaultLimits(8))
	b.Run("one after the other", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, err := l.enter(b.Context(), gamers)
			if err != nil {
				b.Fatal(err)
			}
			l.leave(s)
		}
	})
	b.Run("all processors", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				s, err := l.enter(b.Context(), gamers)
				if err != nil {
					b.Error(err)
					return
				}
				l.leave(s)
			}
		})
	})
}
