package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/telemetry"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// theSandbox is one for all tests of this package: nothing here changes what it holds.
var theSandbox = sync.OnceValues(func() (*sandbox.Sandbox, error) {
	web := httptest.NewUnstartedServer(nil)
	box, err := sandbox.New(sandbox.Options{BaseURL: "http://" + web.Listener.Addr().String()})
	if err != nil {
		return nil, fmt.Errorf("make the sandbox: %w", err)
	}
	web.Config.Handler = box.Handler()
	web.Start() // until the process ends
	return box, nil
})

func sandboxOf(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	box, err := theSandbox()
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// stack is the server as it is deployed, over a database of its own, reached over the
// wire.
type stack struct {
	t        testing.TB
	url      string
	server   *Server
	handler  http.Handler // the public port, in process
	box      *sandbox.Sandbox
	db       *tenancy.DB
	database pgtest.Database
	admin    *pgxpool.Pool      // a superuser: it sees every tenant's rows
	spans    *telemetry.Tracing // nil unless the environment asks for it
	log      *logged
	metrics  *telemetry.Metrics
	calls    *admission.Limiter
	trail    *audit.Log
	verifier *session.Verifier
	http1    *http.Transport
	http2    *http.Transport
	ids      sync.Map // of the answers so far

	customers sync.Map // at Stripe, by tenant
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

// logger logs everything, as the server would.
func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// newStack starts a stack whose environment is the usual one changed by overrides; an
// empty value removes a variable.
func newStack(t testing.TB, overrides map[string]string) *stack {
	t.Helper()
	s := &stack{t: t, database: pgtest.New(t), box: sandboxOf(t), log: &logged{}}
	s.open(s.database.AppURL, overrides)
	return s
}

// open opens the server over the database at the URL.
func (s *stack) open(databaseURL string, overrides map[string]string) {
	s.t.Helper()
	c, err := readConfig(lookupIn(usual(databaseURL, s.box), overrides))
	if err != nil {
		s.t.Fatalf("configuration: %v", err)
	}
	c.LogTo, c.Limits = s.log, patientLimits
	if s.admin, err = pgxpool.New(s.t.Context(), s.database.AdminURL); err != nil {
		s.t.Fatalf("open the database as its administrator: %v", err)
	}
	s.t.Cleanup(s.admin.Close)
	if s.server, err = Open(s.t.Context(), c); err != nil {
		s.t.Fatalf("open the server: %v", err)
	}
	s.t.Cleanup(s.server.Close)
	s.db, s.spans, s.metrics, s.calls, s.trail, s.verifier = s.server.DB(), s.server.Tracing(), s.server.Metrics(), s.server.Calls(), s.server.Audit(), s.server.Verifier()
	s.handler = s.server.Handler()
	s.listen(s.log.logger())
}

// usual is the environment that a stack needs.
func usual(databaseURL string, box *sandbox.Sandbox) map[string]string {
	return map[string]string{
		"DATABASE_URL":     databaseURL,
		"CLERK_ISSUER":     box.Issuer(),
		"CLERK_SECRET_KEY": box.SecretKey(),
		"CLERK_API_URL":    box.Issuer() + "/v1",
		"LOG_LEVEL":        "debug",
		"TASKS_RATE":       "0",

		"CLERK_WEBHOOK_SECRET": webhookSecret,
	}
}

// lookupIn looks variables up in base changed by overrides; an empty value removes a
// variable.
func lookupIn(base, overrides map[string]string) func(string) (string, bool) {
	env := map[string]string{}
	maps.Copy(env, base)
	maps.Copy(env, overrides)
	return func(name string) (string, bool) {
		value := env[name]
		return value, value != ""
	}
}

// patientLimits are the usual ones, but that a busy machine is no reason to refuse.
func patientLimits(pool int) admission.Limits {
	within := admission.DefaultLimits(pool)
	within.Wait = waitMax
	return within
}

// listen serves the handler on a port, as the server does.
func (s *stack) listen(log *slog.Logger) {
	web := httptest.NewUnstartedServer(nil)
	web.Config = APIServer(s.handler, log, DefaultTimeouts())
	web.Start()
	s.t.Cleanup(web.Close)
	s.url = web.URL
	s.http1 = &http.Transport{MaxIdleConnsPerHost: 64}
	s.http2 = &http.Transport{Protocols: new(http.Protocols)}
	s.http2.Protocols.SetUnencryptedHTTP2(true) // from the first byte
	s.t.Cleanup(s.http1.CloseIdleConnections)
	s.t.Cleanup(s.http2.CloseIdleConnections)
}

// tokenLife is the longest there may be: a test may wait for its turn.
const tokenLife = time.Hour

// token is a session token; an empty org is the personal workspace.
func (s *stack) token(user, org string, version int) string {
	s.t.Helper()
	token, err := s.box.Token(sandbox.TokenRequest{User: user, Org: org, Version: version, TTL: tokenLife})
	if err != nil {
		s.t.Fatalf("token of %s in %q: %v", user, org, err)
	}
	return token
}

// bent is the token of a person in d2-gamers whose claims were changed.
func (s *stack) bent(user string, version int, bend func(claims map[string]any)) string {
	s.t.Helper()
	claims, err := s.box.Claims(sandbox.TokenRequest{User: user, Org: "d2-gamers", Version: version, TTL: tokenLife})
	if err != nil {
		s.t.Fatalf("claims of %s: %v", user, err)
	}
	bend(claims)
	token, err := s.box.Sign(nil, claims)
	if err != nil {
		s.t.Fatalf("sign: %v", err)
	}
	return token
}

// tokenIn is the token of a person with the role they have in d2-gamers, but in the
// organization of another id.
func (s *stack) tokenIn(user, organization string, version int) string {
	s.t.Helper()
	return s.bent(user, version, func(claims map[string]any) {
		if version == 1 {
			claims["org_id"], claims["org_slug"] = organization, "d2-gamers"
			return
		}
		o := maps.Clone(claims["o"].(map[string]any))
		o["id"] = organization
		claims["o"] = o
	})
}

// bearing is a transport that sends a token with every request and looks at what every
// answer must carry.
type bearing struct {
	s     *stack
	token string
	next  http.RoundTripper
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	r.Header.Set(fault.RequestIDHeader, "of-the-caller")
	response, err := b.next.RoundTrip(r)
	if err == nil {
		b.s.look(r.Method+" "+r.URL.Path, response)
	}
	return response, err
}

// look checks what every answer of the server has in common.
func (s *stack) look(title string, response *http.Response) {
	if response.StatusCode == http.StatusRequestHeaderFieldsTooLarge {
		return // by net/http, before anything of ours
	}
	id := response.Header.Get(fault.RequestIDHeader)
	if _, twice := s.ids.LoadOrStore(id, true); twice || len(id) < 20 || len(response.Header.Values(fault.RequestIDHeader)) != 1 {
		s.t.Errorf("%s: request id %q, want one of its own", title, response.Header.Values(fault.RequestIDHeader))
	}
	for key, want := range map[string]string{
		"Cache-Control":           "no-store",
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"Server":                  "",
		"Set-Cookie":              "",
	} {
		if got := response.Header.Get(key); got != want {
			s.t.Errorf("%s: %s = %q, want %q", title, key, got, want)
		}
	}
}

// client speaks Connect with JSON over HTTP/1.1 unless the options say otherwise.
func (s *stack) client(token string, options ...connect.ClientOption) teamtaskv1connect.TaskServiceClient {
	options = append([]connect.ClientOption{connect.WithProtoJSON()}, options...)
	return teamtaskv1connect.NewTaskServiceClient(
		&http.Client{Transport: bearing{s, token, s.http1}}, s.url, options...)
}

// as is a client for a person of the sandbox, with a version 2 token.
func (s *stack) as(user, org string) teamtaskv1connect.TaskServiceClient {
	s.t.Helper()
	return s.client(s.token(user, org, 2))
}

// in is a context for one step of a test.
func (s *stack) in() context.Context { return s.t.Context() }
