package clerk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

// user asks for a person, the plainest call there is.
func (s *stand) user(ctx context.Context) error {
	_, err := s.client.User(ctx, "user_alice")
	return err
}

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
			s.script = []http.HandlerFunc{sends(http.StatusTooManyRequests, clerkSays("too_many_requests"), "Retry-After", header)}
			s.answer = sends(http.StatusOK, aliceJSON)
			if err := s.user(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := s.got()
			if len(got) != 2 {
				t.Fatalf("%d requests, want 2", len(got))
			}
			if between := got[1].at.Sub(got[0].at); between < wait || between > wait*11/10+time.Millisecond {
				t.Errorf("asked again after %v, want %v and up to a tenth more", between, wait)
			}
			if o := s.last(); o.Method != "User" || o.Outcome != "ok" || o.Attempts != 2 || o.Duration < wait {
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
		e := want(t, s.user(t.Context()), RateLimited)
		if e.Status != http.StatusTooManyRequests || e.RetryAfter != retryAfterMax || e.Method != "User" {
			t.Errorf("got %+v", e)
		}
		got := s.got()
		if len(got) != attemptsMax {
			t.Errorf("%d requests, want %d", len(got), attemptsMax)
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
		s.answer = sends(http.StatusTooManyRequests, clerkSays("too_many_requests"), "Retry-After", "30")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for range 2 {
			started := time.Now()
			if e := want(t, s.user(ctx), RateLimited); e.RetryAfter != 30*time.Second {
				t.Errorf("told to wait %v", e.RetryAfter)
			}
			if took := time.Since(started); took > 0 {
				t.Errorf("took %v", took)
			}
		}
		if n := len(s.got()); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
		if err := s.user(ctx); !errors.Is(err, fault.ProviderUnavailable) {
			t.Error(err)
		}
	})
}

func TestOnlyWhatMayHealIsTriedAgain(t *testing.T) {
	t.Parallel()
	huge := func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 64<<10)
		for sent := 0; sent < 50<<20; sent += len(piece) {
			if sent > bodyMax+len(piece) {
				t.Errorf("%d bytes of an answer were read", sent)
			}
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
	partial := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10000")
		w.Write([]byte(aliceJSON))
	}
	dropped := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		kind     Kind
		status   int
		code     string
		requests int
	}{
		"html 502":           {sends(502, "<html><body>Bad gateway</body></html>", "Content-Type", "text/html"), Unavailable, 502, "", attemptsMax},
		"json 500":           {sends(500, clerkSays("internal_clerk_error")), Unavailable, 500, "internal_clerk_error", attemptsMax},
		"empty 503":          {sends(503, ""), Unavailable, 503, "", attemptsMax},
		"status in the body": {sends(502, `{"errors":[{"code":"x"}],"status":200}`), Unavailable, 502, "x", attemptsMax},
		"empty 200":          {sends(200, ""), Unavailable, 200, "", attemptsMax},
		"html 200":           {sends(200, "<html>log in to the wireless network</html>"), Unavailable, 200, "", attemptsMax},
		"truncated":          {sends(200, aliceJSON[:200]), Unavailable, 200, "", attemptsMax},
		"partial":            {partial, Unavailable, 200, "", attemptsMax},
		"dropped":            {dropped, Unavailable, 0, "", attemptsMax},
		"hanging":            {hangs, Unavailable, 0, "", attemptsMax},
		"another's":          {sends(200, strings.ReplaceAll(aliceJSON, "user_alice", "user_mallory")), Unavailable, 200, "", attemptsMax},
		"nothing":            {sends(200, "{}"), Unavailable, 200, "", attemptsMax},
		"another type":       {sends(200, `{"id":{"a":1}}`), Unavailable, 200, "", 1},
		"50 MB":              {huge, Unavailable, 200, "", 1},
		"bare 204":           {sends(204, ""), Unavailable, 204, "", attemptsMax},
		"304":                {sends(304, ""), Unavailable, 304, "", 1},
		"404":                {sends(404, clerkSays("resource_not_found")), NotFound, 404, "resource_not_found", 1},
		"foreign 404":        {sends(404, "<html>nothing here</html>"), Unavailable, 404, "", 1},
		"empty 404":          {sends(404, ""), Unavailable, 404, "", 1},
		"other JSON 404":     {sends(404, `{"message":"no Route matched"}`), Unavailable, 404, "", 1},
		"half a 404":         {sends(404, clerkSays("resource_not_found")[:30]), Unavailable, 404, "", 1},
		"no errors 404":      {sends(404, `{"errors":[]}`), Unavailable, 404, "", 1},
		"401":                {sends(401, clerkSays("clerk_key_invalid")), Refused, 401, "clerk_key_invalid", 1},
		"422":                {sends(422, clerkSays("form_param_invalid")), Refused, 422, "form_param_invalid", 1},
		"409":                {sends(409, clerkSays("conflict")), Refused, 409, "conflict", 1},
		"foreign 403":        {sends(403, "<html>blocked</html>"), Unavailable, 403, "", 1},
		"strange code":       {sends(400, clerkSays("<script>")), Unavailable, 400, "", 1},
		"echoed key":         {sends(400, clerkSays(testKey)), Refused, 400, "", 1},
		"key as text":        {sends(500, testKey), Unavailable, 500, "", attemptsMax},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(s *stand) {
				t := s.t
				s.answer = c.answer
				err := s.user(t.Context())
				e := want(t, err, c.kind)
				if e.Status != c.status || e.Code != c.code || e.Method != "User" {
					t.Errorf("got %+v", e)
				}
				if n := len(s.got()); n != c.requests {
					t.Errorf("%d requests, want %d", n, c.requests)
				}
				if o := s.last(); o.Outcome != string(c.kind) || o.Attempts != c.requests {
					t.Errorf("observed %+v", o)
				}
			})
		})
	}
}

