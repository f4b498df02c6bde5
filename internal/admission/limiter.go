// Package admission decides which calls are served when there are too many: it limits the
// calls at work and the memory that they take, fairly between tenants.
package admission

import (
	"context"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

// Limiter bounds the calls at work. A call is at work from when its request has been
// read until its response is ready to be written, so that a client who sends or reads
// slowly takes no slot. A stream is at work until it ends. Some calls may wait
// for a while; all others are refused. Tenants take turns, each with its calls in the
// order in which they came.
//
// There is overload when calls have been waiting without a break for longer than one may
// wait. Then each tenant's newest call is first, as its caller is the likeliest to be there
// still, and fewer calls wait, for a shorter time. It is safe to share.
type Limiter struct {
	Limits
	Memory *MemoryBudget // what requests and responses take up

	mu      sync.Mutex
	active  int               // calls at work
	queued  int               // calls that wait; none could be at work
	granted uint64            // how often a call that waited got its turn
	arrived uint64            // how often a call began to wait
	since   time.Time         // when calls began to wait; where none does, without meaning
	tenants map[string]*share // of the calls at work and of those that wait
}

// NewLimiter returns a limiter without calls.
func NewLimiter(within Limits) *Limiter {
	return &Limiter{Limits: within, Memory: NewMemoryBudget(within.Bytes, within.TenantBytes), tenants: make(map[string]*share)}
}

// Working returns how many calls are at work.
func (l *Limiter) Working() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active
}

// Queued returns how many calls wait.
func (l *Limiter) Queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queued
}

// Enter waits until a call of the tenant may work, until leave; without a tenant it counts
// only in all.
//
// Faults: fault.Overloaded. A call that was given up meanwhile ends with the cause.
func (l *Limiter) Enter(ctx context.Context, tenant string) (leave func(), err error) {
	s, err := l.enter(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return func() { l.leave(s) }, nil
}

// Tenants returns how many tenants have calls at work or waiting.
func (l *Limiter) Tenants() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tenants)
}

// enter is Enter for a call that leave ends with the share.
func (l *Limiter) enter(ctx context.Context, tenant string) (*share, error) {
	s, w, err := l.start(tenant)
	if w == nil {
		return s, err
	}
	late := time.NewTimer(w.wait)
	defer late.Stop()
	select {
	case err = <-w.result:
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
func (l *Limiter) start(tenant string) (*share, *waiter, error) {
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
	ok, yields := l.mayQueue(tenant, s)
	if !ok {
		return nil, nil, fault.Overloaded
	}
	if yields != nil {
		newest := yields.queue[len(yields.queue)-1]
		l.drop(newest)
		newest.result <- fault.Overloaded
	}
	if s == nil {
		s = l.share(tenant)
	}
	if len(s.queue) == 0 {
		s.lastGrant = l.granted
	}
	l.arrived++
	w := &waiter{share: s, arrived: l.arrived, wait: l.Wait, result: make(chan error, 1)}
	if l.queued == 0 {
		l.since = time.Now()
	}
	if l.overload() {
		w.wait /= overloadCut
	}
	s.queue = append(s.queue, w)
	l.queued++
	return s, w, nil
}

// leave ends the work of a call that has entered.
func (l *Limiter) leave(s *share) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.active--
	l.active--
	l.forget(s)
	if l.queued > 0 {
		l.next()
	}
}
