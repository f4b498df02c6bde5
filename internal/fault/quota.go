package fault

import (
	"net/netip"
	"sync"
	"time"
)

const (
	quotaWindow = time.Minute
	callerLines = 60    // lines of one caller in a window
	allLines    = 1_200 // lines of all callers in a window, beside each one's first
	callersMax  = 1_000 // callers that are told apart in a window
)

// quota bounds the lines that refusals leave in the log. In a window of time, which
// begins with its first line, each caller has so many lines and all have so many
// together; the first line of a caller is always written. What is left out is counted
// and reported once, when the window ends. It is safe to share.
type quota struct {
	report func(leftOut, callers int) // called when a window ends that left something out
	after  func(time.Duration, func()) *time.Timer

	mu      sync.Mutex
	window  *time.Timer // nil: none is open
	lines   int
	callers map[string]*callerQuota
	leftOut int
}

type callerQuota struct {
	lines   int
	leftOut bool
}

func newQuota(report func(leftOut, callers int)) *quota {
	return &quota{report: report, after: time.AfterFunc, callers: map[string]*callerQuota{}}
}

// admit reports whether one more line of the caller may be written; otherwise it is
// counted. Callers beyond those that are told apart count as one.
func (q *quota) admit(caller string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.window == nil {
		q.window = q.after(quotaWindow, q.end)
	}
	c := q.callers[caller]
	if c == nil && len(q.callers) >= callersMax {
		caller = ""
		c = q.callers[caller]
	}
	if c == nil {
		q.callers[caller] = &callerQuota{lines: 1}
		return true
	}
	if c.lines < callerLines && q.lines < allLines {
		c.lines++
		q.lines++
		return true
	}
	c.leftOut = true
	q.leftOut++
	return false
}

// end ends the window, if one is open.
func (q *quota) end() {
	q.mu.Lock()
	if q.window == nil {
		q.mu.Unlock()
		return
	}
	q.window.Stop()
	leftOut, callers := q.leftOut, 0
	for _, c := range q.callers {
		if c.leftOut {
			callers++
		}
	}
	q.window, q.lines, q.leftOut = nil, 0, 0
	q.callers = map[string]*callerQuota{}
	q.mu.Unlock()
	if leftOut > 0 {
		q.report(leftOut, callers)
	}
}

// addressOf returns what one host is known by: its IPv4 address, or the 64 bits of its
// IPv6 network, of which it may choose the rest. It is the address of the peer, which is
// the proxy's where there is one: a header that names another could be anybody's.
func addressOf(peer string) string {
	at, err := netip.ParseAddrPort(peer)
	if err != nil {
		return "unknown"
	}
	address := at.Addr().Unmap().WithZone("")
	if address.Is6() {
		network, _ := address.Prefix(64) // of an IPv6 address there is one
		return network.String()
	}
	return address.String()
}
