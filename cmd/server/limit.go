package main

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

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

	// shedDelay is how long a refusal is delayed, for callers who try again at once: far
	// shorter than the second after which it says to try again.
	shedDelay = 200 * time.Millisecond

	// overloadCut divides how long and how many calls wait while there is overload: most
	// of those that would wait longer would be refused in the end, having cost more.
	overloadCut = 4
)

// limits are how many calls there may be at once, and how many bytes of their requests,
// in all and of one tenant.
type limits struct {
	atWork, tenantAtWork   int
	waiting, tenantWaiting int // besides those at work
	wait                   time.Duration
	shedDelay              time.Duration // before a refusal of shedding is sent
	bytes, tenantBytes     int           // beyond what every request may have
}

// usualLimits are the limits over a pool of so many connections.
func usualLimits(pool int) limits {
	return limits{
		atWork: pool * atWorkForEach, tenantAtWork: pool * tenantAtWorkForEach,
		waiting: pool * waitingForEach, tenantWaiting: pool * tenantWaitingForEach,
		wait: callWait, shedDelay: shedDelay,
		bytes: requestBytesMax, tenantBytes: requestBytesMax / 2,
	}
}

// limiter bounds the calls at work. A call is at work from when its request has been
// read until its answer is ready to be written, so that a client who sends or reads
// slowly takes nobody's place. A stream is at work until it ends. Some calls may wait
// for a while; all others are refused. Tenants take turns, each with its calls in the
// order in which they came.
//
// There is overload when calls have been waiting without a break for longer than one may
// wait. Then each tenant's newest call is first, as its caller is the likeliest to be there
// still, and fewer calls wait, for a shorter time. It is safe to share.
type limiter struct {
	limits
	requests *MemoryBudget // what requests and responses take up

	mu      sync.Mutex
	active  int               // calls at work
	queued  int               // calls that wait; none could be at work
	turns   uint64            // how often a call that waited got its turn
	arrived uint64            // how often a call began to wait
	since   time.Time         // when calls began to wait; where none does, without meaning
	tenants map[string]*share // of the calls at work and of those that wait
}

// share is what the calls of one tenant take up. It is there as long as there are any.
// The limiter's mu guards it.
type share struct {
	tenant string
	active int       // calls at work
	line   []*waiter // calls that wait, oldest first
	turn   uint64    // of the limiter's turns, when it last had one or began to wait
}

// waiter is a call that waits.
type waiter struct {
	share   *share
	arrived uint64
	wait    time.Duration // how long at most
	turn    chan error    // holds nil when the call is at work, or why it never will be
}

func newLimiter(within limits) *limiter {
	return &limiter{limits: within, requests: NewMemoryBudget(within.bytes, within.tenantBytes), tenants: make(map[string]*share)}
}

// working is how many calls are at work.
func (l *limiter) working() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active
}

// queueing is how many calls wait.
func (l *limiter) queueing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queued
}

// gate is the request gate behind the one that knows the actor: a call that could
// neither be at work now nor wait is refused on its headers, and nobody reads its body.
//
// Faults: fault.Overloaded.
func (l *limiter) gate(exit *fault.Exit) connect.RequestGateFunc {
	return func(ctx context.Context, spec connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
		tenant := tenancy.ActorOf(ctx).Tenant
		if !l.admits(tenant) || !l.requests.admits(tenant, lists(spec)) {
			return nil, exit.State(ctx, spec.Procedure, fault.Overloaded)
		}
		setTenant(ctx, tenant)
		return ctx, nil
	}
}

// WrapUnary implements connect.Interceptor.
func (l *limiter) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		// A message that was compressed is larger than what was read of it.
		if m, ok := req.Any().(proto.Message); ok && !reserve(ctx, proto.Size(m)) {
			return nil, fault.Overloaded
		}
		s, err := l.enter(ctx, tenancy.ActorOf(ctx).Tenant)
		if err != nil {
			return nil, err
		}
		leave := sync.OnceFunc(func() { l.leave(s) })
		defer leave()
		return next(context.WithValue(ctx, placeKey{}, leave), req)
	}
}

type placeKey struct{}

