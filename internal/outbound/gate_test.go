package outbound

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterA429NobodyAsksUntilItIsOver(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.script = []http.HandlerFunc{sends(http.StatusTooManyRequests, says("too_many_requests"), "Retry-After", "10")}
		s.answer = sends(http.StatusOK, thingJSON)
		if err := s.thing(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(s.got()); n != 2 {
			t.Errorf("%d requests", n)
		}
		s.mu.Lock()
		s.requests = nil
		s.script = []http.HandlerFunc{sends(http.StatusTooManyRequests, says("too_many_requests"), "Retry-After", "10")}
		// The 429 comes first: those that are answered at once would make room for others
		// before the client has read it.
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			pass(time.Millisecond)
			sends(http.StatusOK, thingJSON)(w, r)
		}
		s.mu.Unlock()
		pass(time.Minute)
		started := time.Now()
		if failed := s.herd(t.Context(), 200); failed != 0 {
			t.Errorf("%d calls failed", failed)
		}
		early := 0
		for _, r := range s.got() {
			if r.at.Sub(started) < 10*time.Second {
				early++
			}
		}
		if early > inFlightMax {
			t.Errorf("%d requests before the pause was over, want those in flight at most", early)
		}
		if n := len(s.got()); n != 201 {
			t.Errorf("%d requests for 200 calls and one 429", n)
		}
		t.Logf("%d requests before the end of the pause, all 200 calls done after %v", early, time.Since(started))
	})
}

func TestThoseWhoWaitedOutAPauseComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	seen := map[int64]bool{}
	for range 100 {
		d := jittered(10 * time.Second)
		seen[int64(d)] = true
		if d < 10*time.Second || d > 11*time.Second+time.Millisecond {
			t.Errorf("wait %v", d)
		}
	}
	if len(seen) < 50 {
		t.Errorf("%d different waits in 100", len(seen))
	}
}

// They have a slot and wait for their turn in the budget when the pause begins.
func TestAPauseAlsoHoldsThoseWhoAreNext(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.script = []http.HandlerFunc{sends(http.StatusTooManyRequests, says("too_many_requests"), "Retry-After", "30")}
		s.answer = sends(http.StatusOK, thingJSON)
		transport := http.Transport{DialContext: s.dial}
		defer transport.CloseIdleConnections()
		s.client = s.with(options{transport: &transport, rate: 1})
		started := time.Now()
		if failed := s.herd(t.Context(), 10); failed != 0 {
			t.Errorf("%d calls failed", failed)
		}
		if got := s.got(); len(got) != 11 || got[1].at.Sub(started) < 30*time.Second {
			t.Errorf("%d requests, the second after %v", len(got), got[1].at.Sub(started))
		}
	})
}

func TestTheBudgetIsKeptByAllTogether(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 5, 0.5} {
		run(t, func(s *stand) {
			t := s.t
			s.answer = sends(http.StatusOK, thingJSON)
			transport := http.Transport{DialContext: s.dial}
			defer transport.CloseIdleConnections()
			s.client = s.with(options{transport: &transport, rate: rate})
			if rate == 0 {
				rate = RateDefault
			}
			if failed := s.herd(t.Context(), 100); failed != 0 {
				t.Errorf("%d calls failed", failed)
			}
			got := s.got()
			limit := int(10*rate) + max(1, int(rate)) + 1
			for i := range got {
				n := 0
				for _, r := range got[i:] {
					if r.at.Sub(got[i].at) < 10*time.Second {
						n++
					}
				}
				if n > limit {
					t.Fatalf("%d requests in 10 s at %g a second", n, rate)
				}
			}
		})
	}
}

func TestWaitingForATurnEndsWithTheContext(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.answer = sends(http.StatusOK, thingJSON)
		transport := http.Transport{DialContext: s.dial}
		defer transport.CloseIdleConnections()
		s.client = s.with(options{transport: &transport, rate: 0.1})
		if err := s.thing(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		for range 5 { // the deadline comes first: said at once, and the turn is given back
			if e := want(t, s.thing(ctx), RateLimited); e.Status != 0 || e.RetryAfter <= 3*time.Second || e.RetryAfter > 10*time.Second {
				t.Errorf("got %+v", e)
			}
		}
		left, cancelLeft := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancelLeft)
		if err := s.thing(left); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		started := time.Now()
		if err := s.thing(t.Context()); err != nil || time.Since(started) > 10*time.Second {
			t.Errorf("got %v after %v", err, time.Since(started))
		}
	})
}

func TestLanesAtRestAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate("Acme", RateDefault, LaneLimit{Rate: 0.4, Burst: 4})
		for i := range 10 * lanesMax {
			g.laneTurn(fmt.Sprint("org_acme/user_", i))
			pass(50 * time.Millisecond) // 20 a second
		}
		if n := len(g.lanes); n > lanesMax {
			t.Errorf("%d lanes are kept", n)
		}
	})
}
