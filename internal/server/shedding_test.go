package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// early is what refuses before anything else, as newAPI makes it.
func early(t *testing.T, s *stacktest.Stack) *admission.Shedder {
	t.Helper()
	rules := rbac.Rules{stacktest.ListTasks: {Permission: 1}, stacktest.CreateTask: {Permission: 1}, stacktest.HealthCheck: {Public: true}}
	exit := fault.NewExit(s.Log.Logger(), s.Metrics.Call)
	return server.NewShedder(rules, s.Verifier, s.Calls, s.Trail, exit)
}

// Whichever way a call is refused, its caller is told the same: a browser's takes the way
// of all calls.
func TestAnEarlyRefusalIsTheOneOfTheGate(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	stacktest.Listed(t, s.As("alice", "d2-gamers"))
	s.Post(stacktest.ListTasks, token, []byte("{}"))
	defer stacktest.FillLimiter(t, s.Calls, stacktest.Gamers)()
	early := early(t, s)
	for _, contentType := range []string{
		"application/json", "application/proto", "application/grpc", "application/grpc+proto", "application/grpc+json",
		"application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json", "",
	} {
		for name, over := range map[string]http.RoundTripper{"HTTP/1.1": s.HTTP1, "HTTP/2": s.HTTP2} {
			if strings.HasPrefix(contentType, "application/grpc") && !strings.Contains(contentType, "web") && name == "HTTP/1.1" {
				continue
			}
			method, path := http.MethodPost, stacktest.CreateTask
			if contentType == "" {
				method, path = http.MethodGet, stacktest.Listing
			}
			var got [2]stacktest.Reply
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
					if path == stacktest.Listing {
						r.URL.Path = stacktest.ListTasks
					}
					if !early.Refuses(r) {
						t.Errorf("%s %q: not refused early", method, contentType)
					}
				}
				got[i] = s.Send(over, method, path, token, header, strings.NewReader(""))
				for _, varies := range []string{"Date", fault.RequestIDHeader, "Vary", "Content-Length", "Accept-Encoding", "Connect-Accept-Encoding", "Grpc-Accept-Encoding", "Grpc-Encoding", "Trailer"} {
					got[i].Header.Del(varies)
				}
			}
			s.Expect(t, contentType+" over "+name, got[0], stacktest.Overloaded)
			if diff := cmp.Diff(got[1].Header, got[0].Header); diff != "" || got[0].Status != got[1].Status || string(got[0].Body) != string(got[1].Body) {
				t.Errorf("%q over %s: status %d and %d, %q and %q; headers (-gate +early):\n%s", contentType, name, got[1].Status, got[0].Status, got[1].Body, got[0].Body, diff)
			}
			if diff := cmp.Diff(got[1].Trailer, got[0].Trailer); diff != "" {
				t.Errorf("%q over %s: trailers (-gate +early):\n%s", contentType, name, diff)
			}
		}
	}
	for _, p := range stacktest.Protocols {
		expectOverloaded(t, p.Name, getsTask(t.Context(), s, p))
	}
}

// Only a call that would be refused in any case is refused early, and only where it is
// known whose it is.
func TestOnlyWhatWouldBeRefusedAnywayIsRefusedEarly(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	early := early(t, s)
	known, other := s.Token("alice", "d2-gamers", 2), s.Token("erin", "acme", 2)
	for _, token := range []string{known, other} {
		s.Post(stacktest.ListTasks, token, []byte("{}"))
	}
	refuses := func(change func(*http.Request)) bool {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, stacktest.ListTasks, nil)
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
	empty := stacktest.FillLimiter(t, s.Calls, stacktest.Gamers)
	if !refuses(func(*http.Request) {}) {
		t.Error("not refused where the room of the tenant is full")
	}
	for name, change := range map[string]func(*http.Request){
		"another tenant":            as(other),
		"a token not seen before":   as(s.Token("bob", "d2-gamers", 2)),
		"no token":                  func(r *http.Request) { r.Header.Del("Authorization") },
		"two tokens":                func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+known) },
		"a broken token":            as(known + "x"),
		"a browser":                 func(r *http.Request) { r.Header.Set("Origin", "https://app.example.com") },
		"a method without a token":  func(r *http.Request) { r.URL.Path = stacktest.HealthCheck },
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
	stacktest.LimiterRests(t, s.Calls)
}
