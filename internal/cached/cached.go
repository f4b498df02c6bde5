// Package cached holds a value that is fetched from elsewhere: one fetch at a time serves
// everybody who waits, the value is fetched again when it gets old, and an old one is used for
// a while if that fails.
package cached

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what New needs to know.
type Options[T any] struct {
	// Fetch fetches the value. before is the present one, of any age, or the zero value. Its
	// context is that of no caller, and ends after Within.
	Fetch func(ctx context.Context, before T) (T, error)

	Within    time.Duration    // of one fetch
	FreshFor  time.Duration    // a younger value is not fetched again
	UsableFor time.Duration    // an older value is not used
	Retry     time.Duration    // between a fetch that failed and the next one
	Patience  time.Duration    // how long Get waits for a newer value if there is a usable one
	Now       func() time.Time // the clock; time.Now if nil
}

// Value is a cached value. It is safe to share.
type Value[T any] struct {
	o       Options[T]
	current atomic.Pointer[version[T]] // nil: never fetched

	mu     sync.Mutex
	flight *flight[T] // nil: none
	failed time.Time  // when a fetch failed last
	cause  error      // why
}

// version is the value of one fetch.
type version[T any] struct {
	value T
	began time.Time // of the fetch: the value is as old as that
}

// flight is a fetch. Its result may be read once done is closed.
type flight[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// New returns a value that is fetched when it is first needed.
func New[T any](o Options[T]) *Value[T] {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Value[T]{o: o}
}

// Get returns a fresh value, fetching it if necessary. If there is an older one that is usable,
// it returns that one after Patience, or if the fetch fails. Without one it returns the error of
// the fetch, or of a fetch that failed less than Retry ago. If ctx ends meanwhile it returns the
// error of ctx; the fetch goes on for others.
func (v *Value[T]) Get(ctx context.Context) (T, error) {
	if now := v.current.Load(); v.younger(now, v.o.FreshFor) {
		return now.value, nil
	}
	f := v.begin(func(now *version[T]) bool { return v.younger(now, v.o.FreshFor) })
	if f == nil {
		return v.usable()
	}
	var impatient <-chan time.Time
	if v.younger(v.current.Load(), v.o.UsableFor) {
		timer := time.NewTimer(v.o.Patience)
		defer timer.Stop()
		impatient = timer.C
	}
	select {
	case <-f.done:
		if f.err == nil {
			return f.value, nil
		}
	case <-impatient:
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
	return v.usable()
}

// Peek returns the value if it is usable. It does not wait; if the value is not fresh, it is
// fetched in the background.
func (v *Value[T]) Peek() (value T, ok bool) {
	now := v.current.Load()
	if !v.younger(now, v.o.UsableFor) {
		return value, false
	}
	if !v.younger(now, v.o.FreshFor) {
		v.begin(func(now *version[T]) bool { return v.younger(now, v.o.FreshFor) })
	}
	return now.value, true
}

// Renew waits for a fetch, also if the value is fresh. It does nothing if replaced reports that
// the present value is another than the caller has seen. It returns the error of the fetch, of
// one that failed less than Retry ago, or of ctx.
func (v *Value[T]) Renew(ctx context.Context, replaced func(T) bool) error {
	f := v.begin(func(now *version[T]) bool { return now != nil && replaced(now.value) })
	if f == nil {
		return v.pausedBy()
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Paused reports whether a fetch failed less than Retry ago: none begins now.
func (v *Value[T]) Paused() bool { return v.pausedBy() != nil }

func (v *Value[T]) pausedBy() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.flight == nil && v.paused() {
		return v.cause
	}
	return nil
}

// paused reports whether a fetch failed less than Retry ago. The caller holds mu.
func (v *Value[T]) paused() bool { return v.cause != nil && v.o.Now().Sub(v.failed) < v.o.Retry }

// begin returns the fetch that is running, or begins one. It returns nil if enough reports that
// the present value will do, and while fetches are paused.
func (v *Value[T]) begin(enough func(now *version[T]) bool) *flight[T] {
	v.mu.Lock()
	defer v.mu.Unlock()
	if enough(v.current.Load()) {
		return nil
	}
	if v.flight != nil {
		return v.flight
	}
	if v.paused() {
		return nil
	}
	v.flight = &flight[T]{done: make(chan struct{})}
	go v.fetch(v.flight)
	return v.flight
}

// fetch belongs to no caller's context: it is for all who wait.
func (v *Value[T]) fetch(f *flight[T]) {
	ctx, cancel := context.WithTimeout(context.Background(), v.o.Within)
	defer cancel()
	var before T
	if now := v.current.Load(); now != nil {
		before = now.value
	}
	began := v.o.Now()
	f.value, f.err = v.o.Fetch(ctx, before)
	v.mu.Lock()
	defer v.mu.Unlock()
	if f.err == nil {
		v.current.Store(&version[T]{value: f.value, began: began})
		v.cause = nil
	} else {
		v.failed, v.cause = v.o.Now(), f.err
	}
	v.flight = nil
	close(f.done)
}

// usable returns the present value, or why there is none.
func (v *Value[T]) usable() (value T, err error) {
	if now := v.current.Load(); v.younger(now, v.o.UsableFor) {
		return now.value, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cause == nil {
		return value, errOld // it got too old while its next fetch was waited for
	}
	return value, v.cause
}

var errOld = errors.New("the value is too old")

// younger reports whether there is a value, and it is younger than that.
func (v *Value[T]) younger(now *version[T], than time.Duration) bool {
	return now != nil && v.o.Now().Sub(now.began) < than
}
