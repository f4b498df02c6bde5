package clerk

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// withLimits refuses what is beyond Clerk's limits: 1000 requests in 10 s in all but for the key set, 10 changes of metadata in
// 10 s to one user, organization or membership, and 250 invitations in an hour in all.
// https://clerk.com/docs/guides/how-clerk-works/system-limits
func (s *Server) withLimits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var wait int
		if r.URL.Path != root+"/jwks" {
			wait = s.limiter.take("requests", s.requestLimit, limitWindow, s.now())
		}
		switch {
		case wait > 0:
		case r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/metadata"):
			wait = s.limiter.take(r.URL.Path, s.metadataLimit, limitWindow, s.now())
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/invitations"):
			wait = s.limiter.take("invitations", s.invitationLimit, invitationWindow, s.now())
		}
		if wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(wait))
			writeRefusal(w, statusRefusal(http.StatusTooManyRequests))
			return
		}
		next.ServeHTTP(w, r)
	})
}

const (
	limitWindow      = 10 * time.Second
	requestsMax      = 1000 // in a window, in all
	metadataMax      = 10   // in a window, to one target
	invitationWindow = time.Hour
	invitationsMax   = 250  // in their window, in all
	limiterKeysMax   = 1000 // before idle ones are dropped
)

// limiter counts what happened lately, by key. The zero value is ready.
type limiter struct {
	mu     sync.Mutex
	recent map[string]recent
}

// recent is when something happened within a window, oldest first, at most as often as its limit allows.
type recent struct {
	window time.Duration
	at     []time.Time
}

// since leaves out what happened before the window that ends now.
func (r recent) since(now time.Time) recent {
	for len(r.at) > 0 && now.Sub(r.at[0]) >= r.window {
		r.at = r.at[1:]
	}
	return r
}

// take counts one more under key and returns 0. Where the limit is reached within the window, it counts nothing and returns the
// whole seconds until the next is allowed. A limit below zero is none. A key always has the same window.
func (l *limiter) take(key string, limit int, window time.Duration, now time.Time) int {
	if limit < 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.recent == nil || len(l.recent) > limiterKeysMax {
		l.forget(now)
	}
	r, ok := l.recent[key]
	if !ok {
		r.window = window
	}
	r = r.since(now)
	if len(r.at) < limit {
		r.at = append(r.at, now)
		l.recent[key] = r
		return 0
	}
	wait := window - now.Sub(r.at[0])
	return int((wait + time.Second - 1) / time.Second)
}

// forget drops the keys under which nothing happened within their window. The caller holds l.mu.
func (l *limiter) forget(now time.Time) {
	kept := map[string]recent{}
	for key, r := range l.recent {
		if r = r.since(now); len(r.at) > 0 {
			kept[key] = r
		}
	}
	l.recent = kept
}

func (l *limiter) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent = nil
}
