package admission

import (
	"slices"
	"time"
)

// share is what the calls of one tenant take up. It is there as long as there are any.
// The limiter's mu guards it.
type share struct {
	tenant    string
	active    int       // calls at work
	queue     []*waiter // calls that wait, oldest first
	lastGrant uint64    // of the limiter's, when a call last got its turn or began to wait
}

// waiter is a call that waits.
type waiter struct {
	share   *share
	arrived uint64
	wait    time.Duration // how long at most
	result  chan error    // holds nil when the call is at work, or why it never will be
}

func (l *Limiter) share(tenant string) *share {
	s := &share{tenant: tenant}
	l.tenants[tenant] = s
	return s
}

// next gives the free slot to the tenant that has waited longest for a turn.
func (l *Limiter) next() {
	var first *share
	for _, s := range l.tenants {
		if len(s.queue) == 0 || !l.free(s.tenant, s) {
			continue
		}
		if first == nil || s.lastGrant < first.lastGrant || s.lastGrant == first.lastGrant && s.queue[0].arrived < first.queue[0].arrived {
			first = s
		}
	}
	if first == nil {
		return
	}
	w := first.queue[0]
	if l.overload() {
		w = first.queue[len(first.queue)-1]
	}
	first.active++ // before it is dropped, so that the share stays
	l.active++
	l.drop(w)
	l.granted++
	first.lastGrant = l.granted
	w.result <- nil
}

// giveUp ends a wait because of err. It returns nil where the call got its turn at that
// very moment and may as well use it.
func (l *Limiter) giveUp(w *waiter, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case result := <-w.result:
		return result
	default:
	}
	l.drop(w)
	return err
}

// drop takes a call out of its queue. The caller holds mu.
func (l *Limiter) drop(w *waiter) {
	s := w.share
	s.queue = slices.DeleteFunc(s.queue, func(other *waiter) bool { return other == w })
	l.queued--
	l.forget(s)
}

// forget ends a share that nothing is left of. The caller holds mu.
func (l *Limiter) forget(s *share) {
	if s.active == 0 && len(s.queue) == 0 {
		delete(l.tenants, s.tenant)
	}
}

// admits reports whether a call of the tenant that came now would not be refused.
func (l *Limiter) admits(tenant string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.tenants[tenant]
	if l.free(tenant, s) {
		return true
	}
	ok, _ := l.mayQueue(tenant, s)
	return ok
}

// free reports whether a call of the tenant can be at work at once. The share is nil where
// the tenant has none. The caller holds mu.
func (l *Limiter) free(tenant string, s *share) bool {
	atWork, _ := l.limitsOf(tenant)
	return l.active < l.AtWork && (s == nil || s.active < atWork)
}

// mayQueue reports whether one more call of the tenant may wait. Where the queue is full,
// it may in the place of the newest call of the tenant that yields: the one that has
// most, where these are at least two more. So no tenant takes another's fair share of
// the queue. The caller holds mu.
func (l *Limiter) mayQueue(tenant string, s *share) (ok bool, yields *share) {
	own := 0
	if s != nil {
		own = len(s.queue)
	}
	inAll := l.Waiting
	_, waiting := l.limitsOf(tenant)
	if own > 0 && l.overload() { // the first call of a tenant has the whole queue
		inAll, waiting = inAll/overloadCut, max(waiting/overloadCut, 1)
	}
	if own >= waiting {
		return false, nil
	}
	if l.queued < inAll {
		return true, nil
	}
	for _, other := range l.tenants {
		if len(other.queue) >= own+2 && (yields == nil || len(other.queue) > len(yields.queue)) {
			yields = other
		}
	}
	return yields != nil, yields
}

// overload reports whether calls have been waiting for longer than one may. The caller
// holds mu.
func (l *Limiter) overload() bool {
	return l.queued > 0 && time.Since(l.since) > l.Wait
}

// limitsOf returns how many calls of the tenant may be at work and how many may wait.
// Calls without a tenant have the limits of all.
func (l *Limiter) limitsOf(tenant string) (atWork, waiting int) {
	if tenant == "" {
		return l.AtWork, l.Waiting
	}
	return l.TenantAtWork, l.TenantWaiting
}
