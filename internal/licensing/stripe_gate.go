package licensing

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

	// Stripe takes 100 requests a second of a live account and 25 of one in test mode,
	// from all servers together.
	stripeRate  = 20 // requests a second
	stripeBurst = 20
)

// errTooLong is a wait that would outlast the context's deadline.
var errTooLong = errors.New("the wait would be longer than the deadline allows")

// stripeGate decides when a request may be sent: not while Stripe cannot be reached,
// not before the end of a pause that Stripe asked for, not more than inFlightMax at
// once and not more than stripeRate a second.
type stripeGate struct {
	slots   chan struct{}
	pace    *rate.Limiter
	breaker stripeBreaker

	mu     sync.Mutex
	paused time.Time // until then nobody asks
}

func newStripeGate() *stripeGate {
	return &stripeGate{slots: make(chan struct{}, inFlightMax), pace: rate.NewLimiter(stripeRate, stripeBurst)}
}

// through waits until a request may be sent and sends it. An error says that it was
// not sent: a *StripeError, or the context's.
func (g *stripeGate) through(ctx context.Context, send func() verdict) error {
	for {
		if left, refused := g.breaker.refuses(); refused {
			return unreached(left)
		}
		if left := g.pauseLeft(); left > 0 {
			if err := wait(ctx, jittered(left)); err != nil {
				return limited(err, left)
			}
			continue
		}
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		sent, err := g.inSlot(ctx, send)
		if sent || err != nil {
			return err
		}
	}
}

// inSlot sends the request and gives the slot back. It answers false where a pause
// began meanwhile.
func (g *stripeGate) inSlot(ctx context.Context, send func() verdict) (bool, error) {
	defer func() { <-g.slots }()
	if left, refused := g.breaker.refuses(); refused { // those who waited for a slot leave at once
		return false, unreached(left)
	}
	turn := g.pace.Reserve()
	if err := wait(ctx, turn.Delay()); err != nil {
		left := turn.Delay()
		turn.Cancel()
		return false, limited(err, left)
	}
	if g.pauseLeft() > 0 {
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

func unreached(left time.Duration) error {
	return &StripeError{Kind: StripeUnavailable, RetryAfter: left, words: "not asked: Stripe could not be reached a moment ago"}
}

// limited is err of a wait for a turn that is left away.
func limited(err error, left time.Duration) error {
	if errors.Is(err, errTooLong) {
		return &StripeError{Kind: StripeRateLimited, RetryAfter: left, words: "not asked: the next turn comes after the deadline"}
	}
	return err
}

// pause keeps everybody from asking for d.
func (g *stripeGate) pause(d time.Duration) {
	till := time.Now().Add(d)
	g.mu.Lock()
	defer g.mu.Unlock()
	if till.After(g.paused) {
		g.paused = till
	}
}

func (g *stripeGate) pauseLeft() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.paused)
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
