// Package server composes everything that serves: the database, the domains, the handlers of
// the public port and of the admin address.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/telemetry"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

const (
	// APIPackage is the package of the services that are served.
	APIPackage = "teamtask.v1"

	startWithin = 15 * time.Second
	wakeWithin  = 10 * time.Second

	providerClerk  = "clerk" // in the names of the inbox
	providerStripe = "stripe"
)

// Server is everything that serves: the database, the domains over it, and the handlers of
// the public port and of the admin address. It is safe to share.
type Server struct {
	config   Config
	log      *slog.Logger
	metrics  *telemetry.Metrics
	spans    *telemetry.Tracing // nil: none are made
	db       *tenancy.DB
	verifier *session.Verifier
	calls    *admission.Limiter
	exit     *fault.Exit
	rules    rbac.Rules
	trail    *audit.Log
	clerk    *clerk.Client       // nil: the directory is not configured
	meetings *directory.Meetings // nil: likewise
	domains  Domains
	jobs     *jobs.Client                // nil: neither the directory nor Stripe is configured
	waiting  atomic.Pointer[inbox.Inbox] // events, for wake, which is called at any time
	events   *inbox.Inbox                // nil: neither the directory nor Stripe is configured
	ready    *readiness
	draining atomic.Bool // no more calls are wanted
	handler  http.Handler

	closers []func() // in the order of opening
}

