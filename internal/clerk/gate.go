package clerk

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	inFlightMax = 16 // requests at once

	// Clerk takes 10 metadata writes in 10 seconds for a membership, from all servers
	// together; in any 10 seconds a client makes at most 4 + 10*0.4 = 8.
	laneRate  = 0.4
	laneBurst = 4
	lanesMax  = 1024 // lanes that are kept before those at rest are forgotten
)

// errTooLong is a wait that would outlast the context's deadline.
var errTooLong = errors.New("the wait would be longer than the deadline allows")

// gate decides when a request may be sent: not while Clerk cannot be reached, not
// before the end of a pause that Clerk asked for, not more than inFlightMax at once
// and not more a second than the budget.
type gate struct {
	slots   chan struct{}
	pace    *rate.Limiter
	breaker breaker

	mu     sync.Mutex
	paused time.Time // until then nobody asks
	lanes  map[string]*lane
}

// lane is the budget of one membership's metadata.
type lane struct {
	pace   *rate.Limiter
	paused time.Time
}

func newGate(perSecond float64) *gate {
	return &gate{
		slots: make(chan struct{}, inFlightMax),
		pace:  rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond))),
		lanes: make(map[string]*lane),
	}
}

// through waits until a request may be sent and sends it. An error says that it was
// not sent: an *Error, or the context's. A turn in the lane is taken anew after each
// pause, or all who had one would come at once when it ends.
func (g *gate) through(ctx context.Context, laneName string, send func() verdict) error {
	for {
		if err := g.shut(); err != nil {
			return err
		}
		if left := g.pauseLeft(laneName); left > 0 {
			if err := wait(ctx, jittered(left)); err != nil {
				return limited(err, left)
			}
			continue
		}
		if laneName != "" {
			if err := take(ctx, g.laneTurn(laneName)); err != nil {
				return err
			}
		}
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		sent, err := g.inSlot(ctx, laneName, send)
		if sent || err != nil {
			return err
		}
	}
}

// inSlot sends the request and gives the slot back. It answers false where a pause
// began meanwhile.
func (g *gate) inSlot(ctx context.Context, laneName string, send func() verdict) (bool, error) {
	defer func() { <-g.slots }()
	if err := g.shut(); err != nil { // those who waited for a slot leave at once
		return false, err
	}
	if err := take(ctx, g.pace.Reserve()); err != nil {
		return false, err
	}
	if g.pauseLeft(laneName) > 0 {
		return false, nil
	}
	probe, left, refused := g.breaker.admit()
	if refused {
		return false, unreached(left)
	}
	found := unsure
	defer func() { g.breaker.report(probe, found) }()
	found = send()
	return true, nil
}

// take waits for the turn, and gives it back where it does not.
func take(ctx context.Context, turn *rate.Reservation) error {
	err := wait(ctx, turn.Delay())
	if err != nil {
		err = limited(err, turn.Delay())
		turn.Cancel()
	}
	return err
}

// shut is an error while the breaker turns calls away.
func (g *gate) shut() error {
	if left, refused := g.breaker.refuses(); refused {
		return unreached(left)
	}
	return nil
}

func unreached(left time.Duration) error {
	return &Error{Kind: Unavailable, RetryAfter: left, words: "not asked: Clerk could not be reached a moment ago"}
}

// limited is err of a wait for a turn that is left away.
func limited(err error, left time.Duration) error {
	if errors.Is(err, errTooLong) {
		return &Error{Kind: RateLimited, RetryAfter: left, words: "not asked: the next turn comes after the deadline"}
	}
	return err
}

// laneTurn reserves a turn in the lane.
func (g *gate) laneTurn(name string) *rate.Reservation {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.laneLocked(name).pace.Reserve()
}

func (g *gate) laneLocked(name string) *lane {
	if l := g.lanes[name]; l != nil {
		return l
	}
	if len(g.lanes) >= lanesMax {
		for other, l := range g.lanes {
			if l.pace.Tokens() >= laneBurst && time.Until(l.paused) <= 0 {
				delete(g.lanes, other)
			}
		}
	}
	l := &lane{pace: rate.NewLimiter(laneRate, laneBurst)}
	g.lanes[name] = l
	return l
}

// pause keeps everybody from asking for d, or the lane where it has a name: the
// limit of a lane is then the likelier one.
func (g *gate) pause(laneName string, d time.Duration) {
	till := time.Now().Add(d)
	g.mu.Lock()
	defer g.mu.Unlock()
	paused := &g.paused
	if laneName != "" {
		paused = &g.laneLocked(laneName).paused
	}
	if till.After(*paused) {
		*paused = till
	}
}

// pauseLeft is how long a pause goes on, the common one or the lane's.
func (g *gate) pauseLeft(laneName string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	till := g.paused
	if l := g.lanes[laneName]; l != nil && l.paused.After(till) {
		till = l.paused
	}
	return time.Until(till)
}

// jittered is d and up to a tenth more, so that those who wait do not all come at
// once.
func jittered(d time.Duration) time.Duration {
	return d + rand.N(d/10+time.Millisecond) //nolint:gosec // spreads load, guards nothing
}

// wait waits for d. Where the context's deadline is nearer it does not wait at all
// and answers errTooLong; where the context ends it answers the context's error.
func wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return errTooLong
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
