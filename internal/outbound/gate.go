package outbound

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	inFlightMax = 16   // requests at once
	lanesMax    = 1024 // lanes that are stored before those at rest are forgotten
)

// LaneLimit is the limit of each lane: requests a second, and how many at once after a
// rest.
type LaneLimit struct {
	Rate  float64
	Burst int
}

// errTooLong is a wait that would outlast the context's deadline.
var errTooLong = errors.New("the wait would be longer than the deadline allows")

// gate decides when a request may be sent: not while the provider cannot be reached, not
// before the end of a pause that it asked for, not more than inFlightMax at once and not
// more a second than the budget.
type gate struct {
	provider  string
	limit     LaneLimit
	recovered func() // called when the breaker closes again

	slots   chan struct{}
	pace    *rate.Limiter
	breaker breaker

	mu     sync.Mutex
	paused time.Time // until then no request is sent
	lanes  map[string]*lane
}

// lane is the budget of the requests that change the same thing.
type lane struct {
	pace   *rate.Limiter
	paused time.Time
}

func newGate(provider string, perSecond float64, limit LaneLimit) *gate {
	return &gate{
		provider: provider, limit: limit, recovered: func() {},
		slots: make(chan struct{}, inFlightMax),
		pace:  rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond))),
		lanes: make(map[string]*lane),
	}
}

// through waits until a request may be sent and sends it. An error says that it was not
// sent: an *Error, or the context's. A turn in the lane is taken anew after each pause,
// otherwise all requests that had one would be sent at once when it ends.
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

// inSlot sends the request and gives the slot back. It returns false where a pause began
// meanwhile.
func (g *gate) inSlot(ctx context.Context, laneName string, send func() verdict) (bool, error) {
	defer func() { <-g.slots }()
	if err := g.shut(); err != nil { // calls that waited for a slot end at once
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
		return false, g.unreached(left)
	}
	found := unsure
	defer func() {
		if g.breaker.report(probe, found) {
			g.recovered()
		}
	}()
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

// shut returns an error while the breaker turns calls away.
func (g *gate) shut() error {
	if left, refused := g.breaker.refuses(); refused {
		return g.unreached(left)
	}
	return nil
}

func (g *gate) unreached(left time.Duration) error {
	return &Error{Kind: Unavailable, RetryAfter: left, NotSent: true, Words: "not asked: " + g.provider + " could not be reached a moment ago"}
}

// limited returns the error of a wait for a turn that was not taken.
func limited(err error, left time.Duration) error {
	if errors.Is(err, errTooLong) {
		return &Error{Kind: RateLimited, RetryAfter: left, NotSent: true, Words: "not asked: the next turn comes after the deadline"}
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
			if l.pace.Tokens() >= float64(g.limit.Burst) && time.Until(l.paused) <= 0 {
				delete(g.lanes, other)
			}
		}
	}
	l := &lane{pace: rate.NewLimiter(rate.Limit(g.limit.Rate), g.limit.Burst)}
	g.lanes[name] = l
	return l
}

// pause holds back all requests for d, or those of the lane where it has a name: the limit
// of a lane is then the likelier one.
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

// pauseLeft returns how long a pause goes on, the common one or the lane's.
func (g *gate) pauseLeft(laneName string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	till := g.paused
	if l := g.lanes[laneName]; l != nil && l.paused.After(till) {
		till = l.paused
	}
	return time.Until(till)
}

// jittered returns d and up to a tenth more, so that waiting requests are not all sent at
// once.
func jittered(d time.Duration) time.Duration {
	return d + rand.N(d/10+time.Millisecond) //nolint:gosec // spreads load, guards nothing
}

// wait waits for d. Where the context's deadline is nearer it does not wait at all and
// returns errTooLong; where the context ends it returns the context's error.
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
