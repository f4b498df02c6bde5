package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/rbac"
)

// early is what refuses before anything else, as newAPI makes it.
func (s *stack) early(t *testing.T) *shedding {
	t.Helper()
	rules := rbac.Rules{listTasks: {Permission: 1}, createTask: {Permission: 1}, healthCheck: {Public: true}}
	exit := fault.NewExit(s.log.logger(), s.metrics.observe)
	return &shedding{rules: rules, verifier: s.verifier, calls: s.calls, trail: s.trail, overload: exit.Prepare(fault.Overloaded)}
}

// Whichever way a call is refused, its caller is told the same: a browser's takes the way
// of all calls.
func TestAnEarlyRefusalIsTheOneOfTheGate(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	listed(t, s.as("alice", "d2-gamers"))
	s.post(listTasks, token, []byte("{}"))
	defer s.calls.fill(t, gamers)()
	early := s.early(t)
	for _, contentType := range []string{
		"application/json", "application/proto", "application/grpc", "application/grpc+proto", "application/grpc+json",
		"application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json", "",
	} {
		for name, over := range map[string]http.RoundTripper{"HTTP/1.1": s.http1, "HTTP/2": s.http2} {
			if strings.HasPrefix(contentType, "application/grpc") && !strings.Contains(contentType, "web") && name == "HTTP/1.1" {
				continue
			}
			method, path := http.MethodPost, createTask
			if contentType == "" {
				method, path = http.MethodGet, listing
			}
			var got [2]reply
			for i, origin := range []string{"", "https://elsewhere.example.com"} {
				header := map[string]string{}
				if contentType != "" {
					header["Content-Type"] = contentType
				}
				if origin != "" {
					header["Origin"] = origin
				}
				if r := httptest.NewRequestWithContext(t.Context(), method, path, nil); i == 0 {
					r.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {contentType}}
					if contentType == "" {
						delete(r.Header, "Content-Type")
					}
					if path == listing {
						r.URL.Path = listTasks
					}
					if early.refuses(r) == nil {
						t.Errorf("%s %q: not refused early", method, contentType)
					}
				}
				got[i] = s.send(over, method, path, token, header, strings.NewReader(""))
				for _, varies := range []string{"Date", fault.RequestIDHeader, "Vary", "Content-Length", "Accept-Encoding", "Connect-Accept-Encoding", "Grpc-Accept-Encoding", "Grpc-Encoding", "Trailer"} {
					got[i].header.Del(varies)
				}
			}
			s.expect(t, contentType+" over "+name, got[0], overloaded)
			if diff := cmp.Diff(got[1].header, got[0].header); diff != "" || got[0].status != got[1].status || string(got[0].body) != string(got[1].body) {
				t.Errorf("%q over %s: status %d and %d, %q and %q; headers (-gate +early):\n%s", contentType, name, got[1].status, got[0].status, got[1].body, got[0].body, diff)
			}
			if diff := cmp.Diff(got[1].trailer, got[0].trailer); diff != "" {
				t.Errorf("%q over %s: trailers (-gate +early):\n%s", contentType, name, diff)
			}
		}
	}
	for _, p := range protocols {
		expectOverloaded(t, p.name, s.getsTask(t.Context(), p))
	}
}

// Only a call that would be refused in any case is refused early, and only where it is
// known whose it is.
func TestOnlyWhatWouldBeRefusedAnywayIsRefusedEarly(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	early := s.early(t)
	known, other := s.token("alice", "d2-gamers", 2), s.token("erin", "acme", 2)
	for _, token := range []string{known, other} {
		s.post(listTasks, token, []byte("{}"))
	}
	refuses := func(change func(*http.Request)) bool {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, listTasks, nil)
		r.Header = http.Header{"Authorization": {"Bearer " + known}, "Content-Type": {"application/json"}}
		change(r)
		return early.refuses(r) != nil
	}
	as := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	if refuses(func(*http.Request) {}) {
		t.Error("refused where nothing is at work")
	}
	empty := s.calls.fill(t, gamers)
	if !refuses(func(*http.Request) {}) {
		t.Error("not refused where the room of the tenant is full")
	}
	for name, change := range map[string]func(*http.Request){
		"another tenant":            as(other),
		"a token not seen before":   as(s.token("bob", "d2-gamers", 2)),
		"no token":                  func(r *http.Request) { r.Header.Del("Authorization") },
		"two tokens":                func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+known) },
		"a broken token":            as(known + "x"),
		"a browser":                 func(r *http.Request) { r.Header.Set("Origin", "https://app.example.com") },
		"a method without a token":  func(r *http.Request) { r.URL.Path = healthCheck },
		"no method":                 func(r *http.Request) { r.URL.Path = "/" },
		"a preflight":               func(r *http.Request) { r.Method = http.MethodOptions },
		"a content type of its own": func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"a form without a type":     func(r *http.Request) { r.Header.Del("Content-Type") },
	} {
		if refuses(change) {
			t.Errorf("%s: refused early", name)
		}
	}
	empty()
	s.calls.rests(t)
}

