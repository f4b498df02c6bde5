package outbound

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

const testKey = "sk_test_canary0123456789"

// stand is a stand-in for a provider behind a network in memory, so that all of it runs on
// the clock of a synctest bubble.
type stand struct {
	t      *testing.T
	client *client

	mu       sync.Mutex
	script   []http.HandlerFunc // answers to the first requests, in order
	answer   http.HandlerFunc   // answers to the others
	refuse   bool               // connections
	requests []arrival
	dials    int
	observed []Observation

	recovered atomic.Int32 // calls of Recovered

	conns chan net.Conn
	done  chan struct{}
}

// arrival is a request as it arrived.
type arrival struct {
	at     time.Time
	method string
	path   string
	query  url.Values
	header http.Header
	body   string
}

// run gives each test a stand and a clock of its own.
func run(t *testing.T, test func(s *stand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stand{t: t, conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: s, ReadHeaderTimeout: time.Hour}
		go server.Serve(s)
		transport := &http.Transport{DialContext: s.dial, MaxIdleConnsPerHost: 100}
		s.client = s.with(options{transport: transport})
		t.Cleanup(func() {
			transport.CloseIdleConnections()
			server.Close()
			synctest.Wait()
		})
		test(s)
	})
}

// options set up a client of the stand.
type options struct {
	transport http.RoundTripper
	rate      float64
}

// client is a client as providers' packages have one.
type client struct {
	caller *Caller
	http   *http.Client
}

// with is a client of the stand with other options.
func (s *stand) with(o options) *client {
	return &client{
		caller: New(Options{Provider: "Acme", Rate: o.rate, Lane: LaneLimit{Rate: 0.4, Burst: 4}, Observe: func(o Observation) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.observed = append(s.observed, o)
		}, Recovered: func() { s.recovered.Add(1) }}),
		http: &http.Client{Transport: NewTransport(Transport{Provider: "Acme", Base: o.transport, Secret: testKey, Refusal: refusal})},
	}
}

// refusal reads {"code":"..."}.
func refusal(_ *http.Response, body []byte) Refusal {
	var wire struct {
		Code string `json:"code"`
	}
	own := json.Unmarshal(body, &wire) == nil && wire.Code != ""
	return Refusal{Own: own, Code: wire.Code, Classify: func(e *Error) {
		switch {
		case e.Kind == RateLimited:
		case e.Status == http.StatusNotFound:
			e.Kind = NotFound
		default:
			e.Kind = Refused
		}
	}}
}

// thing reads a thing, the plainest call there is.
func (s *stand) thing(ctx context.Context) error {
	return s.client.caller.Do(ctx, "things.get", "", func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://acme.test/v1/things/1", nil)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+testKey)
		response, err := s.client.http.Do(r)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		var wire struct {
			ID string `json:"id"`
		}
		if err := json.NewDecoder(response.Body).Decode(&wire); err != nil {
			return err
		}
		if wire.ID != "thing_1" {
			return &Error{Kind: Unavailable, Status: http.StatusOK, Words: "the answer is to another question", Retry: true}
		}
		return nil
	})
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
	s.mu.Lock()
	s.requests = append(s.requests, arrival{at: time.Now(), method: r.Method, path: r.URL.EscapedPath(), query: r.URL.Query(), header: r.Header, body: string(body)})
	answer := s.answer
	if len(s.script) > 0 {
		answer, s.script = s.script[0], s.script[1:]
	}
	s.mu.Unlock()
	answer(w, r)
}

func (s *stand) setRefuse(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// got is the requests so far.
func (s *stand) got() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]arrival(nil), s.requests...)
}

func (s *stand) dialed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

// last is the latest observation.
func (s *stand) last() Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.observed[len(s.observed)-1]
}

// want asserts the kind of an error, that provider trouble and only that is a fault
// which callers may answer with, and that no error holds the secret key.
func want(t *testing.T, err error, kind Kind) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, kind) {
		t.Fatalf("got error %v, want one of kind %s", err, kind)
	}
	provider := kind == Unavailable || kind == RateLimited
	if errors.Is(AsFault(err), fault.ProviderUnavailable) != provider {
		t.Errorf("error %v: a fault of the provider: %t, want %t", err, !provider, provider)
	}
	for _, text := range []string{err.Error(), e.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", *e)} {
		if strings.Contains(text, testKey) {
			t.Errorf("an error holds the secret key: %s", text)
		}
		if len(text) > 1000 {
			t.Errorf("an error has %d bytes", len(text))
		}
	}
	return e
}

// sends returns a handler that responds with a status and a body.
func sends(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// hangs sends no response until the client leaves.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func says(code string) string { return `{"code":"` + code + `"}` }

const thingJSON = `{"id":"thing_1","name":"Thing"}`

// pass lets time pass on the clock of the bubble.
func pass(d time.Duration) { <-time.After(d) }
