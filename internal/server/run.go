package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	unreadyFor = 5 * time.Second  // between SIGTERM and the last call taken, for load balancers to notice
	drainFor   = 20 * time.Second // for calls under way at shutdown
	sweepEvery = time.Hour        // what has expired is removed so often
)

// ErrTerminated is the cause of a context that ends because an orchestrator will soon send
// no more requests: Run then goes on for a little while. Any other cause ends it at once.
var ErrTerminated = errors.New("terminated")

// Run listens, serves and does the periodic work until ctx ends, then finishes the calls
// under way. It is called once.
func (s *Server) Run(ctx context.Context) error {
	defer background(ctx, func(ctx context.Context) { s.trail.KeepSwept(ctx, sweepEvery) })()
	if s.domains.Directory != nil {
		defer background(ctx, func(ctx context.Context) { s.meetings.Run(ctx, s.domains.Directory) })()
		defer background(ctx, func(ctx context.Context) { warnOfRoles(ctx, s.roles(), s.config.Roles, s.log) })()
	}
	api, err := listen(s.config.ListenAddr, "LISTEN_ADDR", APIServer(s.handler, s.log, DefaultTimeouts()))
	if err != nil {
		return err
	}
	admin, err := listen(s.config.AdminAddr, "ADMIN_ADDR", AdminServer(s.config.AdminAddr, adminHandler(s.metrics), s.log))
	if err != nil {
		return errors.Join(err, api.listener.Close())
	}
	s.logStart(ctx, api, admin)
	if s.jobs != nil {
		if err := s.jobs.Start(ctx); err != nil {
			return errors.Join(err, api.listener.Close(), admin.listener.Close())
		}
	}
	return s.serve(ctx, api, admin)
}

func (s *Server) logStart(ctx context.Context, api, admin bound) {
	if !s.config.Ledger() {
		s.log.WarnContext(ctx, "no ledger: session tokens say who holds a seat")
	}
	for _, feature := range s.config.Absent {
		s.log.WarnContext(ctx, "not configured", slog.String("feature", feature))
	}
	s.log.InfoContext(ctx, "serving", slog.String("address", api.listener.Addr().String()),
		slog.String("admin", admin.listener.Addr().String()), slog.String("version", s.config.Version))
}

// serve serves on all listeners until ctx ends or one fails, then lets calls under way
// finish. On SIGTERM readiness goes first, and calls are taken a little longer: a load
// balancer needs that time to send no more. Jobs end at the same time as the calls.
func (s *Server) serve(ctx context.Context, servers ...bound) error {
	group, ending := errgroup.WithContext(ctx)
	for _, b := range servers {
		group.Go(func() error {
			if err := b.Serve(b.listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", b.listener.Addr(), err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ending.Done()
		s.draining.Store(true)
		s.log.InfoContext(ctx, "shutting down")
		if errors.Is(context.Cause(ending), ErrTerminated) {
			<-time.After(unreadyFor)
		}
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
		defer cancel()
		stopped := make(chan error, 1)
		go func() { stopped <- s.stopEvents(within) }()
		var errs []error
		for _, b := range servers {
			if err := b.Shutdown(within); err != nil {
				errs = append(errs, fmt.Errorf("calls were still under way after %v: %w", drainFor, errors.Join(err, b.Close())))
			}
		}
		return errors.Join(append(errs, <-stopped)...)
	})
	return group.Wait()
}

func (s *Server) stopEvents(ctx context.Context) error {
	if s.jobs == nil {
		return nil
	}
	return s.jobs.Stop(ctx)
}

// background calls do beside the calls. end stops it and waits until it has stopped.
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
