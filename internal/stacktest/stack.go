// Package stacktest is a whole stack for a test: a database, the sandbox and the server, with
// clients of every protocol.
package stacktest

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/audit"
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

// SandboxOf returns the sandbox of the process.
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
	ids      sync.Map // of the responses so far

	customers sync.Map // at Stripe, by tenant
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
	c.LogTo, c.Limits, c.Version = s.Log, PatientLimits, "test"
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