// away ends the work of the call that ctx belongs to before its answer is ready: it waits
// for somebody outside from here on, and takes nobody's place meanwhile. Whoever lets calls
// wait so bounds how many do.
func away(ctx context.Context) {
	if leave, ok := ctx.Value(placeKey{}).(func()); ok {
		leave()
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
// only in all.
//
// Faults: fault.Overloaded. A call that was given up meanwhile ends with the cause.
func (l *limiter) enter(ctx context.Context, tenant string) (*share, error) {
	s, w, err := l.start(tenant)
	if w == nil {
		return s, err
	}
	late := time.NewTimer(w.wait)
	defer late.Stop()
	select {
	case err = <-w.turn:
	case <-late.C:
		err = l.giveUp(w, fault.Overloaded)
	case <-ctx.Done():
		err = l.giveUp(w, context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// start lets a call work, or wait for its turn, or refuses it.
func (l *limiter) start(tenant string) (*share, *waiter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.tenants[tenant]
	if l.free(tenant, s) {
		if s == nil {
			s = l.share(tenant)
		}
		s.active++
		l.active++
		return s, nil, nil
	}
	ok, yields := l.room(tenant, s)
	if !ok {
		return nil, nil, fault.Overloaded
	}
	if yields != nil {
		newest := yields.line[len(yields.line)-1]
		l.drop(newest)
		newest.turn <- fault.Overloaded
	}
	if s == nil {
		s = l.share(tenant)
	}
	if len(s.line) == 0 {
		s.turn = l.turns
	}
	l.arrived++
	w := &waiter{share: s, arrived: l.arrived, wait: l.wait, turn: make(chan error, 1)}
	if l.queued == 0 {
		l.since = time.Now()
	}
	if l.overload() {
		w.wait /= overloadCut
	}
	s.line = append(s.line, w)
	l.queued++
	return s, w, nil
}

func (l *limiter) share(tenant string) *share {
	s := &share{tenant: tenant}
	l.tenants[tenant] = s
	return s
}

// leave ends the work of a call that has entered.
func (l *limiter) leave(s *share) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.active--
	l.active--
	l.forget(s)
	if l.queued > 0 {
		l.next()
	}
}

// next gives the free place to the tenant that has waited longest for a turn.
func (l *limiter) next() {
	var first *share
	for _, s := range l.tenants {
		if len(s.line) == 0 || !l.free(s.tenant, s) {
			continue
		}
		if first == nil || s.turn < first.turn || s.turn == first.turn && s.line[0].arrived < first.line[0].arrived {
			first = s
		}
	}
	if first == nil {
		return
	}
	w := first.line[0]
	if l.overload() {
		w = first.line[len(first.line)-1]
	}
	first.active++ // before it is dropped, so that the share stays
	l.active++
	l.drop(w)
	l.turns++
	first.turn = l.turns
	w.turn <- nil
}

// giveUp ends a wait because of err. It answers nil where the call got its turn at that
// very moment and may as well use it.
func (l *limiter) giveUp(w *waiter, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case told := <-w.turn:
		return told
	default:
	}
	l.drop(w)
	return err
}

// drop takes a call out of its line. The caller holds mu.
func (l *limiter) drop(w *waiter) {
	s := w.share
	s.line = slices.DeleteFunc(s.line, func(other *waiter) bool { return other == w })
	l.queued--
	l.forget(s)
}

// forget ends a share that nothing is left of. The caller holds mu.
func (l *limiter) forget(s *share) {
	if s.active == 0 && len(s.line) == 0 {
		delete(l.tenants, s.tenant)
	}
}

// admits tells whether a call of the tenant that came now would not be refused.
func (l *limiter) admits(tenant string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.tenants[tenant]
	if l.free(tenant, s) {
		return true
	}
	ok, _ := l.room(tenant, s)
	return ok
}

// free tells whether a call of the tenant can be at work at once. The share is nil where
// the tenant has none. The caller holds mu.
func (l *limiter) free(tenant string, s *share) bool {
	atWork, _ := l.of(tenant)
	return l.active < l.atWork && (s == nil || s.active < atWork)
}

// room tells whether one more call of the tenant may wait. Where all the room is taken,
// it may in the place of the newest call of the tenant that yields: the one that has
// most, where these are at least two more. So no tenant takes another's fair share of
// the room. The caller holds mu.
func (l *limiter) room(tenant string, s *share) (ok bool, yields *share) {
	own := 0
	if s != nil {
		own = len(s.line)
	}
	inAll := l.waiting
	_, waiting := l.of(tenant)
	if own > 0 && l.overload() { // the first call of a tenant has the whole room
		inAll, waiting = inAll/overloadCut, max(waiting/overloadCut, 1)
	}
	if own >= waiting {
		return false, nil
	}
	if l.queued < inAll {
		return true, nil
	}
	for _, other := range l.tenants {
		if len(other.line) >= own+2 && (yields == nil || len(other.line) > len(yields.line)) {
			yields = other
		}
	}
	return yields != nil, yields
}

// overload reports whether calls have been waiting for longer than one may. The caller
// holds mu.
func (l *limiter) overload() bool {
	return l.queued > 0 && time.Since(l.since) > l.wait
}

// of is how many calls of the tenant may be at work and how many may wait. No tenant
// has the limits of all.
func (l *limiter) of(tenant string) (atWork, waiting int) {
	if tenant == "" {
		return l.atWork, l.waiting
	}
	return l.tenantAtWork, l.tenantWaiting
}
