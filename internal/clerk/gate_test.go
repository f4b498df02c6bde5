package clerk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// herd makes n calls at once and answers how many failed.
func (s *stand) herd(ctx context.Context, n int) int {
	var failed atomic.Int64
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if s.user(ctx) != nil {
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
		if took := time.Since(started); took > attemptsMax*attemptMax {
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
		s.answer = sends(http.StatusOK, aliceJSON)
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
		if err := s.user(t.Context()); err != nil {
			t.Fatal(err)
		}
		if failed := s.herd(t.Context(), 100); failed != 0 || len(s.got())-before != 101 {
			t.Errorf("%d of 100 calls failed after the outage", failed)
		}
	})
}

func TestOneCallAtATimeTriesWhetherClerkIsBack(t *testing.T) {
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
			if e := want(t, s.user(t.Context()), Unavailable); e.RetryAfter <= 0 || e.RetryAfter > time.Second || len(s.got()) != before+1 {
				t.Errorf("open: %+v", e)
			}
		}
		// A probe whose caller leaves decides nothing, and the next one may go at once.
		pass(breakerOpenLongest)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := s.user(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		s.mu.Lock()
		s.answer = sends(http.StatusNotFound, clerkSays("resource_not_found")) // somebody is there
		s.mu.Unlock()
		want(t, s.user(t.Context()), NotFound)
		want(t, s.user(t.Context()), NotFound)
	})
}

func TestAPanicInAProbeDoesNotShutTheBreakerForGood(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		mode := "refuse"
		s.client = s.with(Options{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
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
			s.user(t.Context())
		}()
		mode = "refuse"
		s.user(t.Context())
		if o := s.last(); o.Attempts != 1 {
			t.Errorf("observed %+v", o)
		}
	})
}

// Otherwise a caller with a deadline of a millisecond could close Clerk for everybody.
func TestCallersWhoLeaveEarlyDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.answer = hangs
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			s.user(ctx)
			cancel()
		}
		s.answer = sends(http.StatusOK, aliceJSON)
		if err := s.user(t.Context()); err != nil {
			t.Error(err)
		}
	})
	run(t, func(s *stand) { // but those who waited long did see something
		t := s.t
		s.answer = hangs
		for range 2 * breakerFailures {
			ctx, cancel := context.WithTimeout(t.Context(), attemptSlow)
			s.user(ctx)
			cancel()
		}
		if n := len(s.got()); n != breakerFailures {
			t.Errorf("%d requests", n)
		}
	})
}

func TestClerksOwnRefusalsDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{400: "bad", 401: "bad", 404: "bad", 422: "bad", 500: "internal_clerk_error", 403: "", 302: ""} {
		run(t, func(s *stand) {
			t := s.t
			s.answer = sends(status, clerkSays(code))
			for range 2 * breakerFailures {
				s.user(t.Context())
			}
			s.answer = sends(http.StatusOK, aliceJSON)
			if err := s.user(t.Context()); err != nil {
				t.Errorf("after %d: %v", status, err)
			}
		})
	}
}

func TestAfterA429NobodyAsksUntilItIsOver(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.script = []http.HandlerFunc{sends(http.StatusTooManyRequests, clerkSays("too_many_requests"), "Retry-After", "10")}
		s.answer = sends(http.StatusOK, aliceJSON)
		if err := s.user(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(s.got()); n != 2 {
			t.Errorf("%d requests", n)
		}
		s.mu.Lock()
		s.requests = nil
		s.script = []http.HandlerFunc{sends(http.StatusTooManyRequests, clerkSays("too_many_requests"), "Retry-After", "10")}
		// The 429 comes first: those that are answered at once would make room for others
		// before the client has read it.
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			pass(time.Millisecond)
			sends(http.StatusOK, aliceJSON)(w, r)
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
		s.script = []http.HandlerFunc{sends(http.StatusTooManyRequests, clerkSays("too_many_requests"), "Retry-After", "30")}
		s.answer = sends(http.StatusOK, aliceJSON)
		transport := http.Transport{DialContext: s.dial}
		defer transport.CloseIdleConnections()
		s.client = s.with(Options{Transport: &transport, Rate: 1})
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
			s.answer = sends(http.StatusOK, aliceJSON)
			transport := http.Transport{DialContext: s.dial}
			defer transport.CloseIdleConnections()
			s.client = s.with(Options{Transport: &transport, Rate: rate})
			if rate == 0 {
				rate = rateDefault
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
		s.answer = sends(http.StatusOK, aliceJSON)
		transport := http.Transport{DialContext: s.dial}
		defer transport.CloseIdleConnections()
		s.client = s.with(Options{Transport: &transport, Rate: 0.1})
		if err := s.user(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		for range 5 { // the deadline comes first: said at once, and the turn is given back
			if e := want(t, s.user(ctx), RateLimited); e.Status != 0 || e.RetryAfter <= 3*time.Second || e.RetryAfter > 10*time.Second {
				t.Errorf("got %+v", e)
			}
		}
		left, cancelLeft := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancelLeft)
		if err := s.user(left); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		started := time.Now()
		if err := s.user(t.Context()); err != nil || time.Since(started) > 10*time.Second {
			t.Errorf("got %v after %v", err, time.Since(started))
		}
	})
}

