package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/telemetry"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

const (
	headersWithin   = 5 * time.Second
	readWithin      = 15 * time.Second
	writeWithin     = 30 * time.Second
	stallWithin     = 10 * time.Second
	idleFor         = 60 * time.Second
	headersMax      = 32 << 10 // bytes
	streamsMax      = 100      // at once on one HTTP/2 connection
	streamBufferMax = 64 << 10 // bytes of a request over HTTP/2 that nobody has read yet
	startWithin     = 15 * time.Second
	unreadyFor      = 5 * time.Second  // between SIGTERM and the last call taken, for load balancers to notice
	drainFor        = 20 * time.Second // for calls under way at shutdown
	profileWithin   = 2 * time.Minute  // on the admin address: profiles take their time
	sweepEvery      = time.Hour        // what has expired is removed so often
)

type serveCommand struct{}

// Run implements the command.
func (serveCommand) Run(ctx context.Context) error {
	c, err := readConfig(os.LookupEnv)
	if err != nil {
		return fmt.Errorf("the configuration is not usable:\n%w", err)
	}
	return serve(ctx, c, os.Stderr)
}

// serve runs until ctx ends, then finishes the calls under way.
func serve(ctx context.Context, c config, logTo io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logTo, &slog.HandlerOptions{Level: c.logLevel}))
	starting, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	spans, err := newTracing(starting, c.tracesTo, log)
	if err != nil {
		return err
	}
	defer spans.Close(ctx)
	m := telemetry.NewMetrics()
	copying, err := newPeople(c, m, log)
	if err != nil {
		return err
	}
	db, err := tenancy.Open(starting, tenancy.Options{
		URL:        c.databaseURL,
		Schema:     migrations.Latest(),
		Statements: statements(),
		Trace:      spans.Statements(),
		Claims:     !c.ledger(),
		Unknown:    copying.unknown(),
	})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer db.Close()

	verifier := session.NewVerifier(c.keys, c.verification)
	calls := admission.NewLimiter(admission.DefaultLimits(db.Size()))
	watchCalls(m, db, verifier, calls)
	exit := fault.NewExit(log, m.Call)
	exit.OnLeftOut(m.LinesLeftOut)
	defer exit.Close()
	trail, err := newTrail(db, log, m)
	if err != nil {
		return err
	}
	defer trail.Close()
	defer background(ctx, func(ctx context.Context) { trail.KeepSwept(ctx, sweepEvery) })()
	known := readinessOf(db)
	var unready atomic.Bool
	ready := func(ctx context.Context) error {
		if unready.Load() {
			return draining
		}
		return known.ready(ctx)
	}
	kept := newBooks(c, db, copying, m, log)
	defer background(ctx, kept.seats.WatchPrices)()
	var queue *jobs.Client
	var events *inbox.Inbox
	if c.directory || c.billing {
		if queue, err = openJobs(starting, c, log, m, kept); err != nil {
			return fmt.Errorf("DATABASE_URL: %w", err)
		}
		defer queue.Close()
		if events, err = newInbox(queue, log, m, kept); err != nil {
			return err
		}
		watchBacklog(m, events)
	}
	if kept.people != nil {
		kept.people.OnEnd(events.Forget)
		defer background(ctx, func(ctx context.Context) { copying.meetings.Run(ctx, kept.people) })()
		defer background(ctx, func(ctx context.Context) { warnOfRoles(ctx, copying.roles(), c.roles, log) })()
	}
	handler, err := newAPI(c, parts{
		db: db, verifier: verifier, exit: exit, trail: trail, calls: calls, spans: spans, roles: copying.roles(), ready: ready, events: events, seats: kept.seats,
	})
	if err != nil {
		return err
	}
	api, err := listen(c.listenAddr, "LISTEN_ADDR", apiServer(handler, log, usualTimeouts()))
	if err != nil {
		return err
	}
	admin, err := listen(c.adminAddr, "ADMIN_ADDR", adminServer(c.adminAddr, adminHandler(m), log))
	if err != nil {
		return errors.Join(err, api.listener.Close())
	}
	if !c.ledger() {
		log.WarnContext(ctx, "no ledger: session tokens say who holds a seat")
	}
	for _, feature := range c.absent {
		log.WarnContext(ctx, "not configured", slog.String("feature", feature))
	}
	log.InfoContext(ctx, "serving", slog.String("address", api.listener.Addr().String()),
		slog.String("admin", admin.listener.Addr().String()), slog.String("version", version()))
	stop := func(context.Context) error { return nil }
	if queue != nil {
		if err := queue.Start(ctx); err != nil {
			return errors.Join(err, api.listener.Close(), admin.listener.Close())
		}
		stop = queue.Stop
	}
	return run(ctx, log, &unready, stop, api, admin)
}

