package outbound

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// herd makes n calls at once and answers how many failed.
func (s *stand) herd(ctx context.Context, n int) int {
	var failed atomic.Int64
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if s.thing(ctx) != nil {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	return int(failed.Load())
}

func TestAHerdAgainstADeadServerMakesFewRequests(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.setRefuse(true)
		started := time.Now()
		if failed := s.herd(t.Context(), 200); failed != 200 {
			t.Errorf("%d calls failed", failed)
		}
		if n := s.dialed(); n < breakerFailures || n > inFlightMax+breakerFailures {
			t.Errorf("refused: %d requests for 200 calls", n)
		}
		if took := time.Since(started); took > 2*time.Second {
			t.Errorf("refused: took %v", took)
		}
		t.Logf("refused: %d connections for 200 calls, %v", s.dialed(), time.Since(started))
	})
	run(t, func(s *stand) {
		t := s.t
		s.answer = hangs
		started := time.Now()
		if failed := s.herd(t.Context(), 200); failed != 200 {
			t.Errorf("%d calls failed", failed)
		}
		// Those in flight, those who took the place of the first to give up, and a probe.
		if n := len(s.got()); n > inFlightMax+breakerFailures+1 {
			t.Errorf("hanging: %d requests for 200 calls", n)
		}
		if took := time.Since(started); took > AttemptsMax*attemptMax {
			t.Errorf("hanging: took %v", took)
		}
		t.Logf("hanging: %d requests for 200 calls, %v", len(s.got()), time.Since(started))
	})
}

func TestAnHourOfOutageIsProbedAndEndsByItself(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.setRefuse(true)
		s.answer = sends(http.StatusOK, thingJSON)
		for end := time.Now().Add(time.Hour); time.Now().Before(end); pass(5 * time.Second) {
			if s.herd(t.Context(), 5) != 5 {
				t.Fatal("a call succeeded")
			}
		}
		// 5, 10, 20 and then 30 s between probes
		if n := s.dialed(); n > inFlightMax+int(time.Hour/breakerOpenLongest)+5 {
			t.Errorf("%d connections in an hour of 3,600 calls", n)
		}
		t.Logf("%d connections in an hour of 3,600 calls", s.dialed())
		s.setRefuse(false)
		pass(breakerOpenLongest)
		before := len(s.got())
		if err := s.thing(t.Context()); err != nil {
			t.Fatal(err)
		}
		if failed := s.herd(t.Context(), 100); failed != 0 || len(s.got())-before != 101 {
			t.Errorf("%d of 100 calls failed after the outage", failed)
		}
	})
}

func TestOneCallAtATimeTriesWhetherTheProviderIsBack(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.setRefuse(true)
		s.herd(t.Context(), inFlightMax)
		s.setRefuse(false)
		s.answer = hangs
		open := breakerOpenFirst
		pass(open)
		for range 4 { // each probe fails after hanging
			pass(time.Second)
			before := len(s.got())
			if failed := s.herd(t.Context(), 50); failed != 50 {
				t.Error("a call succeeded")
			}
			if n := len(s.got()) - before; n != 1 {
				t.Errorf("%d probes at once", n)
			}
			open = min(2*open, breakerOpenLongest)
			pass(open - time.Second)
			if e := want(t, s.thing(t.Context()), Unavailable); e.RetryAfter <= 0 || e.RetryAfter > time.Second || len(s.got()) != before+1 {
				t.Errorf("open: %+v", e)
			}
		}
		// A probe whose caller leaves decides nothing, and the next one may go at once.
		pass(breakerOpenLongest)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := s.thing(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		s.mu.Lock()
		s.answer = sends(http.StatusNotFound, says("resource_not_found")) // the provider responds
		s.mu.Unlock()
		want(t, s.thing(t.Context()), NotFound)
		want(t, s.thing(t.Context()), NotFound)
	})
}

func TestAPanicInAProbeDoesNotShutTheBreakerForGood(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		mode := "refuse"
		s.client = s.with(options{transport: roundTripper(func(*http.Request) (*http.Response, error) {
			if mode == "panic" {
				panic("a bug")
			}
			return nil, errors.New("refused")
		})})
		s.herd(t.Context(), inFlightMax)
		pass(breakerOpenFirst)
		mode = "panic"
		func() {
			defer func() { recover() }()
			s.thing(t.Context())
		}()
		mode = "refuse"
		s.thing(t.Context())
		if o := s.last(); o.Attempts != 1 {
			t.Errorf("observed %+v", o)
		}
	})
}

// Otherwise a caller with a deadline of a millisecond could close the provider for everybody.
func TestCallersWhoLeaveEarlyDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.answer = hangs
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			s.thing(ctx)
			cancel()
		}
		s.answer = sends(http.StatusOK, thingJSON)
		if err := s.thing(t.Context()); err != nil {
			t.Error(err)
		}
	})
	run(t, func(s *stand) { // but those who waited long did see something
		t := s.t
		s.answer = hangs
		for range 2 * breakerFailures {
			ctx, cancel := context.WithTimeout(t.Context(), attemptSlow)
			s.thing(ctx)
			cancel()
		}
		if n := len(s.got()); n != breakerFailures {
			t.Errorf("%d requests", n)
		}
	})
}

// To a job a call that was not made is no failed attempt, and what waits is woken when the
// provider responds again: once, and by any response.
func TestRefusedCallsAreUnsentAndRecoveryIsReported(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		if err := s.thing(t.Context()); err == nil {
			t.Fatal("the stand should refuse what it does not know")
		}
		s.setRefuse(true)
		if e := want(t, s.thing(t.Context()), Unavailable); e.Unsent() {
			t.Error("a request that found no server was sent")
		}
		s.herd(t.Context(), inFlightMax)
		e := want(t, s.thing(t.Context()), Unavailable)
		if !e.Unsent() || !errors.As(AsFault(e), new(interface {
			error
			Unsent() bool
		})) {
			t.Errorf("while the breaker is open: %+v", e)
		}
		s.setRefuse(false)
		s.mu.Lock()
		s.answer = sends(http.StatusNotFound, says("resource_not_found"))
		s.mu.Unlock()
		if n := s.recovered.Load(); n != 0 {
			t.Errorf("recovery was reported %d times before there was any", n)
		}
		pass(breakerOpenLongest)
		for range 3 {
			if e := want(t, s.thing(t.Context()), NotFound); e.Unsent() {
				t.Error("a request with a response was sent")
			}
		}
		if n := s.recovered.Load(); n != 1 {
			t.Errorf("recovery was reported %d times, want once", n)
		}
	})
}
