package main

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// delayedMax is how many refusals are delayed at once; more are sent without delay.
const delayedMax = 500

// shedding refuses calls that the limiter would refuse, before anything else is done with
// them. It decides only where the token has been verified before, so that the limiter
// knows the tenant; every other call takes the way of all calls, and is refused there.
type shedding struct {
	rules    rbac.Rules
	verifier *session.Verifier
	calls    *limiter
	trail    *audit.Log
	overload *fault.Prepared

	delayed atomic.Int64
}

// handler refuses a little late, so that a caller who tries again at once costs less.
func (s *shedding) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor := s.refuses(r)
		if actor == nil {
			next.ServeHTTP(w, r)
			return
		}
		began := time.Now()
		s.delay(r)
		s.overload.Send(w, r, r.URL.Path, began)
		s.trail.Shed(actor, r.URL.Path)
	})
}

// refuses returns who makes a call that is to be refused, or nil. A browser's request
// needs the headers that CORS adds, and so it takes the way of all calls.
func (s *shedding) refuses(r *http.Request) *tenancy.Actor {
	rule, ok := s.rules[r.URL.Path]
	if !ok || rule.Public || len(r.Header["Origin"]) > 0 || !s.overload.For(r) || s.calls.queueing() == 0 {
		return nil
	}
	actor := s.verifier.Cached(r.Header)
	if actor == nil || s.calls.admits(actor.Tenant) {
		return nil
	}
	return actor
}

func (s *shedding) delay(r *http.Request) {
	defer s.delayed.Add(-1)
	if s.delayed.Add(1) > delayedMax || s.calls.shedDelay == 0 {
		return
	}
	late := time.NewTimer(s.calls.shedDelay)
	defer late.Stop()
	select {
	case <-late.C:
	case <-r.Context().Done():
	}
}
