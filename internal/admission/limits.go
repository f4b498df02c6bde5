package admission

import (
	"time"
)

// How many calls there may be for each connection of the database pool. Most calls are
// one statement and what surrounds it, so a few for each connection keep the pool busy;
// more would only wait for it, each with its request in memory.
const (
	atWorkForEach        = 8
	tenantAtWorkForEach  = 2 // a quarter: one organization's storm leaves room for others
	waitingForEach       = 64
	tenantWaitingForEach = 32

	// callWait is how long a call waits for its turn: longer than a burst, and far
	// shorter than a caller's patience.
	callWait = time.Second

	// shedDelay is how long a refusal is delayed, for callers who try again at once: far
	// shorter than the second after which it says to try again.
	shedDelay = 200 * time.Millisecond

	// overloadCut divides how long and how many calls wait while there is overload: most
	// of those that would wait longer would be refused in the end, having cost more.
	overloadCut = 4
)

// Limits are how many calls there may be at once, and how many bytes of their requests,
// in all and of one tenant.
type Limits struct {
	AtWork, TenantAtWork   int
	Waiting, TenantWaiting int // besides those at work
	Wait                   time.Duration
	ShedDelay              time.Duration // before a refusal of shedding is sent
	Bytes, TenantBytes     int           // beyond what every request may have
}

// DefaultLimits returns the limits for a pool of so many connections.
func DefaultLimits(pool int) Limits {
	return Limits{
		AtWork: pool * atWorkForEach, TenantAtWork: pool * tenantAtWorkForEach,
		Waiting: pool * waitingForEach, TenantWaiting: pool * tenantWaitingForEach,
		Wait: callWait, ShedDelay: shedDelay,
		Bytes: RequestBytesMax, TenantBytes: RequestBytesMax / 2,
	}
}
