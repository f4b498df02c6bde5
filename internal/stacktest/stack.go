// Package stacktest is a whole stack for a test: a database, the sandbox and the server, with
// clients of every protocol.
package stacktest

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
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/settings"
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

func SandboxOf(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	box, err := theSandbox()
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// Stack is the server as it is deployed, over a database of its own, reached over the
// wire.
type Stack struct {
	T        testing.TB
	URL      string
	Server   *server.Server
	Handler  http.Handler // the public port, in process
	Box      *sandbox.Sandbox
	DB       *tenancy.DB
	Database pgtest.Database
	Admin    *pgxpool.Pool      // a superuser: it sees every tenant's rows
	Spans    *telemetry.Tracing // nil unless the environment asks for it
	Log      *Log
	Metrics  *telemetry.Metrics
	Calls    *admission.Limiter
	Trail    *audit.Log
	Verifier *session.Verifier
	HTTP1    *http.Transport
	HTTP2    *http.Transport
	ids      sync.Map // of the answers so far

	customers sync.Map // at Stripe, by tenant
}

// Log keeps what is logged.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Logger logs everything, as the server would.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// New starts a stack whose environment is the usual one changed by overrides; an
// empty value removes a variable.
func New(t testing.TB, overrides map[string]string) *Stack {
	t.Helper()
	s := &Stack{T: t, Database: pgtest.New(t), Box: SandboxOf(t), Log: &Log{}}
	s.Open(s.Database.AppURL, overrides)
	return s
}

// Open opens the server over the database at the URL.
func (s *Stack) Open(databaseURL string, overrides map[string]string) {
	s.T.Helper()
	c, err := settings.Read(LookupIn(Usual(databaseURL, s.Box), overrides))
	if err != nil {
		s.T.Fatalf("configuration: %v", err)
	}
	c.LogTo, c.Limits = s.Log, PatientLimits
	if s.Admin, err = pgxpool.New(s.T.Context(), s.Database.AdminURL); err != nil {
		s.T.Fatalf("open the database as its administrator: %v", err)
	}
	s.T.Cleanup(s.Admin.Close)
	if s.Server, err = server.Open(s.T.Context(), c); err != nil {
		s.T.Fatalf("open the server: %v", err)
	}
	s.T.Cleanup(s.Server.Close)
	s.DB, s.Spans, s.Metrics, s.Calls, s.Trail, s.Verifier = s.Server.DB(), s.Server.Tracing(), s.Server.Metrics(), s.Server.Calls(), s.Server.Audit(), s.Server.Verifier()
	s.Handler = s.Server.Handler()
	s.Listen(s.Log.Logger())
}

// Usual is the environment that a stack needs.
func Usual(databaseURL string, box *sandbox.Sandbox) map[string]string {
	return map[string]string{
		"DATABASE_URL":     databaseURL,
		"CLERK_ISSUER":     box.Issuer(),
		"CLERK_SECRET_KEY": box.SecretKey(),
		"CLERK_API_URL":    box.Issuer() + "/v1",
		"LOG_LEVEL":        "debug",
		"TASKS_RATE":       "0",

		"CLERK_WEBHOOK_SECRET": WebhookSecret,
	}
}

// LookupIn looks variables up in base changed by overrides; an empty value removes a
// variable.
func LookupIn(base, overrides map[string]string) func(string) (string, bool) {
	env := map[string]string{}
	maps.Copy(env, base)
	maps.Copy(env, overrides)
	return func(name string) (string, bool) {
		value := env[name]
		return value, value != ""
	}
}

// PatientLimits are the usual ones, but that a busy machine is no reason to refuse.
func PatientLimits(pool int) admission.Limits {
	within := admission.DefaultLimits(pool)
	within.Wait = WaitMax
	return within
}

// Listen serves the handler on a port, as the server does.
func (s *Stack) Listen(log *slog.Logger) {
	web := httptest.NewUnstartedServer(nil)
	web.Config = server.APIServer(s.Handler, log, server.DefaultTimeouts())
	web.Start()
	s.T.Cleanup(web.Close)
	s.URL = web.URL
	s.HTTP1 = &http.Transport{MaxIdleConnsPerHost: 64}
	s.HTTP2 = &http.Transport{Protocols: new(http.Protocols)}
	s.HTTP2.Protocols.SetUnencryptedHTTP2(true) // from the first byte
	s.T.Cleanup(s.HTTP1.CloseIdleConnections)
	s.T.Cleanup(s.HTTP2.CloseIdleConnections)
}

// TokenLife is the longest there may be: a test may wait for its turn.
const TokenLife = time.Hour

// Token is a session token; an empty org is the personal workspace.
func (s *Stack) Token(user, org string, version int) string {
	s.T.Helper()
	token, err := s.Box.Token(sandbox.TokenRequest{User: user, Org: org, Version: version, TTL: TokenLife})
	if err != nil {
		s.T.Fatalf("token of %s in %q: %v", user, org, err)
	}
	return token
}

// Bent is the token of a person in d2-gamers whose claims were changed.
func (s *Stack) Bent(user string, version int, bend func(claims map[string]any)) string {
	s.T.Helper()
	claims, err := s.Box.Claims(sandbox.TokenRequest{User: user, Org: "d2-gamers", Version: version, TTL: TokenLife})
	if err != nil {
		s.T.Fatalf("claims of %s: %v", user, err)
	}
	bend(claims)
	token, err := s.Box.Sign(nil, claims)
	if err != nil {
		s.T.Fatalf("sign: %v", err)
	}
	return token
}

// TokenIn is the token of a person with the role they have in d2-gamers, but in the
// organization of another id.
func (s *Stack) TokenIn(user, organization string, version int) string {
	s.T.Helper()
	return s.Bent(user, version, func(claims map[string]any) {
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
	s     *Stack
	token string
	next  http.RoundTripper
}

// Transport returns a transport that sends the token with every request.
func (s *Stack) Transport(token string, next http.RoundTripper) http.RoundTripper {
	return bearing{s, token, next}
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	r.Header.Set(fault.RequestIDHeader, "of-the-caller")
	response, err := b.next.RoundTrip(r)
	if err == nil {
		b.s.Look(r.Method+" "+r.URL.Path, response)
	}
	return response, err
}

// Look checks what every answer of the server has in common.
func (s *Stack) Look(title string, response *http.Response) {
	if response.StatusCode == http.StatusRequestHeaderFieldsTooLarge {
		return // by net/http, before anything of ours
	}
	id := response.Header.Get(fault.RequestIDHeader)
	if _, twice := s.ids.LoadOrStore(id, true); twice || len(id) < 20 || len(response.Header.Values(fault.RequestIDHeader)) != 1 {
		s.T.Errorf("%s: request id %q, want one of its own", title, response.Header.Values(fault.RequestIDHeader))
	}
	for key, want := range map[string]string{
		"Cache-Control":           "no-store",
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"Server":                  "",
		"Set-Cookie":              "",
	} {
		if got := response.Header.Get(key); got != want {
			s.T.Errorf("%s: %s = %q, want %q", title, key, got, want)
		}
	}
}

// Client speaks Connect with JSON over HTTP/1.1 unless the options say otherwise.
func (s *Stack) Client(token string, options ...connect.ClientOption) teamtaskv1connect.TaskServiceClient {
	options = append([]connect.ClientOption{connect.WithProtoJSON()}, options...)
	return teamtaskv1connect.NewTaskServiceClient(
		&http.Client{Transport: s.Transport(token, s.HTTP1)}, s.URL, options...)
}

// As is a client for a person of the sandbox, with a version 2 token.
func (s *Stack) As(user, org string) teamtaskv1connect.TaskServiceClient {
	s.T.Helper()
	return s.Client(s.Token(user, org, 2))
}

// In is a context for one step of a test.
func (s *Stack) In() context.Context { return s.T.Context() }
