package main

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/tasks"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// stack is the server as it is deployed, over a database and a sandbox of its own,
// reached over the wire.
type stack struct {
	t        testing.TB
	url      string
	box      *sandbox.Sandbox
	db       *tenancy.DB
	database pgtest.Database
	log      *logged
	metrics  *metrics
}

// logged keeps what is logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newStack starts a stack whose environment is the usual one changed by overrides; an
// empty value removes a variable.
func newStack(t testing.TB, overrides map[string]string) *stack {
	t.Helper()
	s := &stack{t: t, database: pgtest.New(t), log: &logged{}}
	s.startSandbox()
	env := map[string]string{
		"DATABASE_URL":     s.database.AppURL,
		"CLERK_ISSUER":     s.box.Issuer(),
		"CLERK_SECRET_KEY": s.box.SecretKey(),
		"CLERK_API_URL":    s.box.Issuer() + "/v1",
		"LOG_LEVEL":        "debug",
	}
	maps.Copy(env, overrides)
	c, err := readConfig(func(name string) (string, bool) {
		value := env[name]
		return value, value != ""
	})
	if err != nil {
		t.Fatalf("configuration: %v", err)
	}
	s.db, err = tenancy.Open(t.Context(), tenancy.Options{
		URL: c.databaseURL, Schema: migrations.Latest(), Statements: tasks.Statements,
	})
	if err != nil {
		t.Fatalf("open the database: %v", err)
	}
	t.Cleanup(s.db.Close)
	s.metrics = newMetrics()
	verifier := tenancy.NewVerifier(c.keys, c.verification)
	s.metrics.watch(s.db, verifier)
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: c.logLevel}))
	handler, err := newAPI(c, s.db, verifier, fault.NewExit(log, s.metrics.observe), s.db.Ready)
	if err != nil {
		t.Fatalf("make the API: %v", err)
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config = apiServer(handler, log)
	server.Start()
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *stack) startSandbox() {
	s.t.Helper()
	server := httptest.NewUnstartedServer(nil)
	box, err := sandbox.New(sandbox.Options{BaseURL: "http://" + server.Listener.Addr().String()})
	if err != nil {
		s.t.Fatalf("make the sandbox: %v", err)
	}
	server.Config.Handler = box.Handler()
	server.Start()
	s.t.Cleanup(server.Close)
	s.box = box
}

// token is a session token; an empty org is the personal workspace.
func (s *stack) token(user, org string, version int) string {
	s.t.Helper()
	token, err := s.box.Token(sandbox.TokenRequest{User: user, Org: org, Version: version})
	if err != nil {
		s.t.Fatalf("token of %s in %q: %v", user, org, err)
	}
	return token
}

// bearing is a transport that sends a token with every request.
type bearing struct {
	token string
	next  http.RoundTripper
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// overHTTP2 speaks HTTP/2 without TLS from the first byte.
func overHTTP2() http.RoundTripper {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: protocols, DialContext: (&net.Dialer{}).DialContext}
}

// client speaks Connect with JSON over HTTP/1.1 unless the options say otherwise.
func (s *stack) client(token string, options ...connect.ClientOption) teamtaskv1connect.TaskServiceClient {
	options = append([]connect.ClientOption{connect.WithProtoJSON()}, options...)
	return teamtaskv1connect.NewTaskServiceClient(
		&http.Client{Transport: bearing{token: token, next: http.DefaultTransport}}, s.url, options...)
}

// as is a client for a person of the sandbox, with a version 2 token.
func (s *stack) as(user, org string) teamtaskv1connect.TaskServiceClient {
	s.t.Helper()
	return s.client(s.token(user, org, 2))
}

// asActor is the actor that a person's call has, for what is done beside the wire.
func asActor(user, org string) tenancy.Actor {
	a := tenancy.Actor{User: user, Tenant: user, Permissions: tenancy.AllPermissions}
	if org != "" {
		a.Tenant, a.Organization = org, tenancy.Organization{ID: org}
	}
	return a
}

var _ = context.Background
