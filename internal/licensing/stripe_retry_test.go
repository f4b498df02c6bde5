package licensing

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

// create makes a customer, the plainest write there is.
func (s *stripeStand) create(ctx context.Context) error {
	_, err := s.client.createCustomer(ctx, "key-1", "org_1", "Acme")
	return err
}

func TestA429OfStripeIsWaitedOutAndThenAskedAgain(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"7", "date", "junk", ""} {
		standIn(t, func(s *stripeStand) {
			t := s.t
			wait := 7 * time.Second
			switch header {
			case "date":
				header = time.Now().Add(wait).UTC().Format(http.TimeFormat)
			case "junk", "":
				wait = retryAfterUnset
			}
			s.script = []http.HandlerFunc{replies(http.StatusTooManyRequests, stripeSays("invalid_request_error", "rate_limit", ""), "Retry-After", header)}
			s.answer = replies(http.StatusOK, customerJSON)
			if err := s.create(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := s.got()
			if len(got) != 2 {
				t.Fatalf("%d requests, want 2", len(got))
			}
			if between := got[1].at.Sub(got[0].at); between < wait || between > wait*11/10+time.Millisecond {
				t.Errorf("asked again after %v, want %v and up to a tenth more", between, wait)
			}
			if o := s.last(); o.Method != "customers.create" || o.Outcome != "ok" || o.Attempts != 2 || o.Duration < wait {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

func TestA429OfStripeIsWaitedForAMinuteAtMost(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		t := s.t
		s.answer = replies(http.StatusTooManyRequests, "<html>slow down</html>", "Retry-After", "3600")
		e := wantStripe(t, s.create(t.Context()), StripeRateLimited)
		if e.Status != http.StatusTooManyRequests || e.RetryAfter != retryAfterMax {
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

func TestAPauseOfStripeHoldsEverybodyAndALockOnlyTheOne(t *testing.T) {
	t.Parallel()
	for code, others := range map[string]bool{"rate_limit": true, codeLockTimeout: false} {
		standIn(t, func(s *stripeStand) {
			t := s.t
			s.script = []http.HandlerFunc{replies(http.StatusTooManyRequests, stripeSays("invalid_request_error", code, ""), "Retry-After", "20")}
			s.answer = replies(http.StatusOK, customerJSON)
			var first sync.WaitGroup
			first.Go(func() {
				if err := s.create(t.Context()); err != nil {
					t.Error(err)
				}
			})
			<-time.After(time.Second)
			started := time.Now()
			if _, err := s.client.customerGone(t.Context(), "cus_1"); err != nil {
				t.Error(err)
			}
			if waited := time.Since(started) >= 19*time.Second; waited != others {
				t.Errorf("%s: another call waited: %t, want %t", code, waited, others)
			}
			first.Wait()
		})
	}
}

// What was applied before its answer got lost must be answered by the second attempt:
// the key is the same, and so are the parameters.
func TestEveryAttemptOfAWriteCarriesTheSameKeyAndParameters(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]http.HandlerFunc{
		"500":        replies(http.StatusInternalServerError, stripeSays("api_error", "", "")),
		"503":        replies(http.StatusServiceUnavailable, ""),
		"HTML":       replies(http.StatusBadGateway, "<html>bad gateway</html>"),
		"applied":    drops,
		"hanging":    hangs,
		"in use":     replies(http.StatusConflict, stripeSays("idempotency_error", "idempotency_key_in_use", "")),
		"conflict":   replies(http.StatusConflict, stripeSays("invalid_request_error", "", "")),
		"locked":     replies(http.StatusTooManyRequests, stripeSays("invalid_request_error", codeLockTimeout, "")),
		"told again": replies(http.StatusBadRequest, stripeSays("invalid_request_error", "", ""), "Stripe-Should-Retry", "true"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stripeStand) {
				t := s.t
				s.script = []http.HandlerFunc{first, first}
				s.answer = replies(http.StatusOK, customerJSON, "Idempotent-Replayed", "true")
				id, err := s.client.createCustomer(t.Context(), "key-1", "org_1", "Acme")
				if id != "cus_1" || err != nil {
					t.Fatalf("got %q, %v", id, err)
				}
				got := s.got()
				if len(got) != 3 {
					t.Fatalf("%d requests, want 3", len(got))
				}
				if took := s.last().Duration; took > 2*attemptMax+backoffMax {
					t.Errorf("took %v", took)
				}
				for _, r := range got {
					if r.header.Get("Idempotency-Key") != "key-1" || r.form.Get("metadata[organization_id]") != "org_1" || r.form.Get("name") != "Acme" {
						t.Errorf("sent %v with the key %q", r.form, r.header.Get("Idempotency-Key"))
					}
					if r.header.Get("Authorization") != "Bearer "+stripeTestKey || r.header.Get("Stripe-Version") != apiVersion {
						t.Errorf("headers %v", r.header)
					}
					if r.header.Get("X-Stripe-Client-User-Agent") != "" || r.header.Get("X-Stripe-Client-Telemetry") != "" {
						t.Errorf("the request tells of this machine: %v", r.header)
					}
				}
			})
		})
	}
}

func TestAWriteWithoutAKeyIsNotSent(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		t := s.t
		s.answer = replies(http.StatusOK, customerJSON)
		for _, key := range []string{"", strings.Repeat("k", keyMax+1)} {
			_, err := s.client.createCustomer(t.Context(), key, "org_1", "Acme")
			wantStripe(t, err, StripeRefused)
			wantStripe(t, s.client.cancel(t.Context(), key, "sub_1"), StripeRefused)
		}
		for _, r := range s.got() {
			if r.method != http.MethodGet {
				t.Errorf("%s %s was sent", r.method, r.path)
			}
		}
	})
}

func TestAFailureThatStripeStoredForTheKeyIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		t := s.t
		s.script = []http.HandlerFunc{replies(http.StatusInternalServerError, stripeSays("api_error", "", ""))}
		s.answer = replies(http.StatusInternalServerError, stripeSays("api_error", "", ""), "Idempotent-Replayed", "true", "Request-Id", "req_7")
		e := wantStripe(t, s.create(t.Context()), StripeUnavailable)
		if !e.Replayed || e.RequestID != "req_7" || !strings.Contains(e.Error(), "only another key can succeed") {
			t.Errorf("got %+v", e)
		}
		if n := len(s.got()); n != 2 {
			t.Errorf("%d requests, want 2: a further one would bring the same", n)
		}
	})
}

