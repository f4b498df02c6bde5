package licensing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

const stripeTestKey = "sk_test_canary0123456789"

// stripeStand is a stand-in for Stripe behind a network in memory, so that all of it
// runs on the clock of a synctest bubble.
type stripeStand struct {
	t      *testing.T
	client *Stripe

	mu       sync.Mutex
	script   []http.HandlerFunc // answers to the first requests, in order
	answer   http.HandlerFunc   // answers to the others
	refuse   bool               // connections
	requests []stripeRequest
	dials    int
	observed []Observation

	conns chan net.Conn
	done  chan struct{}
}

// stripeRequest is a request as it arrived.
type stripeRequest struct {
	at     time.Time
	method string
	path   string
	query  url.Values
	form   url.Values
	header http.Header
}

// standIn gives each test a stand and a clock of its own.
func standIn(t *testing.T, test func(s *stripeStand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stripeStand{t: t, conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: s, ReadHeaderTimeout: time.Hour}
		go server.Serve(s)
		transport := &http.Transport{DialContext: s.dial, MaxIdleConnsPerHost: 100}
		s.client = s.with(StripeOptions{HTTP: &http.Client{Transport: transport}, SeatPrices: []string{"price_seat", "price_old"}})
		t.Cleanup(func() {
			transport.CloseIdleConnections()
			server.Close()
			synctest.Wait()
		})
		test(s)
	})
}

// with is a client of the stand with other options.
func (s *stripeStand) with(o StripeOptions) *Stripe {
	o.URL, o.SecretKey = "http://stripe.test/", stripeTestKey
	o.Observe = func(o Observation) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.observed = append(s.observed, o)
	}
	return NewStripe(o)
}

func (s *stripeStand) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	s.dials++
	refuse := s.refuse
	s.mu.Unlock()
	if refuse {
		return nil, errors.New("connect: connection refused")
	}
	near, far := net.Pipe()
	select {
	case s.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *stripeStand) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

func (s *stripeStand) Close() error   { close(s.done); return nil }
func (s *stripeStand) Addr() net.Addr { return &net.TCPAddr{} }

func (s *stripeStand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	s.mu.Lock()
	s.requests = append(s.requests, stripeRequest{time.Now(), r.Method, r.URL.EscapedPath(), r.URL.Query(), form, r.Header})
	answer := s.answer
	if len(s.script) > 0 {
		answer, s.script = s.script[0], s.script[1:]
	}
	s.mu.Unlock()
	r.Form = form
	answer(w, r)
}

func (s *stripeStand) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// got is the requests so far.
func (s *stripeStand) got() []stripeRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]stripeRequest(nil), s.requests...)
}

// last is the latest observation.
func (s *stripeStand) last() Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.observed[len(s.observed)-1]
}

// wantStripe asserts the kind of an error, that provider trouble and only that is a
// fault which callers may be told, and that no error holds the secret key or a body.
func wantStripe(t *testing.T, err error, kind StripeKind) *StripeError {
	t.Helper()
	e, ok := errors.AsType[*StripeError](err)
	if !ok || !errors.Is(err, kind) {
		t.Fatalf("got error %v, want one of kind %s", err, kind)
	}
	provider := kind == StripeUnavailable || kind == StripeRateLimited
	if errors.Is(asFault(err), fault.ProviderUnavailable) != provider {
		t.Errorf("error %v: a fault of the provider: %t, want %t", err, !provider, provider)
	}
	inside := *e
	inside.said = "" // which is meant for the log
	for _, text := range []string{err.Error(), e.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", inside)} {
		if strings.Contains(text, stripeTestKey) || strings.Contains(text, bodyCanary) || strings.Contains(text, "/v1/") {
			t.Errorf("an error holds the secret key, a part of an answer or an address: %s", text)
		}
		if len(text) > 1000 {
			t.Errorf("an error has %d bytes", len(text))
		}
	}
	return e
}

// bodyCanary is in bodies, and must be in nothing that is logged.
const bodyCanary = "CANARY"

// replies answers with a status and a body.
func replies(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// hangs answers nothing until the client leaves.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drops takes the request and closes the connection.
func drops(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// routes answers by method and path, "GET /v1/customers/cus_1".
func routes(answers map[string]http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			answer = replies(http.StatusNotFound, stripeSays("invalid_request_error", "resource_missing", "id"))
		}
		answer(w, r)
	}
}

func stripeSays(kind, code, param string) string {
	return fmt.Sprintf(`{"error":{"type":%q,"code":%q,"param":%q,"message":"words `+bodyCanary+`"}}`, kind, code, param)
}

func stripeList(more bool, rows ...string) string {
	return fmt.Sprintf(`{"object":"list","has_more":%t,"url":"/v1/x","data":[%s]}`, more, strings.Join(rows, ","))
}

const customerJSON = `{"id":"cus_1","object":"customer","name":"` + bodyCanary + `","metadata":{"organization_id":"org_1"}}`
