package licensing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	attemptMax  = 5 * time.Second // from sending a request to the last byte of its answer
	attemptSlow = 2 * time.Second // a caller who waited this long in vain says that Stripe does not answer
	attemptsMax = 4               // of one call
	backoffBase = 250 * time.Millisecond
	backoffMax  = 4 * time.Second
)

// ask makes the request of that name until there is an answer, the tries are used up or
// the context ends. Each try sends the same request.
func ask[T any](ctx context.Context, s *Stripe, name string, try func(context.Context) (T, error)) (T, error) {
	var value T
	err := s.call(ctx, name, func(ctx context.Context) error {
		got, err := try(ctx)
		if err == nil {
			value = got
		}
		return err
	})
	return value, err
}

// call tries until it need not or must not try again.
func (s *Stripe) call(ctx context.Context, name string, try func(context.Context) error) error {
	started, attempts := time.Now(), 0
	var err error
	for {
		var got error
		if unsent := s.gate.through(ctx, func() verdict {
			attempts++
			var found verdict
			found, got = s.attempt(ctx, try)
			return found
		}); unsent != nil {
			if err == nil || ctx.Err() != nil {
				err = unsent // otherwise what came before says more
			}
			break
		}
		err = got
		e, ok := errors.AsType[*StripeError](err)
		if !ok || !e.again || attempts == attemptsMax {
			break
		}
		if e.pauses() {
			continue // the gate is closed until Stripe takes more
		}
		if waited := wait(ctx, max(backoff(attempts), e.RetryAfter)); waited != nil {
			if ctx.Err() != nil {
				err = waited
			}
			break
		}
	}
	return s.ended(name, started, attempts, err)
}

// attempt makes one request, and says what it tells of Stripe.
func (s *Stripe) attempt(ctx context.Context, try func(context.Context) error) (verdict, error) {
	started := time.Now()
	bounded, cancel := context.WithTimeout(ctx, attemptMax)
	defer cancel()
	err := try(bounded)
	if err == nil {
		return alive, nil
	}
	e, ok := errors.AsType[*StripeError](err)
	switch {
	case ok && !e.lost: // an answer, whatever ended meanwhile
	case ctx.Err() != nil:
		if time.Since(started) < attemptSlow {
			return unsure, ctx.Err()
		}
		return dead, ctx.Err()
	case bounded.Err() != nil:
		e = &StripeError{Kind: StripeUnavailable, words: "no answer within " + attemptMax.String(), again: true, dead: true}
	case !ok: // the library's own error, which quotes the answer
		e = &StripeError{Kind: StripeUnavailable, Status: http.StatusOK, words: "the answer does not have the shape it should have"}
	}
	if e.pauses() {
		s.gate.pause(e.RetryAfter)
	}
	if e.dead {
		return dead, e
	}
	return alive, e
}

// backoff is how long to wait after that many attempts: a random time, up to twice as
// long each time.
func backoff(attempts int) time.Duration {
	longest := min(backoffBase<<attempts, backoffMax)
	return longest/2 + rand.N(longest/2) //nolint:gosec // spreads load, guards nothing
}

// ended tells the observer and names the call in the error.
func (s *Stripe) ended(name string, started time.Time, attempts int, err error) error {
	o := Observation{Method: name, Outcome: "ok", Duration: time.Since(started), Attempts: attempts}
	e, ok := errors.AsType[*StripeError](err)
	switch {
	case ok:
		named := *e
		named.Method = name
		o.Outcome, err = string(e.Kind), &named
	case err != nil:
		o.Outcome, err = "canceled", fmt.Errorf("stripe: %s: %w", name, err)
	}
	s.observe(o)
	return err
}