// Open connects to the database, which it inspects, and makes the handlers. Periodic work
// that writes, and applying events, begin with Run. Close ends what Open began.
func Open(ctx context.Context, c Config) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	s := &Server{
		config:  c,
		log:     slog.New(slog.NewJSONHandler(c.LogTo, &slog.HandlerOptions{Level: c.LogLevel})),
		metrics: telemetry.NewMetrics(),
		closers: []func(){cancel}, // the pool connects beside the rest
	}
	for _, open := range []func(context.Context) error{
		s.openTracing, s.openClerk, s.openDatabase, s.openAudit, s.openDomains, s.openEvents, s.openHandler,
	} {
		if err := open(ctx); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// Close ends what Open began, the last first.
func (s *Server) Close() {
	for len(s.closers) > 0 {
		last := len(s.closers) - 1
		s.closers[last]()
		s.closers = s.closers[:last]
	}
}

// Handler serves the public port.
func (s *Server) Handler() http.Handler { return s.handler }

// AdminHandler serves the admin address: metrics and profiles.
func (s *Server) AdminHandler() http.Handler { return adminHandler(s.metrics) }

// Metrics returns what the server counts.
func (s *Server) Metrics() *telemetry.Metrics { return s.metrics }

func (s *Server) onClose(end func()) { s.closers = append(s.closers, end) }

func (s *Server) openTracing(ctx context.Context) (err error) {
	s.spans, err = telemetry.NewTracing(ctx, telemetry.TracingOptions{
		Endpoint:     s.config.TracesTo,
		Version:      s.config.Version,
		Log:          s.log,
		Organization: func(ctx context.Context) string { return tenancy.ActorOf(ctx).Organization.ID },
	})
	s.onClose(func() { s.spans.Close(context.WithoutCancel(ctx)) })
	return err
}

func (s *Server) openClerk(context.Context) (err error) {
	if !s.config.Directory {
		return nil
	}
	s.config.Clerk.Recovered = func() { s.wake(providerClerk) }
	s.clerk, err = newClerk(s.config.Clerk, s.metrics)
	s.meetings = directory.NewMeetings(s.log)
	return err
}

func (s *Server) openDatabase(ctx context.Context) (err error) {
	o := tenancy.Options{
		URL:        s.config.DatabaseURL,
		Schema:     migrations.Latest(),
		Statements: Statements(),
		Trace:      s.spans.Statements(),
		Claims:     !s.config.Ledger(),
	}
	if s.meetings != nil {
		o.Unknown = s.meetings.Meet
	}
	if s.db, err = tenancy.Open(ctx, o); err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	s.onClose(s.db.Close)
	s.ready = &readiness{check: s.db.Ready}
	s.verifier = session.NewVerifier(s.config.Keys, s.config.Verification)
	limits := s.config.Limits
	if limits == nil {
		limits = admission.DefaultLimits
	}
	s.calls = admission.NewLimiter(limits(s.db.Size()))
	watchCalls(s.metrics, s.db, s.verifier, s.calls)
	return nil
}

func (s *Server) openAudit(context.Context) (err error) {
	s.exit = fault.NewExit(s.log, s.metrics.Call)
	s.exit.OnLeftOut(s.metrics.LinesLeftOut)
	s.onClose(s.exit.Close)
	if s.rules, err = rbac.Read(protoregistry.GlobalFiles, APIPackage); err != nil {
		return err
	}
	if s.trail, err = newTrail(s.db, s.rules, s.log, s.metrics); err != nil {
		return err
	}
	s.onClose(s.trail.Close)
	return nil
}

// newTrail returns the audit log of the methods whose access rule asks for it.
func newTrail(db *tenancy.DB, rules rbac.Rules, log *slog.Logger, m *telemetry.Metrics) (*audit.Log, error) {
	return audit.New(audit.Options{
		DB:      db,
		Log:     log,
		Failed:  m.AuditFailed,
		Counted: m.AuditCounted,
		Files:   protoregistry.GlobalFiles,
		Package: APIPackage,
		Audited: func(procedure string) bool { return rules[procedure].Audit },
	})
}

func (s *Server) openDomains(ctx context.Context) error {
	s.config.Stripe.Recovered = func() { s.wake(providerStripe) }
	s.domains = newDomains(s.config, s.db, s.clerk, s.metrics, s.log)
	s.onClose(background(context.WithoutCancel(ctx), s.domains.Billing.WatchPrices))
	return nil
}

// openEvents opens the jobs and the inbox. The database and the role of its URL have been inspected.
func (s *Server) openEvents(ctx context.Context) (err error) {
	if !s.config.Directory && !s.config.Billing {
		return nil
	}
	s.jobs, err = jobs.Open(ctx, jobs.Options{
		URL:      s.config.DatabaseURL,
		Log:      s.log,
		Jobs:     s.domains.jobs(),
		Periodic: s.domains.periodic(s.log),
		Observe:  countJobs(s.metrics),
	})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	s.onClose(s.jobs.Close)
	s.events, err = inbox.New(s.jobs, inbox.Options{
		Log: s.log, Consumers: s.domains.consumers(), Observe: countEvents(s.metrics),
	})
	if err != nil {
		return err
	}
	s.waiting.Store(s.events)
	watchBacklog(s.metrics, s.events)
	if s.domains.Directory != nil {
		s.domains.Directory.OnEnd(s.events.Forget)
	}
	return nil
}

// wake has what waits for the provider tried now: it has responded again.
func (s *Server) wake(provider string) {
	events := s.waiting.Load()
	if events == nil {
		return
	}
	s.log.Info("a provider responds again: what waits for it is tried now", slog.String("provider", provider))
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), wakeWithin)
		defer cancel()
		if err := events.Wake(ctx, provider); err != nil {
			s.log.WarnContext(ctx, "what waits for a provider could not be woken: each attempt comes at its time",
				slog.String("provider", provider), slog.String("error", err.Error()))
		}
	}()
}

func (s *Server) openHandler(context.Context) (err error) {
	s.handler, err = s.newHandler()
	return err
}

// isReady returns nil where the server can serve, or why it cannot.
func (s *Server) isReady(ctx context.Context) error {
	if s.draining.Load() {
		return errDraining
	}
	return s.ready.ready(ctx)
}

// DB returns the database. Tests look into this and into what follows.
func (s *Server) DB() *tenancy.DB { return s.db }

// Calls returns the limiter of the calls.
func (s *Server) Calls() *admission.Limiter { return s.calls }

// Audit returns the audit log.
func (s *Server) Audit() *audit.Log { return s.trail }

// Tracing returns what sends traces, or nil.
func (s *Server) Tracing() *telemetry.Tracing { return s.spans }

// Verifier returns what verifies tokens.
func (s *Server) Verifier() *session.Verifier { return s.verifier }