func TestOnlyWhatMayHealIsAskedOfStripeAgain(t *testing.T) {
	t.Parallel()
	huge := func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 64<<10)
		for sent := 0; sent < 50<<20; sent += len(piece) {
			if sent > stripeBodyMax+len(piece) {
				t.Errorf("%d bytes of an answer were read", sent)
			}
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
	partial := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000")
			w.WriteHeader(status)
			w.Write([]byte(body))
		}
	}
	refusedJSON := stripeSays("invalid_request_error", "parameter_invalid_integer", "limit")
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		kind     StripeKind
		status   int
		code     string
		requests int
	}{
		"html 502":     {replies(502, "<html>"+bodyCanary+"</html>"), StripeUnavailable, 502, "", attemptsMax},
		"json 500":     {replies(500, stripeSays("api_error", "", "")), StripeUnavailable, 500, "", attemptsMax},
		"told not to":  {replies(500, stripeSays("api_error", "", ""), "Stripe-Should-Retry", "false"), StripeUnavailable, 500, "", 1},
		"empty 503":    {replies(503, ""), StripeUnavailable, 503, "", attemptsMax},
		"empty 200":    {replies(200, ""), StripeUnavailable, 200, "", attemptsMax},
		"html 200":     {replies(200, "<html>"+bodyCanary+"</html>"), StripeUnavailable, 200, "", attemptsMax},
		"truncated":    {replies(200, customerJSON[:40]), StripeUnavailable, 200, "", attemptsMax},
		"partial":      {partial(200, customerJSON), StripeUnavailable, 200, "", attemptsMax},
		"partial 400":  {partial(400, refusedJSON), StripeUnavailable, 400, "", attemptsMax},
		"dropped":      {drops, StripeUnavailable, 0, "", attemptsMax},
		"hanging":      {hangs, StripeUnavailable, 0, "", attemptsMax},
		"another's":    {replies(200, strings.ReplaceAll(customerJSON, "cus_1", "cus_2")), StripeUnavailable, 200, "", attemptsMax},
		"nothing":      {replies(200, "{}"), StripeUnavailable, 200, "", attemptsMax},
		"null":         {replies(200, " null"), StripeUnavailable, 200, "", 1},
		"a text":       {replies(200, `"cus_1"`), StripeUnavailable, 200, "", 1},
		"another type": {replies(200, `{"id":{"a":"`+bodyCanary+`"}}`), StripeUnavailable, 200, "", 1},
		"50 MB":        {huge, StripeUnavailable, 200, "", 1},
		"redirect":     {replies(302, "", "Location", "http://elsewhere.test/"), StripeUnavailable, 302, "", 1},
		"in use":       {replies(409, stripeSays("idempotency_error", "idempotency_key_in_use", "")), StripeUnavailable, 409, "idempotency_key_in_use", attemptsMax},
		"400":          {replies(400, refusedJSON), StripeRefused, 400, "parameter_invalid_integer", 1},
		"402":          {replies(402, stripeSays("card_error", "card_declined", "")), StripeRefused, 402, "card_declined", 1},
		"401":          {replies(401, stripeSays("invalid_request_error", "", "")), StripeRefused, 401, "", 1},
		"403":          {replies(403, stripeSays("invalid_request_error", "", "")), StripeRefused, 403, "", 1},
		"400 missing":  {replies(400, stripeSays("invalid_request_error", codeMissing, "product")), StripeNotFound, 400, codeMissing, 1},
		"other mode": {
			replies(404, `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such customer: 'cus_1'; a similar object exists in live mode, but a test mode key was used to make this request.","param":"id"}}`),
			StripeRefused, 404, codeMissing, 1,
		},
		"idempotency":    {replies(400, stripeSays(typeIdempotency, "", "")), StripeIdempotency, 400, "", 1},
		"foreign 404":    {replies(404, "<html>nothing here</html>"), StripeUnavailable, 404, "", 1},
		"other JSON 404": {replies(404, `{"message":"no route matched"}`), StripeUnavailable, 404, "", 1},
		"404 of a path":  {replies(404, stripeSays("invalid_request_error", "", "")), StripeRefused, 404, "", 1},
		"strange code":   {replies(400, stripeSays("invalid_request_error", "<script>", "")), StripeRefused, 400, "", 1},
		"echoed key":     {replies(400, stripeSays("invalid_request_error", stripeTestKey, "")), StripeRefused, 400, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stripeStand) {
				t := s.t
				s.answer = c.answer
				_, err := s.client.isDeleted(t.Context(), "cus_1")
				e := wantStripe(t, err, c.kind)
				if e.Status != c.status || e.Code != c.code || e.Method != "customers.retrieve" {
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

func TestACallToAHangingStripeEndsWithItsDeadline(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		t := s.t
		s.answer = hangs
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		started := time.Now()
		err := s.create(ctx)
		if took := time.Since(started); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(asFault(err), fault.ProviderUnavailable) {
			t.Errorf("got %v", err)
		}
		if o := s.last(); o.Outcome != "canceled" || o.Attempts != 1 {
			t.Errorf("observed %+v", o)
		}
		canceled, stop := context.WithCancel(t.Context())
		stop()
		if err := s.create(canceled); !errors.Is(err, context.Canceled) || errors.Is(asFault(err), fault.ProviderUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAWaitThatOutlastsTheDeadlineIsNotBegun(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		t := s.t
		s.answer = replies(http.StatusTooManyRequests, "", "Retry-After", "30")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for range 2 {
			started := time.Now()
			if e := wantStripe(t, s.create(ctx), StripeRateLimited); e.RetryAfter < 29*time.Second {
				t.Errorf("told to wait %v", e.RetryAfter)
			}
			if took := time.Since(started); took > 0 {
				t.Errorf("took %v", took)
			}
		}
		if n := len(s.got()); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}

func TestAStripeThatCannotBeReachedIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		t := s.t
		s.answer = replies(http.StatusOK, customerJSON)
		s.set(func() { s.refuse = true })
		for range 10 {
			wantStripe(t, s.create(t.Context()), StripeUnavailable)
		}
		s.mu.Lock()
		dials := s.dials
		s.mu.Unlock()
		if dials != breakerFailures {
			t.Errorf("%d connections tried, want %d", dials, breakerFailures)
		}
		started := time.Now()
		if e := wantStripe(t, s.create(t.Context()), StripeUnavailable); e.RetryAfter <= 0 || time.Since(started) > 0 || s.last().Attempts != 0 {
			t.Errorf("got %+v after %v", e, time.Since(started))
		}
		<-time.After(breakerOpenFirst)
		s.set(func() { s.script = []http.HandlerFunc{drops} })
		wantStripe(t, s.create(t.Context()), StripeUnavailable) // the probe fails: closed for longer
		s.set(func() { s.refuse, s.script = false, nil })
		<-time.After(breakerOpenFirst)
		wantStripe(t, s.create(t.Context()), StripeUnavailable)
		<-time.After(breakerOpenLongest)
		if err := s.create(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.create(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOneCallAtATimeTriesAStripeThatCouldNotBeReached(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		t := s.t
		s.answer = drops
		for range 2 {
			wantStripe(t, s.create(t.Context()), StripeUnavailable)
		}
		before := len(s.got())
		<-time.After(breakerOpenLongest)
		s.set(func() { s.answer = hangs })
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { wantStripe(t, s.create(t.Context()), StripeUnavailable) })
		}
		all.Wait()
		if n := len(s.got()) - before; n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}

func TestStripeIsAskedTwentyTimesASecondAtMost(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		t := s.t
		s.answer = replies(http.StatusOK, customerJSON)
		var all sync.WaitGroup
		for range 120 {
			all.Go(func() {
				if err := s.create(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		started := time.Now()
		all.Wait()
		if took := time.Since(started); took < 5*time.Second-time.Millisecond || took > 6*time.Second {
			t.Errorf("120 calls took %v, want 20 at once and 20 in each of 5 seconds", took)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheSecretKeyIsTakenOutOfForeignErrorsOfStripe(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stripeStand) {
		t := s.t
		s.client = s.with(StripeOptions{HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New(r.Header.Get("Authorization") + strings.Repeat("x", 10<<10))}
		})}})
		err := s.create(t.Context())
		if wantStripe(t, err, StripeUnavailable); !strings.Contains(err.Error(), "dial") {
			t.Errorf("the error of the network is not said: %v", err)
		}
	})
}
