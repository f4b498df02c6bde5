package billing

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

// How many calls may be on their way to Stripe or wait for it. Calls of one organization that
// ask for the same share one answer, so few places are enough for each.
const (
	waitingMax       = 256 // in all
	tenantWaitingMax = 16  // of one organization
	personWaitingMax = 8   // of one person, over all organizations
)

// turns lets an organization's calls to Stripe come one after the other: what one is
// answered the next may have, and no organization takes up all that Stripe grants us. Where
// all places are taken, the organization with the most of them gives one up to one with
// fewer. The zero turns is ready.
type turns struct {
	mu      sync.Mutex
	places  int
	tenants map[string]*turn
	persons map[string]int // places of each
}

// turn is an organization's. The call that has it may read and write last.
type turn struct {
	places int // of the call that has the turn and of those in line
	line   []*caller
	last   answered
}

// caller is a call that waits for its organization's turn.
type caller struct {
	person string
	told   chan error // receives nil once the turn is the caller's, or why it never will be
}

// answered is what the last call was answered.
type answered struct {
	purpose string
	began   time.Time
	url     string
}

// take waits for the organization's turn, which end gives on to the next.
//
// Faults: fault.Overloaded. A call that is given up meanwhile ends with the cause.
func (t *turns) take(ctx context.Context, org, person string) (mine *turn, end func(), err error) {
	mine, c, err := t.enter(org, person)
	if err != nil {
		return nil, nil, err
	}
	end = func() { t.leave(org, person, mine) }
	if c == nil {
		return mine, end, nil
	}
	select {
	case err := <-c.told:
		if err != nil {
			return nil, nil, err
		}
		return mine, end, nil
	case <-ctx.Done():
		t.abandon(org, mine, c)
		return nil, nil, context.Cause(ctx)
	}
}

// enter takes a place: at once with the turn, where nobody has it, or else in line as c.
func (t *turns) enter(org, person string) (mine *turn, c *caller, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine = t.tenants[org]
	if mine == nil {
		mine = &turn{}
	}
	if mine.places >= tenantWaitingMax || t.persons[person] >= personWaitingMax {
		return nil, nil, fault.Overloaded
	}
	if t.places >= waitingMax && !t.makeRoom(mine.places+1) {
		return nil, nil, fault.Overloaded
	}
	if t.tenants == nil {
		t.tenants, t.persons = make(map[string]*turn), make(map[string]int)
	}
	if mine.places > 0 {
		c = &caller{person: person, told: make(chan error, 1)}
		mine.line = append(mine.line, c)
	}
	t.tenants[org] = mine
	mine.places++
	t.places++
	t.persons[person]++
	return mine, c, nil
}

// makeRoom has the organization with the most places give one up, if it has more than so
// many: that of its newest call in line. It reports whether there is room now.
func (t *turns) makeRoom(than int) bool {
	var org string
	var most *turn
	for name, own := range t.tenants {
		if len(own.line) > 0 && own.places > than && (most == nil || own.places > most.places) {
			org, most = name, own
		}
	}
	if most == nil {
		return false
	}
	last := most.line[len(most.line)-1]
	most.line = most.line[:len(most.line)-1]
	last.told <- fault.Overloaded
	t.free(org, last.person, most)
	return true
}

// leave gives the turn on to the call that has waited longest.
func (t *turns) leave(org, person string, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(mine.line) > 0 {
		next := mine.line[0]
		mine.line = mine.line[1:]
		next.told <- nil
	}
	t.free(org, person, mine)
}

// abandon is the end of a call that waits no more.
func (t *turns) abandon(org string, mine *turn, c *caller) {
	t.mu.Lock()
	i := slices.Index(mine.line, c)
	if i >= 0 {
		mine.line = slices.Delete(mine.line, i, i+1)
		t.free(org, c.person, mine)
	}
	t.mu.Unlock()
	if i < 0 && <-c.told == nil { // its turn came at the same moment
		t.leave(org, c.person, mine)
	}
}

// free gives a place back. The caller holds mu.
func (t *turns) free(org, person string, mine *turn) {
	t.places--
	if t.persons[person]--; t.persons[person] == 0 {
		delete(t.persons, person)
	}
	if mine.places--; mine.places == 0 {
		delete(t.tenants, org)
	}
}
