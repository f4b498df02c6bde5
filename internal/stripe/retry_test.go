package stripe

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
	"github.com/teamtask/teamtask/internal/outbound"
)

// create makes a customer, the plainest write there is.
func (s *stand) create(ctx context.Context) error {
	_, err := s.client.CreateCustomer(ctx, "key-1", "org_1", "Acme")
	return err
}

func TestAPauseOfStripeHoldsEverybodyAndALockOnlyTheOne(t *testing.T) {
	t.Parallel()
	for code, others := range map[string]bool{"rate_limit": true, codeLockTimeout: false} {
		standIn(t, func(s *stand) {
			t := s.t
			s.script = []http.HandlerFunc{replies(http.StatusTooManyRequests, says("invalid_request_error", code, ""), "Retry-After", "20")}
			s.answer = replies(http.StatusOK, customerJSON)
			var first sync.WaitGroup
			first.Go(func() {
				if err := s.create(t.Context()); err != nil {
					t.Error(err)
				}
			})
			<-time.After(time.Second)
			started := time.Now()
			if _, err := s.client.CustomerGone(t.Context(), "cus_1"); err != nil {
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
		"500":        replies(http.StatusInternalServerError, says("api_error", "", "")),
		"503":        replies(http.StatusServiceUnavailable, ""),
		"HTML":       replies(http.StatusBadGateway, "<html>bad gateway</html>"),
		"applied":    drops,
		"hanging":    hangs,
		"in use":     replies(http.StatusConflict, says("idempotency_error", "idempotency_key_in_use", "")),
		"conflict":   replies(http.StatusConflict, says("invalid_request_error", "", "")),
		"locked":     replies(http.StatusTooManyRequests, says("invalid_request_error", codeLockTimeout, "")),
		"told again": replies(http.StatusBadRequest, says("invalid_request_error", "", ""), "Stripe-Should-Retry", "true"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stand) {
				t := s.t
				s.script = []http.HandlerFunc{first, first}
				s.answer = replies(http.StatusOK, customerJSON, "Idempotent-Replayed", "true")
				id, err := s.client.CreateCustomer(t.Context(), "key-1", "org_1", "Acme")
				if id != "cus_1" || err != nil {
					t.Fatalf("got %q, %v", id, err)
				}
				got := s.got()
				if len(got) != 3 {
					t.Fatalf("%d requests, want 3", len(got))
				}
				if took := s.last().Duration; took > 14*time.Second {
					t.Errorf("took %v", took)
				}
				for _, r := range got {
					if r.header.Get("Idempotency-Key") != "key-1" || r.form.Get("metadata[organization_id]") != "org_1" || r.form.Get("name") != "Acme" {
						t.Errorf("sent %v with the key %q", r.form, r.header.Get("Idempotency-Key"))
					}
					if r.header.Get("Authorization") != "Bearer "+testKey || r.header.Get("Stripe-Version") != apiVersion {
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
	standIn(t, func(s *stand) {
		t := s.t
		s.answer = replies(http.StatusOK, customerJSON)
		for _, key := range []string{"", strings.Repeat("k", keyMax+1)} {
			_, err := s.client.CreateCustomer(t.Context(), key, "org_1", "Acme")
			wantError(t, err, Refused)
			wantError(t, s.client.Cancel(t.Context(), key, "sub_1"), Refused)
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
	standIn(t, func(s *stand) {
		t := s.t
		s.script = []http.HandlerFunc{replies(http.StatusInternalServerError, says("api_error", "", ""))}
		s.answer = replies(http.StatusInternalServerError, says("api_error", "", ""), "Idempotent-Replayed", "true", "Request-Id", "req_7")
		e := wantError(t, s.create(t.Context()), Unavailable)
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
			if sent > outbound.BodyMax+len(piece) {
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
	refusedJSON := says("invalid_request_error", "parameter_invalid_integer", "limit")
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		kind     Kind
		status   int
		code     string
		requests int
	}{
		"html 502":     {replies(502, "<html>"+bodyCanary+"</html>"), Unavailable, 502, "", outbound.AttemptsMax},
		"json 500":     {replies(500, says("api_error", "", "")), Unavailable, 500, "", outbound.AttemptsMax},
		"told not to":  {replies(500, says("api_error", "", ""), "Stripe-Should-Retry", "false"), Unavailable, 500, "", 1},
		"empty 503":    {replies(503, ""), Unavailable, 503, "", outbound.AttemptsMax},
		"empty 200":    {replies(200, ""), Unavailable, 200, "", outbound.AttemptsMax},
		"html 200":     {replies(200, "<html>"+bodyCanary+"</html>"), Unavailable, 200, "", outbound.AttemptsMax},
		"truncated":    {replies(200, customerJSON[:40]), Unavailable, 200, "", outbound.AttemptsMax},
		"partial":      {partial(200, customerJSON), Unavailable, 200, "", outbound.AttemptsMax},
		"partial 400":  {partial(400, refusedJSON), Unavailable, 400, "", outbound.AttemptsMax},
		"dropped":      {drops, Unavailable, 0, "", outbound.AttemptsMax},
		"hanging":      {hangs, Unavailable, 0, "", outbound.AttemptsMax},
		"another's":    {replies(200, strings.ReplaceAll(customerJSON, "cus_1", "cus_2")), Unavailable, 200, "", outbound.AttemptsMax},
		"nothing":      {replies(200, "{}"), Unavailable, 200, "", outbound.AttemptsMax},
		"null":         {replies(200, " null"), Unavailable, 200, "", 1},
		"a text":       {replies(200, `"cus_1"`), Unavailable, 200, "", 1},
		"another type": {replies(200, `{"id":{"a":"`+bodyCanary+`"}}`), Unavailable, 200, "", 1},
		"50 MB":        {huge, Unavailable, 200, "", 1},
		"redirect":     {replies(302, "", "Location", "http://elsewhere.test/"), Unavailable, 302, "", 1},
		"in use":       {replies(409, says("idempotency_error", "idempotency_key_in_use", "")), Unavailable, 409, "idempotency_key_in_use", outbound.AttemptsMax},
		"400":          {replies(400, refusedJSON), Refused, 400, "parameter_invalid_integer", 1},
		"402":          {replies(402, says("card_error", "card_declined", "")), Refused, 402, "card_declined", 1},
		"401":          {replies(401, says("invalid_request_error", "", "")), Refused, 401, "", 1},
		"403":          {replies(403, says("invalid_request_error", "", "")), Refused, 403, "", 1},
		"400 missing":  {replies(400, says("invalid_request_error", codeMissing, "product")), NotFound, 400, codeMissing, 1},
		"other mode": {
			replies(404, `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such customer: 'cus_1'; a similar object exists in live mode, but a test mode key was used to make this request.","param":"id"}}`),
			Refused, 404, codeMissing, 1,
		},
		"idempotency":    {replies(400, says(typeIdempotency, "", "")), Idempotency, 400, "", 1},
		"foreign 404":    {replies(404, "<html>nothing here</html>"), Unavailable, 404, "", 1},
		"other JSON 404": {replies(404, `{"message":"no route matched"}`), Unavailable, 404, "", 1},
		"404 of a path":  {replies(404, says("invalid_request_error", "", "")), Refused, 404, "", 1},
		"strange code":   {replies(400, says("invalid_request_error", "<script>", "")), Refused, 400, "", 1},
		"echoed key":     {replies(400, says("invalid_request_error", testKey, "")), Refused, 400, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stand) {
				t := s.t
				s.answer = c.answer
				_, err := s.client.IsDeleted(t.Context(), "cus_1")
				e := wantError(t, err, c.kind)
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
	standIn(t, func(s *stand) {
		t := s.t
		s.answer = hangs
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		started := time.Now()
		err := s.create(ctx)
		if took := time.Since(started); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(AsFault(err), fault.ProviderUnavailable) {
			t.Errorf("got %v", err)
		}
		if o := s.last(); o.Outcome != "canceled" || o.Attempts != 1 {
			t.Errorf("observed %+v", o)
		}
		canceled, stop := context.WithCancel(t.Context())
		stop()
		if err := s.create(canceled); !errors.Is(err, context.Canceled) || errors.Is(AsFault(err), fault.ProviderUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestStripeIsAskedTwentyTimesASecondAtMost(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stand) {
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
	standIn(t, func(s *stand) {
		t := s.t
		s.client = s.with(Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New(r.Header.Get("Authorization") + strings.Repeat("x", 10<<10))}
		})})
		err := s.create(t.Context())
		if wantError(t, err, Unavailable); !strings.Contains(err.Error(), "dial") {
			t.Errorf("the error of the network is not said: %v", err)
		}
	})
}