func TestMetadataOfOneMembershipStaysBelowClerksLimit(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			user := "user_bob"
			if r.URL.Path == "/v1/organizations/org_acme/memberships/user_eve/metadata" {
				user = "user_eve"
			}
			sends(http.StatusOK, memberJSON("org_acme", user, "{}"))(w, r)
		}
		set := func(ctx context.Context, user string) error {
			_, err := s.client.SetMembershipMetadata(ctx, "org_acme", user, map[string]any{MetadataLicensed: true})
			return err
		}
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				if err := set(t.Context(), "user_bob"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		started := time.Now() // the others do not wait for this one
		if err := set(t.Context(), "user_eve"); err != nil || time.Since(started) > time.Second {
			t.Errorf("another membership: %v after %v", err, time.Since(started))
		}
		if err := s.client.call(t.Context(), question{name: "X"}, func(context.Context) error { return nil }); err != nil || time.Since(started) > time.Second {
			t.Errorf("another call: %v after %v", err, time.Since(started))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		want(t, set(ctx, "user_bob"), RateLimited)
		all.Wait()
		if writes, most := s.writes("user_bob"); writes != 30 || most > 8 {
			t.Errorf("%d writes, up to %d in 10 s", writes, most)
		}
	})
}

// writes is how many writes of metadata a person's membership had, and how many of them
// within 10 seconds at most.
func (s *stand) writes(user string) (all, most int) {
	var at []time.Time
	for _, r := range s.got() {
		if r.path == "/v1/organizations/org_acme/memberships/"+user+"/metadata" {
			at = append(at, r.at)
		}
	}
	for i := range at {
		n := 0
		for _, later := range at[i:] {
			if later.Sub(at[i]) < 10*time.Second {
				n++
			}
		}
		most = max(most, n)
	}
	return len(at), most
}

func TestWritesThatWaitedOutAPauseDoNotAllComeAtOnce(t *testing.T) {
	t.Parallel()
	slowDown := sends(http.StatusTooManyRequests, clerkSays("too_many_requests"), "Retry-After", "60")
	for name, before := range map[string]func(s *stand) error{
		"for all":     func(s *stand) error { return s.user(s.t.Context()) },
		"of the lane": func(*stand) error { return nil },
	} {
		run(t, func(s *stand) {
			t := s.t
			s.script = []http.HandlerFunc{slowDown}
			s.answer = func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					sends(http.StatusOK, aliceJSON)(w, r)
					return
				}
				sends(http.StatusOK, memberJSON("org_acme", "user_bob", "{}"))(w, r)
			}
			var all sync.WaitGroup
			all.Go(func() {
				if err := before(s); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			for range 30 {
				all.Go(func() {
					if _, err := s.client.SetMembershipMetadata(t.Context(), "org_acme", "user_bob", nil); err != nil {
						t.Error(err)
					}
				})
				pass(time.Millisecond)
			}
			all.Wait()
			writes, most := s.writes("user_bob")
			if writes < 30 || most > 8 {
				t.Errorf("%s: %d writes, up to %d in 10 s", name, writes, most)
			}
			got := s.got()
			if early := got[1].at.Sub(got[0].at); early < time.Minute {
				t.Errorf("%s: asked again after %v", name, early)
			}
		})
	}
}

func TestA429ForOneMembershipDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.script = []http.HandlerFunc{sends(http.StatusTooManyRequests, clerkSays("too_many_requests"), "Retry-After", "10")}
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				sends(http.StatusOK, aliceJSON)(w, r)
				return
			}
			sends(http.StatusOK, memberJSON("org_acme", "user_bob", "{}"))(w, r)
		}
		started := time.Now()
		var bob time.Duration
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.client.SetMembershipMetadata(t.Context(), "org_acme", "user_bob", nil); err != nil {
				t.Error(err)
			}
			bob = time.Since(started)
		})
		synctest.Wait()
		if err := s.user(t.Context()); err != nil || time.Since(started) != 0 {
			t.Errorf("a read: %v after %v", err, time.Since(started))
		}
		all.Wait()
		if bob < 10*time.Second {
			t.Errorf("tried again after %v", bob)
		}
	})
}

func TestLanesAtRestAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(rateDefault)
		for i := range 10 * lanesMax {
			g.laneTurn(fmt.Sprint("org_acme/user_", i))
			pass(50 * time.Millisecond) // 20 a second
		}
		if n := len(g.lanes); n > lanesMax {
			t.Errorf("%d lanes are kept", n)
		}
	})
}