// background does something beside the calls. end stops it and waits until it has
// stopped.
func background(ctx context.Context, do func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var under sync.WaitGroup
	under.Go(func() { do(ctx) })
	return func() {
		cancel()
		under.Wait()
	}
}

// bound is a server on its listener.
type bound struct {
	*http.Server
	listener net.Listener
}

func listen(address, variable string, s *http.Server) (bound, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // without the address, which is the variable's content
		}
		if dns, ok := errors.AsType[*net.DNSError](err); ok {
			err = errors.New(dns.Err)
		}
		return bound{}, fmt.Errorf("%s: cannot listen: %w", variable, err)
	}
	return bound{Server: s, listener: l}, nil
}

// run serves on all of them until ctx ends or one fails, then lets calls under way
// finish. On SIGTERM readiness goes first, and calls are taken a little longer: a load
// balancer needs that time to send no more. stop ends what else is under way, at the
// same time as the calls.
func run(ctx context.Context, log *slog.Logger, unready *atomic.Bool, stop func(context.Context) error, servers ...bound) error {
	group, ending := errgroup.WithContext(ctx)
	for _, s := range servers {
		group.Go(func() error {
			if err := s.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", s.listener.Addr(), err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ending.Done()
		unready.Store(true)
		log.InfoContext(ctx, "shutting down")
		if errors.Is(context.Cause(ending), errTerminated) {
			<-time.After(unreadyFor)
		}
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
		defer cancel()
		stopped := make(chan error, 1)
		go func() { stopped <- stop(within) }()
		var errs []error
		for _, s := range servers {
			if err := s.Shutdown(within); err != nil {
				errs = append(errs, fmt.Errorf("calls were still under way after %v: %w", drainFor, errors.Join(err, s.Close())))
			}
		}
		return errors.Join(append(errs, <-stopped)...)
	})
	return group.Wait()
}

// timeouts end every wait for a client. Zero would wait for ever.
type timeouts struct {
	headers time.Duration // for the headers of a request
	read    time.Duration // for all of a request
	write   time.Duration // from the headers of a request to the end of its answer
	stall   time.Duration // until a reader takes the next piece of an answer
	idle    time.Duration // for the next request
}

func usualTimeouts() timeouts {
	return timeouts{headers: headersWithin, read: readWithin, write: writeWithin, stall: stallWithin, idle: idleFor}
}

// apiServer speaks HTTP/1.1 and, without TLS, HTTP/2. Every wait has an end.
func apiServer(handler http.Handler, log *slog.Logger, within timeouts) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:   withProgress(within.stall, within.write, handler),
		Protocols: protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streamsMax, WriteByteTimeout: within.stall,
			// What arrives before anybody reads it is in memory, uncounted.
			MaxReceiveBufferPerConnection: bodyMax, MaxReceiveBufferPerStream: streamBufferMax,
		},
		ReadHeaderTimeout:            within.headers,
		ReadTimeout:                  within.read,
		WriteTimeout:                 within.write,
		IdleTimeout:                  within.idle,
		MaxHeaderBytes:               headersMax,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// adminServer serves the admin address to requests that name it.
func adminServer(address string, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      withOwnHost(address, handler),
		ReadHeaderTimeout:            headersWithin,
		ReadTimeout:                  readWithin,
		WriteTimeout:                 profileWithin,
		IdleTimeout:                  idleFor,
		MaxHeaderBytes:               headersMax,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
