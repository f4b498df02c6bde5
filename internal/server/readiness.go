package server

import (
	"context"
	"sync"
	"time"
)

const (
	readyFor    = time.Second // how old a result may be
	readyWithin = time.Second // how long a check may take
)

// readiness reports whether the server can serve, however often it is asked: one check
// runs at a time and at most one begins a second. It is safe to share.
type readiness struct {
	check func(context.Context) error

	mu   sync.Mutex
	last *finding
}

// finding is what a check has found or will find. What it found is there when done is
// closed.
type finding struct {
	began time.Time
	done  chan struct{}
	err   error
}

// ready returns what a check of at most a second ago found, or waits for one.
func (r *readiness) ready(ctx context.Context) error {
	f := r.latest(ctx)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// latest is a check that is under way or young enough; if there is none it begins one,
// which goes on when its caller has gone.
func (r *readiness) latest(ctx context.Context) *finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != nil && time.Since(r.last.began) < readyFor || r.last.underWay() {
		return r.last
	}
	f := &finding{began: time.Now(), done: make(chan struct{})}
	r.last = f
	go func() {
		defer close(f.done)
		f.err = r.find(context.WithoutCancel(ctx))
	}()
	return f
}

func (f *finding) underWay() bool {
	if f == nil {
		return false
	}
	select {
	case <-f.done:
		return false
	default:
		return true
	}
}

// find checks. A database that does not answer in time is not ready; that calls use all
// connections is no reason, because the check has one of its own.
func (r *readiness) find(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return r.check(ctx)
}
