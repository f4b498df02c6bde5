package clerk

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

// stand is a stand-in for Clerk behind a network in memory, so that all of it runs on
// the clock of a synctest bubble.
type stand struct {
	t      *testing.T
	client *Client

	mu       sync.Mutex
	script   []http.HandlerFunc // answers to the first requests, in order
	answer   http.HandlerFunc   // answers to the others
	refuse   bool               // connections
	requests []arrival
	hosts    map[string]int // dialed
	dials    int
	observed []Observation

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
		s := &stand{t: t, hosts: map[string]int{}, conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: s, ReadHeaderTimeout: time.Hour}
		go server.Serve(s)
		transport := &http.Transport{DialContext: s.dial, MaxIdleConnsPerHost: 100}
		s.client = s.with(Options{Transport: transport})
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
	s.t.Helper()
	o.URL, o.SecretKey = "http://clerk.test/v1", testKey
	o.Observe = func(o Observation) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.observed = append(s.observed, o)
	}
	c, err := New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *stand) dial(ctx context.Context, _, address string) (net.Conn, error) {
	s.mu.Lock()
	s.dials++
	s.hosts[address]++
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

// want asserts the kind of an error, that provider trouble and only that is a fault
// which callers may answer with, and that no error holds the secret key.
func want(t *testing.T, err error, kind Kind) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, kind) {
		t.Fatalf("got error %v, want one of kind %s", err, kind)
	}
	provider := kind == Unavailable || kind == RateLimited
	if errors.Is(err, fault.ProviderUnavailable) != provider {
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

func clerkSays(code string) string {
	return `{"errors":[{"message":"words","long_message":"more words","code":"` + code + `"}],"clerk_trace_id":"trace"}`
}

const (
	aliceJSON = `{"id":"user_alice","object":"user","username":"al","first_name":"Alice","last_name":"Ng","primary_email_address_id":"idn_2",
		"email_addresses":[{"id":"idn_1","object":"email_address","email_address":"old@x.test"},{"id":"idn_2","object":"email_address","email_address":"alice@x.test"}],
		"public_metadata":{},"private_metadata":null,"unsafe_metadata":{},"banned":false,"last_sign_in_at":null,"created_at":1700000000123,"updated_at":1700000001456}`
	acmeJSON = `{"object":"organization","id":"org_acme","name":"Acme","slug":"acme","image_url":"","has_image":false,"max_allowed_memberships":5,
		"admin_delete_enabled":true,"public_metadata":{},"private_metadata":{},"created_by":"user_erin","created_at":1700000000000,"updated_at":1700000000000}`
	inviteJSON = `{"object":"organization_invitation","id":"orginv_1","email_address":"new@x.test","role":"org:member","role_name":"Member",
		"organization_id":"org_acme","status":"pending","public_metadata":{"holdSeat":true},"private_metadata":{},"inviter_id":"user_erin",
		"url":null,"expires_at":1702592000000,"created_at":1700000000000,"updated_at":1700000000001}`
)

// memberJSON is a membership as Clerk sends it.
func memberJSON(org, user, metadata string) string {
	return fmt.Sprintf(`{"object":"organization_membership","id":"orgmem_%s","role":"org:member","role_name":"Member",
		"permissions":["org:sys_profile:manage","org:tasks:view"],"public_metadata":%s,"private_metadata":{},
		"organization":{"object":"organization","id":%q,"name":"Acme","slug":"acme","created_at":1,"updated_at":1},
		"public_user_data":{"user_id":%q,"first_name":" Bob ","last_name":null,"image_url":"","has_image":false,"identifier":"bob@x.test"},
		"created_at":1700000000000,"updated_at":1700000000001}`, user, metadata, org, user)
}

func listJSON(total int, rows ...string) string {
	return fmt.Sprintf(`{"data":[%s],"total_count":%d}`, strings.Join(rows, ","), total)
}

// pass lets time pass on the clock of the bubble.
func pass(d time.Duration) { <-time.After(d) }
