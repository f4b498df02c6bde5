package licensing

import (
	"sync"
	"time"
)

const (
	breakerFailures    = 5                // in a row, until calls fail at once
	breakerOpenFirst   = 5 * time.Second  // until one call may try
	breakerOpenLongest = 30 * time.Second // doubled up to this while tries fail
)

// verdict is what one request says about whether Stripe can be reached.
type verdict int

const (
	unsure verdict = iota // the caller left before it showed
	alive
	dead
)

// stripeBreaker keeps calls from a Stripe that cannot be reached. Closed, it lets all
// through; after breakerFailures failures in a row it is open and lets none through;
// when the time is over, one call at a time tries, and only what that one finds
// closes or prolongs it.
type stripeBreaker struct {
	mu       sync.Mutex
	failures int
	openFor  time.Duration // 0: closed
	openTill time.Time
	probing  bool
}

// refuses tells whether a call would be turned away now, and for how long it had
// better wait.
func (b *stripeBreaker) refuses() (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusesLocked()
}

func (b *stripeBreaker) refusesLocked() (time.Duration, bool) {
	if b.openFor == 0 {
		return 0, false
	}
	if left := time.Until(b.openTill); left > 0 {
		return left, true
	}
	return attemptMax, b.probing
}

// admit lets a request through, as the probe where the breaker is open. Whoever is
// admitted must report.
func (b *stripeBreaker) admit() (probe bool, left time.Duration, refused bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if left, refused := b.refusesLocked(); refused {
		return false, left, true
	}
	b.probing = b.openFor > 0
	return b.probing, 0, false
}

// report takes what a request found. While the breaker is open, requests that were
// under way before are not heard.
func (b *stripeBreaker) report(probe bool, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	} else if b.openFor > 0 {
		return
	}
	switch v {
	case alive:
		b.failures, b.openFor = 0, 0
	case dead:
		b.failures++
		if probe || b.failures >= breakerFailures {
			b.openFor = min(max(2*b.openFor, breakerOpenFirst), breakerOpenLongest)
			b.openTill = time.Now().Add(b.openFor)
		}
	case unsure:
	}
}
