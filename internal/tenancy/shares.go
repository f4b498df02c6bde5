package tenancy

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

const (
	lockedFor       = 3 * time.Second // after a statement has waited for a lock in vain
	lockedWait      = time.Second     // for a turn with such a statement
	lockedQueueEach = 2               // of those that wait for one, for each connection
)

// shares decides who gets a connection of the pool next. It is safe to share.
//
// A tenant may always have one connection. It may have another one while it has fewer than
// three times as many as are free, and never the last one: alone it gets three quarters of
// the pool, a second tenant three quarters of the rest, and so on. However slow its
// statements are, others find a connection.
//
// A statement that several tenants have waited for a lock with, in vain, gets a quarter of
// the pool until the lock is free, so that what does not need the lock goes on.
type shares struct {
	size int

	mu      sync.Mutex
	holders []*holder
	queue   []*holder        // oldest first
	locked  map[string]*lock // by statement
}

// lock is what is known of a statement that has waited for a lock in vain.
type lock struct {
	tenant string // whose it was last
	seen   time.Time
	until  time.Time // how long it is held back
}

// holder is a transaction that has a connection or waits for one.
type holder struct {
	tenant    string
	statement string        // its first
	turn      chan struct{} // closed when it gets its connection; nil where it did at once
}

func newShares(size int) *shares { return &shares{size: size, locked: map[string]*lock{}} }

// shareOf is whose share the actor's connections count for. The system's own work for a
// tenant has one beside that of the tenant's members.
func shareOf(a Actor) string {
	if a.IssuedAt.IsZero() && a.User != "" {
		return a.User + " " + a.Tenant
	}
	return a.Tenant
}

// enter waits for a turn; leave ends it.
//
// Faults: fault.Overloaded, where too many wait for the same lock.
func (s *shares) enter(ctx context.Context, tenant, statement string) (*holder, error) {
	h := &holder{tenant: tenant, statement: statement}
	late, err := s.start(h)
	if err != nil || h.turn == nil {
		return h, err
	}
	var gaveUp <-chan time.Time
	if late {
		timer := time.NewTimer(lockedWait)
		defer timer.Stop()
		gaveUp = timer.C
	}
	select {
	case <-h.turn:
		return h, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-gaveUp:
		err = fault.Overloaded
	}
	if !s.giveUp(h) {
		return h, nil // it got its turn at that very moment
	}
	return nil, err
}

// start gives h its turn at once, or has it wait. late reports whether it should not wait
// for long.
func (s *shares) start(h *holder) (late bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admits(h) {
		s.give(h)
		return false, nil
	}
	if s.heldBack(h.statement) {
		waiting := 0
		for _, other := range s.queue {
			if other.statement == h.statement {
				waiting++
			}
		}
		if waiting >= lockedQueueEach*s.size {
			return false, fault.Overloaded
		}
		late = true
	}
	h.turn = make(chan struct{})
	s.queue = append(s.queue, h)
	return late, nil
}

// admits reports whether h may have a connection now. The caller holds mu.
func (s *shares) admits(h *holder) bool {
	free := s.size - len(s.holders)
	if free <= 0 {
		return false
	}
	own := 0
	for _, other := range s.holders {
		if other.tenant == h.tenant {
			own++
		}
	}
	return (own == 0 || free > 1 && own < 3*free) && !s.heldBack(h.statement)
}

// waitedInVain is called when a transaction that began with the statement has waited for
// a lock for as long as lock_timeout lets it. What one tenant's members do to each other
// holds back nobody else.
func (s *shares) waitedInVain(tenant, statement string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	l := s.locked[statement]
	if l == nil {
		l = &lock{tenant: tenant}
		s.locked[statement] = l
	}
	if now.Before(l.until) || l.tenant != tenant && now.Sub(l.seen) < lockedFor {
		l.until = now.Add(lockedFor)
	}
	l.tenant, l.seen = tenant, now
}

// heldBack reports whether the statement waits for a lock and has its share of the pool.
// The caller holds mu.
func (s *shares) heldBack(statement string) bool {
	l := s.locked[statement]
	if l == nil || !time.Now().Before(l.until) {
		return false
	}
	holders := 0
	for _, other := range s.holders {
		if other.statement == statement {
			holders++
		}
	}
	return holders >= max(1, s.size/4)
}

// give lets h have a connection. The caller holds mu.
func (s *shares) give(h *holder) {
	s.holders = append(s.holders, h)
	if h.turn != nil {
		close(h.turn)
	}
}

// leave ends the turn of h, and gives it to those who wait, oldest first, each as far as
// it may.
func (s *shares) leave(h *holder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holders = slices.DeleteFunc(s.holders, func(other *holder) bool { return other == h })
	for i := 0; i < len(s.queue) && len(s.holders) < s.size; {
		if next := s.queue[i]; s.admits(next) {
			s.queue = slices.Delete(s.queue, i, i+1)
			s.give(next)
			continue
		}
		i++
	}
}

// giveUp ends the wait of h. It reports false where h got its turn at that very moment.
func (s *shares) giveUp(h *holder) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.queue)
	s.queue = slices.DeleteFunc(s.queue, func(other *holder) bool { return other == h })
	return len(s.queue) < before
}
