package stripe

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

const testKey = "sk_test_canary0123456789"

// stripeStand is a stand-in for Stripe behind a network in memory, so that all of it
// runs on the clock of a synctest bubble.
type stand struct {
	t      *testing.T
	client *Client

	mu       sync.Mutex
	script   []http.HandlerFunc // answers to the first requests, in order
	answer   http.HandlerFunc   // answers to the others
	refuse   bool               // connections
	requests []arrival
	dials    int
	observed []Observation

	conns chan net.Conn
	done  chan struct{}
}

// stripeRequest is a request as it arrived.
type arrival struct {
	at     time.Time
	method string
	path   string
	query  url.Values
	form   url.Values
	header http.Header
}

// standIn gives each test a stand and a clock of its own.
func standIn(t *testing.T, test func(s *stand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stand{t: t, conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: s, ReadHeaderTimeout: time.Hour}
		go server.Serve(s)
		transport := &http.Transport{DialContext: s.dial, MaxIdleConnsPerHost: 100}
		s.client = s.with(Options{Transport: transport, SeatPrices: []string{"price_seat", "price_old"}})
		t.Cleanup(func() {
			transport.CloseIdleConnections()
			server.Close()
			synctest.Wait()
		})
		test(s)
	})
}

// with is a client of the stand with other options.
func (s *stand) with(o Options) *Client {
	o.URL, o.SecretKey = "http://stripe.test/", testKey
	o.Observe = func(o Observation) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.observed = append(s.observed, o)
	}
	return New(o)
}

func (s *stand) dial(ctx context.Context, _, _ string) (net.Conn, error) {
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

func (s *stand) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

func (s *stand) Close() error   { close(s.done); return nil }
func (s *stand) Addr() net.Addr { return &net.TCPAddr{} }

func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	s.mu.Lock()
	s.requests = append(s.requests, arrival{time.Now(), r.Method, r.URL.EscapedPath(), r.URL.Query(), form, r.Header})
	answer := s.answer
	if len(s.script) > 0 {
		answer, s.script = s.script[0], s.script[1:]
	}
	s.mu.Unlock()
	r.Form = form
	answer(w, r)
}

func (s *stand) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// got is the requests so far.
func (s *stand) got() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]arrival(nil), s.requests...)
}

// last is the latest observation.
func (s *stand) last() Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.observed[len(s.observed)-1]
}

// wantStripe asserts the kind of an error, that provider trouble and only that is a
// fault which callers may be told, and that no error holds the secret key or a body.
func wantError(t *testing.T, err error, kind Kind) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, kind) {
		t.Fatalf("got error %v, want one of kind %s", err, kind)
	}
	provider := kind == Unavailable || kind == RateLimited
	if errors.Is(AsFault(err), fault.ProviderUnavailable) != provider {
		t.Errorf("error %v: a fault of the provider: %t, want %t", err, !provider, provider)
	}
	inside := *e
	inside.Said = "" // which is meant for the log
	for _, text := range []string{err.Error(), e.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", inside)} {
		if strings.Contains(text, testKey) || strings.Contains(text, bodyCanary) || strings.Contains(text, "/v1/") {
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

// replies returns with a status and a body.
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

// hangs returns nothing until the client leaves.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drops takes the request and closes the connection.
func drops(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// routes returns by method and path, "GET /v1/customers/cus_1".
func routes(answers map[string]http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			answer = replies(http.StatusNotFound, says("invalid_request_error", "resource_missing", "id"))
		}
		answer(w, r)
	}
}

func says(kind, code, param string) string {
	return fmt.Sprintf(`{"error":{"type":%q,"code":%q,"param":%q,"message":"words `+bodyCanary+`"}}`, kind, code, param)
}

func listOf(more bool, rows ...string) string {
	return fmt.Sprintf(`{"object":"list","has_more":%t,"url":"/v1/x","data":[%s]}`, more, strings.Join(rows, ","))
}

const customerJSON = `{"id":"cus_1","object":"customer","name":"` + bodyCanary + `","metadata":{"organization_id":"org_1"}}`
