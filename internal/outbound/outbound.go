// Package outbound is how we call a provider: a budget of requests a second, pauses that
// the provider asks for, retries, a circuit breaker, bounded bodies and one shape of
// error. What differs between providers is how they refuse; see [Refusal].
package outbound

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	// AttemptsMax is how many requests one call makes at most.
	AttemptsMax = 4
	// RateDefault is how many requests a second a Caller makes at most, unless told otherwise.
	RateDefault = 20

	attemptMax  = 5 * time.Second // from sending a request to the last byte of its response
	attemptSlow = 2 * time.Second // a caller who waited this long in vain has seen that there is no response
	backoffBase = 250 * time.Millisecond
	backoffMax  = 4 * time.Second
)

// Options set up a Caller. Provider is required.
type Options struct {
	// Provider is the provider's name, for instance "Stripe".
	Provider string
	// Rate is how many requests a second are made at most, with as many at once after a
	// rest; 0: RateDefault.
	Rate float64
	// Lane is the further limit that calls with the same lane share; zero: there is none.
	Lane LaneLimit
	// Observe is called with each call when it has ended; may be nil. It is called from
	// many goroutines at once.
	Observe func(Observation)
	// Recovered is called when the provider, which could not be reached, has responded
	// again; may be nil. It must not wait.
	Recovered func()
}

// Observation is how one call ended. The pages of a list are calls of their own.
type Observation struct {
	Method   string        // for instance "customers.create"
	Outcome  string        // "ok", "canceled", or a Kind
	Duration time.Duration // with all waiting
	Attempts int           // requests made: 0 where nothing was sent
}

// Caller makes the calls to one provider. It is safe to share, and should be: its limits
// hold for the calls made through it.
type Caller struct {
	provider string
	gate     *gate
	observe  func(Observation)
}

// New returns a Caller.
func New(o Options) *Caller {
	if o.Rate == 0 {
		o.Rate = RateDefault
	}
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	c := &Caller{provider: o.Provider, gate: newGate(o.Provider, o.Rate, o.Lane), observe: o.Observe}
	if o.Recovered != nil {
		c.gate.recovered = o.Recovered
	}
	return c
}

// Do calls try until it succeeds, fails for good, the attempts are used up or ctx ends.
// Each attempt must send the same request. The lane is "" for a call that counts against
// the common limit alone.
//
// A call whose context ended returns the context's error. All others return an *Error.
func (c *Caller) Do(ctx context.Context, method, lane string, try func(context.Context) error) error {
	started, attempts := time.Now(), 0
	var err error
	for {
		var got error
		if unsent := c.gate.through(ctx, lane, func() verdict {
			attempts++
			var found verdict
			found, got = c.attempt(ctx, lane, try)
			return found
		}); unsent != nil {
			if err == nil || ctx.Err() != nil {
				err = unsent // otherwise what came before says more
			}
			break
		}
		err = got
		e, ok := errors.AsType[*Error](err)
		if !ok || !e.Retry || attempts == AttemptsMax {
			break
		}
		if e.pauses() {
			continue // the gate is closed until the provider takes more
		}
		if waited := wait(ctx, max(backoff(attempts), e.RetryAfter)); waited != nil {
			if ctx.Err() != nil {
				err = waited
			}
			break
		}
	}
	return c.ended(method, started, attempts, err)
}

// Unsent ends a call for which nothing was sent because of err.
func (c *Caller) Unsent(method string, err error) error { return c.ended(method, time.Now(), 0, err) }

// attempt makes one request, and returns what it shows of the provider.
func (c *Caller) attempt(ctx context.Context, lane string, try func(context.Context) error) (verdict, error) {
	started := time.Now()
	bounded, cancel := context.WithTimeout(ctx, attemptMax)
	defer cancel()
	err := try(bounded)
	if err == nil {
		return alive, nil
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok && !e.Lost: // a response, whatever ended meanwhile
	case ctx.Err() != nil:
		if time.Since(started) < attemptSlow {
			return unsure, ctx.Err()
		}
		return dead, ctx.Err()
	case bounded.Err() != nil:
		e = &Error{Kind: Unavailable, Words: "no answer within " + attemptMax.String(), Retry: true, Dead: true, Lost: true}
	case !ok: // a decoder's own error, which may quote the response
		e = &Error{Kind: Unavailable, Status: http.StatusOK, Words: "the answer does not have the shape it should have"}
	}
	if e.pauses() {
		c.gate.pause(lane, e.RetryAfter)
	}
	if e.Dead {
		return dead, e
	}
	return alive, e
}

// backoff returns how long to wait after that many attempts: a random time, up to twice as
// long each time.
func backoff(attempts int) time.Duration {
	longest := min(backoffBase<<attempts, backoffMax)
	return longest/2 + rand.N(longest/2) //nolint:gosec // spreads load, guards nothing
}

// ended calls the observer and names the call in the error.
func (c *Caller) ended(method string, started time.Time, attempts int, err error) error {
	o := Observation{Method: method, Outcome: "ok", Duration: time.Since(started), Attempts: attempts}
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok:
		named := *e
		named.Provider, named.Method = c.provider, method
		o.Outcome, err = string(e.Kind), &named
	case err != nil:
		o.Outcome, err = "canceled", fmt.Errorf("%s: %s: %w", prefix(c.provider), method, err)
	}
	c.observe(o)
	return err
}
