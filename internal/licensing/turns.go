package licensing

import (
	"context"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

const (
	waitingMax       = 256 // calls that wait for Stripe, in all
	tenantWaitingMax = 48  // and of one organization
)

// turns lets an organization's calls to Stripe come one after the other: what one is
// answered the next may have, and no organization takes up all that Stripe grants us. The
// zero turns is ready.
type turns struct {
	mu      sync.Mutex
	waiting int
	of      map[string]*turn
}

// turn is an organization's. Whoever holds mine may read and write last.
type turn struct {
	mine    chan struct{} // holds one where it is free
	waiting int           // with whoever has it; guarded by turns.mu
	last    answered
}

// answered is what the last call was answered.
type answered struct {
	purpose string
	began   time.Time
	url     string
}

// take waits for the organization's turn, which end gives on.
//
// Faults: fault.Overloaded. A call that is given up meanwhile ends with the cause.
func (t *turns) take(ctx context.Context, org string) (mine *turn, end func(), err error) {
	t.mu.Lock()
	own := t.of[org]
	if own == nil {
		own = &turn{mine: make(chan struct{}, 1)}
		own.mine <- struct{}{}
	}
	if t.waiting >= waitingMax || own.waiting >= tenantWaitingMax {
		t.mu.Unlock()
		return nil, nil, fault.Overloaded
	}
	if t.of == nil {
		t.of = make(map[string]*turn)
	}
	t.of[org] = own
	t.waiting++
	own.waiting++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.waiting--
		if own.waiting--; own.waiting == 0 {
			delete(t.of, org)
		}
	}
	select {
	case <-own.mine:
		return own, func() { own.mine <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, nil, context.Cause(ctx)
	}
}
