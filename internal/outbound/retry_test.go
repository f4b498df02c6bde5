package outbound

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

func TestA429IsWaitedOutAndThenAskedAgain(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"7", "date", "junk", ""} {
		run(t, func(s *stand) {
			t := s.t
			wait := 7 * time.Second
			switch header {
			case "date":
				header = time.Now().Add(wait).UTC().Format(http.TimeFormat)
			case "junk", "":
				wait = retryAfterUnset
			}
			s.script = []http.HandlerFunc{sends(http.StatusTooManyRequests, says("too_many_requests"), "Retry-After", header)}
			s.answer = sends(http.StatusOK, thingJSON)
			if err := s.thing(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := s.got()
			if len(got) != 2 {
				t.Fatalf("%d requests, want 2", len(got))
			}
			if between := got[1].at.Sub(got[0].at); between < wait || between > wait*11/10+time.Millisecond {
				t.Errorf("asked again after %v, want %v and up to a tenth more", between, wait)
			}
			if o := s.last(); o.Method != "things.get" || o.Outcome != "ok" || o.Attempts != 2 || o.Duration < wait {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

func TestRetryAfterIsReadInSecondsOrAsADateAndCapped(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"0": 0, "1": time.Second, " 30 ": 30 * time.Second, "3600": retryAfterMax, "99999999999999999999999": retryAfterMax, "4294967295": retryAfterMax,
		"-1": 0, "1.5": 0, "soon": 0, "": 0,
		"Sat, 21 Nov 2026 12:00:09 GMT": 9 * time.Second, "Sat, 21 Nov 2026 11:00:00 GMT": 0, "Sat, 21 Nov 2036 12:00:00 GMT": retryAfterMax,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestA429ThatGoesOnEndsAfterTheLastTry(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.answer = sends(http.StatusTooManyRequests, "<html>slow down</html>", "Retry-After", "3600")
		e := want(t, s.thing(t.Context()), RateLimited)
		if e.Status != http.StatusTooManyRequests || e.RetryAfter != retryAfterMax || e.Method != "things.get" {
			t.Errorf("got %+v", e)
		}
		got := s.got()
		if len(got) != AttemptsMax {
			t.Errorf("%d requests, want %d", len(got), AttemptsMax)
		}
		if took := got[len(got)-1].at.Sub(got[0].at); took > 4*retryAfterMax {
			t.Errorf("the tries took %v", took)
		}
	})
}

func TestAPauseThatOutlastsTheDeadlineIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.answer = sends(http.StatusTooManyRequests, says("too_many_requests"), "Retry-After", "30")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for range 2 {
			started := time.Now()
			if e := want(t, s.thing(ctx), RateLimited); e.RetryAfter != 30*time.Second {
				t.Errorf("told to wait %v", e.RetryAfter)
			}
			if took := time.Since(started); took > 0 {
				t.Errorf("took %v", took)
			}
		}
		if n := len(s.got()); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
		if err := s.thing(ctx); !errors.Is(AsFault(err), fault.ProviderUnavailable) {
			t.Error(err)
		}
	})
}

func TestTheSecretKeyIsTakenOutOfForeignErrors(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.client = s.with(options{transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New(r.Header.Get("Authorization") + strings.Repeat("x", 10<<10))}
		})})
		err := s.thing(t.Context())
		if want(t, err, Unavailable); !strings.Contains(err.Error(), "dial") {
			t.Errorf("the error of the network is not said: %v", err)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTriesAreSpacedMoreAndMoreAndAtRandom(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int][2]time.Duration{
		1: {250 * time.Millisecond, 500 * time.Millisecond}, 2: {500 * time.Millisecond, time.Second}, 3: {time.Second, 2 * time.Second}, 9: {2 * time.Second, 4 * time.Second},
	} {
		seen := map[int64]bool{}
		for range 100 {
			d := backoff(attempts)
			seen[int64(d)] = true
			if d < want[0] || d >= want[1] {
				t.Errorf("after %d: %v", attempts, d)
			}
		}
		if len(seen) < 50 {
			t.Errorf("after %d: %d different waits in 100", attempts, len(seen))
		}
	}
	run(t, func(s *stand) {
		t := s.t
		s.answer = sends(http.StatusInternalServerError, "")
		want(t, s.thing(t.Context()), Unavailable)
		got := s.got()
		for i := 1; i < len(got); i++ {
			if between := got[i].at.Sub(got[i-1].at); between < backoffBase<<(i-1) {
				t.Errorf("try %d came after %v", i+1, between)
			}
		}
	})
}

func TestOneTryEndsAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	slow := func(w http.ResponseWriter, r *http.Request) { // the headers come at once, the body does not
		w.Header().Set("Content-Length", "100")
		w.(http.Flusher).Flush()
		hangs(w, r)
	}
	for _, answer := range []http.HandlerFunc{hangs, slow} {
		run(t, func(s *stand) {
			t := s.t
			s.script = []http.HandlerFunc{answer}
			s.answer = sends(http.StatusOK, thingJSON)
			if err := s.thing(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := s.got()
			if between := got[1].at.Sub(got[0].at); len(got) != 2 || between < attemptMax || between > attemptMax+backoffMax {
				t.Errorf("%d requests, the second after %v", len(got), between)
			}
		})
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	body := func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		hangs(w, r)
	}
	for _, answer := range []http.HandlerFunc{hangs, body} {
		run(t, func(s *stand) {
			t := s.t
			s.answer = answer
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			started := time.Now()
			err := s.thing(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(AsFault(err), fault.ProviderUnavailable) || time.Since(started) != 3*time.Second {
				t.Errorf("got %v after %v", err, time.Since(started))
			}
			if o := s.last(); o.Outcome != "canceled" || o.Attempts != 1 {
				t.Errorf("observed %+v", o)
			}

			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if err := s.thing(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			before := len(s.got())
			if err := s.thing(ctx); !errors.Is(err, context.Canceled) || len(s.got()) != before {
				t.Errorf("got %v, %d requests after the end", err, len(s.got())-before)
			}
		})
	}
	run(t, func(s *stand) { // while it waits to try again
		t := s.t
		s.answer = sends(http.StatusServiceUnavailable, "", "Retry-After", "20")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := s.thing(ctx); !errors.Is(err, context.Canceled) || len(s.got()) != 1 {
			t.Errorf("got %v after %d requests", err, len(s.got()))
		}
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		started := time.Now()
		if e := want(t, s.thing(ctx), Unavailable); e.RetryAfter != 20*time.Second || time.Since(started) != 0 {
			t.Errorf("got %+v after %v", e, time.Since(started))
		}
	})
}
