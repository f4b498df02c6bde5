package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// How many calls there may be for each connection of the database pool. Most calls are
// one statement and what surrounds it, so a few for each connection keep the pool busy;
// more would only wait for it, each with its request in memory.
const (
	atWorkForEach        = 8
	tenantAtWorkForEach  = 2 // a quarter: one organization's storm leaves room for others
	waitingForEach       = 64
	tenantWaitingForEach = 32

	// callWait is how long a call waits for its turn: longer than a burst, and far
	// shorter than a caller's patience.
	callWait = time.Second
)

// limits are how many calls there may be at once, in all and of one tenant.
type limits struct {
	atWork, tenantAtWork   int
	waiting, tenantWaiting int // besides those at work
	wait                   time.Duration
}

// usualLimits are the limits over a pool of so many connections.
func usualLimits(pool int) limits {
	return limits{
		atWork: pool * atWorkForEach, tenantAtWork: pool * tenantAtWorkForEach,
		waiting: pool * waitingForEach, tenantWaiting: pool * tenantWaitingForEach,
		wait: callWait,
	}
}

// limiter bounds the calls at work. A call is at work from when its request has been
// read until its answer is ready to be written, so that a client who sends or reads
// slowly takes nobody's place. A stream is at work until it ends. Some calls may wait
// for a while; all others are refused. It is safe to share.
type limiter struct {
	limits
	slots chan struct{} // holds one for every call at work

	mu      sync.Mutex
	queued  int // calls that wait
	tenants map[string]*share
}

// share is what the calls of one tenant take up. It is there as long as there are any.
type share struct {
	tenant string
	slots  chan struct{} // holds one for every call at work, or waiting for others' only
	calls  int           // at work and waiting; guarded by the limiter's mu
	queued int           // waiting; guarded likewise
}

func newLimiter(within limits) *limiter {
	return &limiter{limits: within, slots: make(chan struct{}, within.atWork), tenants: make(map[string]*share)}
}

// working is how many calls are at work.
func (l *limiter) working() int { return len(l.slots) }

// queueing is how many calls wait.
func (l *limiter) queueing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queued
}

// gate is the request gate behind the one that knows the actor: a call that could not
// even wait is refused on its headers, and nobody reads its body.
//
// Faults: fault.Overloaded.
func (l *limiter) gate(exit *fault.Exit) connect.RequestGateFunc {
	return func(ctx context.Context, spec connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
		l.mu.Lock()
		full := l.full(tenancy.ActorOf(ctx).Tenant)
		l.mu.Unlock()
		if full {
			return nil, exit.State(ctx, spec.Procedure, fault.Overloaded)
		}
		return ctx, nil
	}
}

// WrapUnary implements connect.Interceptor.
func (l *limiter) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		s, err := l.enter(ctx, tenancy.ActorOf(ctx).Tenant)
		if err != nil {
			return nil, err
		}
		defer l.leave(s)
		return next(ctx, req)
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (l *limiter) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		s, err := l.enter(ctx, tenancy.ActorOf(ctx).Tenant)
		if err != nil {
			return err
		}
		defer l.leave(s)
		return next(ctx, conn)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (l *limiter) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// enter lets a call of the tenant work, which leave ends; without a tenant it counts
// only in all. A slot that becomes free goes to the call that has waited longest for
// it: first for one of its tenant's, then for one of all.
//
// Faults: fault.Overloaded. A call that was given up meanwhile ends with the cause.
func (l *limiter) enter(ctx context.Context, tenant string) (*share, error) {
	s := l.join(tenant)
	if err := l.take(ctx, s); err != nil {
		l.part(s)
		return nil, err
	}
	return s, nil
}

// leave ends the work of a call that has entered.
func (l *limiter) leave(s *share) {
	<-l.slots
	<-s.slots
	l.part(s)
}

// take takes a slot of the share and one of all, or neither.
func (l *limiter) take(ctx context.Context, s *share) error {
	own := takeNow(s.slots)
	if own && takeNow(l.slots) {
		return nil
	}
	err := l.queue(s)
	if err == nil {
		defer l.unqueue(s)
		waiting, cancel := context.WithTimeoutCause(ctx, l.wait, fault.Overloaded)
		defer cancel()
		if !own {
			err = takeWithin(waiting, s.slots)
			own = err == nil
		}
		if own {
			err = takeWithin(waiting, l.slots)
		}
	}
	if err != nil && own {
		<-s.slots
	}
	return err
}

// takeNow takes a slot that is free. None is where anybody waits for one.
func takeNow(slots chan<- struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// takeWithin takes a slot in order of arrival, or answers why ctx has ended.
func takeWithin(ctx context.Context, slots chan<- struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// join counts a call in.
func (l *limiter) join(tenant string) *share {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.tenants[tenant]
	if !ok {
		atWork, _ := l.of(tenant)
		s = &share{tenant: tenant, slots: make(chan struct{}, atWork)}
		l.tenants[tenant] = s
	}
	s.calls++
	return s
}

// part counts a call out; with the last one its share is gone.
func (l *limiter) part(s *share) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.calls--; s.calls == 0 {
		delete(l.tenants, s.tenant)
	}
}

// queue counts a call among those that wait, which unqueue ends.
//
// Faults: fault.Overloaded.
func (l *limiter) queue(s *share) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full(s.tenant) {
		return fault.Overloaded
	}
	l.queued++
	s.queued++
	return nil
}

func (l *limiter) unqueue(s *share) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queued--
	s.queued--
}

// full tells whether no call of the tenant may wait any more. The caller holds mu.
func (l *limiter) full(tenant string) bool {
	_, waiting := l.of(tenant)
	s, ok := l.tenants[tenant]
	return l.queued >= l.waiting || ok && s.queued >= waiting
}

// of is how many calls of the tenant may be at work and how many may wait. No tenant
// has the limits of all.
func (l *limiter) of(tenant string) (atWork, waiting int) {
	if tenant == "" {
		return l.atWork, l.waiting
	}
	return l.tenantAtWork, l.tenantWaiting
}