// A refusal is delayed for callers who try again at once, unless its caller has gone or
// too many wait.
func TestRefusalsAreDelayedALittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shedding{calls: newLimiter(usualLimits(1))}
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
		began := time.Now()
		s.delay(r)
		if got := time.Since(began); got != shedDelay {
			t.Errorf("delayed by %v, want %v", got, shedDelay)
		}
		var all sync.WaitGroup
		for range delayedMax {
			all.Go(func() { s.delay(r) })
		}
		synctest.Wait()
		began = time.Now()
		s.delay(r)
		if got := time.Since(began); got != 0 {
			t.Errorf("one too many is delayed by %v", got)
		}
		cancel()
		all.Wait()
		if got := time.Since(began); got != 0 || s.delayed.Load() != 0 {
			t.Errorf("callers who have gone are delayed by %v, %d are counted", got, s.delayed.Load())
		}
	})
}

// Under overload the newest call is first and fewer wait, for a shorter time; a burst is
// served in its order.
func TestUnderOverloadTheNewestCallIsFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(limits{atWork: 1, tenantAtWork: 1, waiting: 40, tenantWaiting: 40, wait: time.Second})
		leave := l.enters(t, gamers)
		var order []int // guarded by the only slot
		var all sync.WaitGroup
		comes := func(call int) {
			all.Go(func() {
				s, err := l.enter(t.Context(), gamers)
				if err != nil {
					return
				}
				order = append(order, call)
				l.leave(s)
			})
			synctest.Wait()
		}
		comes(1)
		<-time.After(900 * time.Millisecond)
		comes(2)
		comes(3)
		<-time.After(200 * time.Millisecond) // calls have been waiting for 1.1 s without a break
		if n := l.queueing(); n != 2 {
			t.Fatalf("%d wait, want the two that came last", n)
		}
		for call := 4; call < 30; call++ {
			comes(call)
		}
		if n := l.queueing(); n != 40/overloadCut {
			t.Errorf("%d wait under overload, want %d", n, 40/overloadCut)
		}
		if !l.admits(acme) {
			t.Error("the first call of another tenant has no room")
		}
		leave()
		all.Wait()
		if !slices.IsSortedFunc(order, func(a, b int) int { return b - a }) || len(order) != 10 {
			t.Errorf("served in the order %v, want the newest first", order)
		}
		l.rests(t)
	})
}

func TestACallWaitsAShorterTimeUnderOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(limits{atWork: 1, tenantAtWork: 1, waiting: 40, tenantWaiting: 40, wait: time.Second})
		leave := l.enters(t, gamers)
		waits := func() (took time.Duration) {
			began := time.Now()
			if _, err := l.enter(t.Context(), gamers); err == nil {
				t.Error("served")
			}
			return time.Since(began)
		}
		if got := waits(); got != time.Second {
			t.Errorf("a call of a burst waited %v", got)
		}
		stop := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() { // there is always one that waits
			for {
				select {
				case <-stop:
					return
				default:
				}
				all.Go(func() { waits() })
				<-time.After(100 * time.Millisecond)
			}
		})
		<-time.After(2500 * time.Millisecond)
		if got := waits(); got != time.Second/overloadCut {
			t.Errorf("under overload a call waited %v", got)
		}
		close(stop)
		all.Wait()
		if got := waits(); got != time.Second {
			t.Errorf("after it a call waited %v", got)
		}
		leave()
		l.rests(t)
	})
}
