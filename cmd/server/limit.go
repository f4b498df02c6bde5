package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

const (
	// callsMax is how many calls are served at once: 64 for each connection of the
	// smallest pool there is by default, two for each of the largest. More would only
	// wait for the database, and each holds up to 1.25 MiB of its request.
	callsMax = 512
	// callWait is how long a call waits for its turn: longer than a burst, and far
	// shorter than a caller's patience.
	callWait = 250 * time.Millisecond
)

// limiter bounds how many calls are served at once. As many again may wait, in the order
// in which they came, and for a while; all others are refused at once. It is safe to share.
type limiter struct {
	slots   chan struct{} // holds one for every call that is being served
	waiting atomic.Int64
	wait    time.Duration
}

func newLimiter(limit int, wait time.Duration) *limiter {
	return &limiter{slots: make(chan struct{}, limit), wait: wait}
}

// underWay is how many calls are being served.
func (l *limiter) underWay() int { return len(l.slots) }

// handler serves the calls of a service within the limit. It decides on the headers of a
// call, before anything of its token or its body is looked at.
//
// Faults: fault.Overloaded.
func (l *limiter) handler(exit *fault.Exit, service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := l.enter(r.Context()); err != nil {
			exit.Refuse(w, r, err)
			return
		}
		defer l.leave()
		service.ServeHTTP(w, r)
	})
}

// enter takes a slot, which leave gives back. A slot that becomes free goes to the call
// that has waited longest: none that comes later can overtake it.
//
// Faults: fault.Overloaded. A call that was given up meanwhile ends with the cause.
func (l *limiter) enter(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	defer l.waiting.Add(-1)
	if l.waiting.Add(1) > int64(cap(l.slots)) {
		return fault.Overloaded
	}
	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return fault.Overloaded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *limiter) leave() { <-l.slots }
