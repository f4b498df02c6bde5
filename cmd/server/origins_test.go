package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const app = "https://app.example.com"

func TestOnlyTheConfiguredOriginsAreAnsweredAcrossOrigins(t *testing.T) {
	t.Parallel()
	s := newStack(t, map[string]string{"CORS_ORIGINS": app + ", http://localhost:5173"})
	token := s.token("alice", "d2-gamers", 2)
	for origin, allowed := range map[string]bool{
		app:                                  true,
		"http://localhost:5173":              true,
		"http://app.example.com":             false,
		"https://app.example.com:443":        false,
		"https://app.example.com:8443":       false,
		"https://APP.example.com":            false,
		"https://app.example.com/":           false,
		"https://app.example.com.":           false,
		"https://app.example.com.evil.test":  false,
		"https://evil-app.example.com":       false,
		"https://sub.app.example.com":        false,
		"https://example.com":                false,
		"https://user@app.example.com":       false,
		"https://evil.test":                  false,
		"https://evil.test?" + app:           false,
		"http://localhost:5174":              false,
		"http://localhost":                   false,
		"null":                               false,
		"*":                                  false,
		app + " ":                            true, // white space around a header's value is none of it
		app + ", https://evil.test":          false,
		"https://app.example.com\thttps://e": false,
	} {
		plain := s.post(listTasks, token, []byte("{}"), map[string]string{"Origin": origin})
		preflight := s.send(s.http1, http.MethodOptions, createTask, "", map[string]string{
			"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,connect-protocol-version,content-type",
		}, nil)
		want := ""
		if allowed {
			want = strings.TrimSpace(origin)
		}
		for kind, answer := range map[string]reply{"plain": plain, "preflight": preflight} {
			if got := answer.header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %q: Access-Control-Allow-Origin = %q, want %q", kind, origin, got, want)
			}
			if got := answer.header.Get("Access-Control-Allow-Credentials"); got != "" {
				t.Errorf("%s from %q: Access-Control-Allow-Credentials = %q, want none", kind, origin, got)
			}
			if !slices.Contains(answer.header.Values("Vary"), "Origin") && !strings.Contains(answer.header.Get("Vary"), "Origin") {
				t.Errorf("%s from %q: Vary = %q, want Origin in it", kind, origin, answer.header.Values("Vary"))
			}
		}
	}
}

func TestWithoutConfiguredOriginsNoneIsAnswered(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for _, origin := range []string{app, "null", s.url} {
		answer := s.post(listTasks, s.token("alice", "d2-gamers", 2), []byte("{}"), map[string]string{"Origin": origin})
		if got := answer.header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("from %q: Access-Control-Allow-Origin = %q, want none", origin, got)
		}
	}
}

// A browser's client must be able to send what the protocols need and to read what they
// answer, also when the answer is a refusal.
func TestABrowserMaySendAndReadWhatTheProtocolsNeed(t *testing.T) {
	t.Parallel()
	s := newStack(t, map[string]string{"CORS_ORIGINS": app})
	for _, header := range []string{
		"authorization", "content-type", "connect-protocol-version", "connect-timeout-ms", "grpc-timeout", "x-grpc-web", "x-user-agent",
	} {
		preflight := s.send(s.http1, http.MethodOptions, createTask, "", map[string]string{
			"Origin": app, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": header,
		}, nil)
		if got := preflight.header.Get("Access-Control-Allow-Headers"); !strings.Contains(strings.ToLower(got), header) {
			t.Errorf("%s is not allowed: %q", header, got)
		}
		if preflight.status != http.StatusNoContent || preflight.header.Get("Access-Control-Max-Age") != "7200" {
			t.Errorf("status %d, Access-Control-Max-Age %q", preflight.status, preflight.header.Get("Access-Control-Max-Age"))
		}
	}
	for method, allowed := range map[string]bool{"GET": true, "POST": true, "PUT": false, "DELETE": false, "PATCH": false} {
		preflight := s.send(s.http1, http.MethodOptions, getTask, "", map[string]string{"Origin": app, "Access-Control-Request-Method": method}, nil)
		if got := preflight.header.Get("Access-Control-Allow-Methods") != ""; got != allowed {
			t.Errorf("%s is allowed = %v, want %v", method, got, allowed)
		}
	}
	for name, answer := range map[string]reply{
		"an answer":     s.post(listTasks, s.token("alice", "d2-gamers", 2), []byte("{}"), map[string]string{"Origin": app}),
		"a refusal":     s.post(listTasks, "", []byte("{}"), map[string]string{"Origin": app}),
		"a bad request": s.post(listTasks, s.token("alice", "d2-gamers", 2), []byte("{"), map[string]string{"Origin": app}),
		"a large one":   s.post(createTask, s.token("alice", "d2-gamers", 2), padded(bodyMax+1), map[string]string{"Origin": app}),
		"not found":     s.post("/nothing", "", []byte("{"), map[string]string{"Origin": app}),
	} {
		exposed := strings.ToLower(strings.Join(answer.header.Values("Access-Control-Expose-Headers"), ","))
		for _, header := range []string{"x-request-id", "grpc-status", "grpc-message", "grpc-status-details-bin"} {
			if !strings.Contains(exposed, header) {
				t.Errorf("%s: %s is not exposed: %q", name, header, exposed)
			}
		}
		if answer.header.Get("Access-Control-Allow-Origin") != app {
			t.Errorf("%s cannot be read by the page that asked", name)
		}
	}
}