func TestTheSecretKeyIsTakenOutOfForeignErrors(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.client = s.with(Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New(r.Header.Get("Authorization") + strings.Repeat("x", 10<<10))}
		})})
		err := s.user(t.Context())
		if want(t, err, Unavailable); !strings.Contains(err.Error(), "dial") {
			t.Errorf("the error of the network is not said: %v", err)
		}
	})
}

// Some errors of net/http and of encoding/json quote the answer.
func TestNoPartOfAnAnswerIsInAnError(t *testing.T) {
	t.Parallel()
	raw := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			io.WriteString(conn, answer)
		}
	}
	const canary = "4915112345"
	for _, answer := range []http.HandlerFunc{
		raw(canary + " is no HTTP\r\n\r\n"), raw("HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n"), raw("HTTP/1.1 " + canary + " OK\r\n\r\n"),
		raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n"), raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "zz\r\n"),
		sends(200, `{"id":`+canary+`}`), sends(200, `{"id":"user_alice","created_at":`+canary+`.5}`), sends(200, canary), sends(200, `{"`+canary+`":`), sends(400, canary), sends(500, canary),
		sends(422, `{"errors":[{"message":"`+canary+`","long_message":"`+canary+`","code":"form_param_invalid","meta":{"param_name":"`+canary+`"}}],"clerk_trace_id":"`+canary+`"}`),
		sends(302, "", "Location", "https://evil.test/"+canary),
	} {
		run(t, func(s *stand) {
			s.answer = answer
			if err := s.user(s.t.Context()); err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), canary) {
				s.t.Errorf("got %v", err)
			}
		})
	}
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
		want(t, s.user(t.Context()), Unavailable)
		got := s.got()
		for i := 1; i < len(got); i++ {
			if between := got[i].at.Sub(got[i-1].at); between < backoffBase<<(i-1) {
				t.Errorf("try %d came after %v", i+1, between)
			}
		}
	})
}

func TestATroubleThatPassesIsNotSeen(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.script = []http.HandlerFunc{sends(502, "<html>"), hangs, sends(200, `{"id":`)}
		s.answer = sends(http.StatusOK, memberJSON("org_acme", "user_bob", `{"isLicensed":true}`))
		m, err := s.client.SetMembershipMetadata(t.Context(), "org_acme", "user_bob", map[string]any{MetadataLicensed: true})
		if err != nil || !m.Licensed {
			t.Fatal(m, err)
		}
		for _, r := range s.got() {
			if r.method != http.MethodPatch || r.body != `{"public_metadata":{"isLicensed":true}}` {
				t.Errorf("sent %s %s", r.method, r.body)
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
			s.answer = sends(http.StatusOK, aliceJSON)
			if err := s.user(t.Context()); err != nil {
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
			err := s.user(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, fault.ProviderUnavailable) || time.Since(started) != 3*time.Second {
				t.Errorf("got %v after %v", err, time.Since(started))
			}
			if o := s.last(); o.Outcome != "canceled" || o.Attempts != 1 {
				t.Errorf("observed %+v", o)
			}

			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if err := s.user(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			before := len(s.got())
			if err := s.user(ctx); !errors.Is(err, context.Canceled) || len(s.got()) != before {
				t.Errorf("got %v, %d requests after the end", err, len(s.got())-before)
			}
		})
	}
	run(t, func(s *stand) { // while it waits to try again
		t := s.t
		s.answer = sends(http.StatusServiceUnavailable, "", "Retry-After", "20")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := s.user(ctx); !errors.Is(err, context.Canceled) || len(s.got()) != 1 {
			t.Errorf("got %v after %d requests", err, len(s.got()))
		}
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		started := time.Now()
		if e := want(t, s.user(ctx), Unavailable); e.RetryAfter != 20*time.Second || time.Since(started) != 0 {
			t.Errorf("got %+v after %v", e, time.Since(started))
		}
	})
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"http://evil.test/v1/users/user_alice", "/v1/users/user_alice", "//evil.test/"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			run(t, func(s *stand) {
				t := s.t
				s.script = []http.HandlerFunc{sends(status, aliceJSON, "Location", target)}
				s.answer = sends(http.StatusOK, aliceJSON)
				if e := want(t, s.user(t.Context()), Unavailable); e.Status != status {
					t.Errorf("got %+v", e)
				}
				if len(s.got()) != 1 || len(s.hosts) != 1 || s.hosts["clerk.test:80"] != 1 {
					t.Errorf("%d requests, hosts %v", len(s.got()), s.hosts)
				}
			})
		}
	}
}
