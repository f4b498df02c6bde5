package admission

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// delayedMax is how many refusals are delayed at once; more are sent without delay.
const delayedMax = 500

// Shedder refuses calls that the limiter would refuse, before anything else is done with
// them. It decides only where the token has been verified before, so that the limiter
// knows the tenant; every other call takes the way of all calls, and is refused there.
type Shedder struct {
	Limiter *Limiter
	Limited func(procedure string) bool               // reports whether it is a method whose calls are limited
	Actor   func(http.Header) *tenancy.Actor          // of a token that has been verified before, or nil
	Refusal *fault.Prepared                           // of fault.Overloaded
	Shed    func(actor *tenancy.Actor, method string) // is called for each refusal

	delayed atomic.Int64
}

// Handler refuses with a little delay, so that a caller who tries again at once costs less.
func (s *Shedder) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor := s.refuses(r)
		if actor == nil {
			next.ServeHTTP(w, r)
			return
		}
		began := time.Now()
		s.delay(r)
		s.Refusal.Send(w, r, r.URL.Path, began)
		s.Shed(actor, r.URL.Path)
	})
}

// Refuses reports whether the request would be refused here.
func (s *Shedder) Refuses(r *http.Request) bool { return s.refuses(r) != nil }

// refuses returns the actor of a call that is to be refused, or nil. A browser's request
// needs the headers that CORS adds, and so it takes the way of all calls.
func (s *Shedder) refuses(r *http.Request) *tenancy.Actor {
	if !s.Limited(r.URL.Path) || len(r.Header["Origin"]) > 0 || !s.Refusal.For(r) || s.Limiter.Queued() == 0 {
		return nil
	}
	actor := s.Actor(r.Header)
	if actor == nil || s.Limiter.admits(actor.Tenant) {
		return nil
	}
	return actor
}

func (s *Shedder) delay(r *http.Request) {
	defer s.delayed.Add(-1)
	if s.delayed.Add(1) > delayedMax || s.Limiter.ShedDelay == 0 {
		return
	}
	late := time.NewTimer(s.Limiter.ShedDelay)
	defer late.Stop()
	select {
	case <-late.C:
	case <-r.Context().Done():
	}
}
