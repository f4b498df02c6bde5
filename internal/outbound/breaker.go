package outbound

import (
	"sync"
	"time"
)

const (
	breakerFailures    = 5                // in a row, until calls fail at once
	breakerOpenFirst   = 5 * time.Second  // until one call may try
	breakerOpenLongest = 30 * time.Second // doubled up to this while tries fail
)

// verdict is what one request shows of whether the provider can be reached.
type verdict int

const (
	unsure verdict = iota // the caller left before it showed
	alive
	dead
)

// breaker keeps calls from a provider that cannot be reached. Closed, it lets all
// through. After breakerFailures failures in a row it is open and lets none through. When
// the time is over, one call at a time tries, and only what that one finds closes or
// prolongs it.
//
// Libraries have breakers too. None has all of this: an open time that doubles, the time
// that is left (callers are told when to come back), calls whose outcome is not known,
// and late outcomes of earlier calls that do not count.
type breaker struct {
	mu       sync.Mutex
	failures int
	openFor  time.Duration // 0: closed
	openTill time.Time
	probing  bool
}

// refuses reports whether a call would be turned away now, and returns how long it should
// wait.
func (b *breaker) refuses() (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusesLocked()
}

func (b *breaker) refusesLocked() (time.Duration, bool) {
	if b.openFor == 0 {
		return 0, false
	}
	if left := time.Until(b.openTill); left > 0 {
		return left, true
	}
	return attemptMax, b.probing
}

// admit lets a request through, as the probe where the breaker is open. The caller must
// report what it found.
func (b *breaker) admit() (probe bool, left time.Duration, refused bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if left, refused := b.refusesLocked(); refused {
		return false, left, true
	}
	b.probing = b.openFor > 0
	return b.probing, 0, false
}

// report applies what a request found, and reports whether that closed the breaker. While
// it is open, requests that were under way before do not count.
func (b *breaker) report(probe bool, v verdict) (closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	} else if b.openFor > 0 {
		return false
	}
	switch v {
	case alive:
		closed = b.openFor > 0
		b.failures, b.openFor = 0, 0
	case dead:
		b.failures++
		if probe || b.failures >= breakerFailures {
			b.openFor = min(max(2*b.openFor, breakerOpenFirst), breakerOpenLongest)
			b.openTill = time.Now().Add(b.openFor)
		}
	case unsure:
	}
	return closed
}
