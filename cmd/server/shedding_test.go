package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/rbac"
)

// early is what refuses before anything else, as newAPI makes it.
func (s *stack) early(t *testing.T) *admission.Shedder {
	t.Helper()
	rules := rbac.Rules{listTasks: {Permission: 1}, createTask: {Permission: 1}, healthCheck: {Public: true}}
	exit := fault.NewExit(s.log.logger(), s.metrics.Call)
	return newShedder(rules, s.verifier, s.calls, s.trail, exit)
}

// Whichever way a call is refused, its caller is told the same: a browser's takes the way
// of all calls.
func TestAnEarlyRefusalIsTheOneOfTheGate(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	listed(t, s.as("alice", "d2-gamers"))
	s.post(listTasks, token, []byte("{}"))
	defer fillLimiter(t, s.calls, gamers)()
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
					if !early.Refuses(r) {
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
		return early.Refuses(r)
	}
	as := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	if refuses(func(*http.Request) {}) {
		t.Error("refused where nothing is at work")
	}
	empty := fillLimiter(t, s.calls, gamers)
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
	limiterRests(t, s.calls)
}
