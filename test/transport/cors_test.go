package transport

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

const app = "https://app.example.com"

func TestOnlyTheConfiguredOriginsAreAnsweredAcrossOrigins(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"CORS_ORIGINS": app + ", http://localhost:5173"})
	token := s.Token("alice", "d2-gamers", 2)
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
		plain := s.Post(stacktest.ListTasks, token, []byte("{}"), map[string]string{"Origin": origin})
		preflight := s.Send(s.HTTP1, http.MethodOptions, stacktest.CreateTask, "", map[string]string{
			"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,connect-protocol-version,content-type",
		}, nil)
		want := ""
		if allowed {
			want = strings.TrimSpace(origin)
		}
		for kind, answer := range map[string]stacktest.Reply{"plain": plain, "preflight": preflight} {
			if got := answer.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %q: Access-Control-Allow-Origin = %q, want %q", kind, origin, got, want)
			}
			if got := answer.Header.Get("Access-Control-Allow-Credentials"); got != "" {
				t.Errorf("%s from %q: Access-Control-Allow-Credentials = %q, want none", kind, origin, got)
			}
			if !slices.Contains(answer.Header.Values("Vary"), "Origin") && !strings.Contains(answer.Header.Get("Vary"), "Origin") {
				t.Errorf("%s from %q: Vary = %q, want Origin in it", kind, origin, answer.Header.Values("Vary"))
			}
		}
	}
}

func TestWithoutConfiguredOriginsNoneIsAnswered(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	for _, origin := range []string{app, "null", s.URL} {
		answer := s.Post(stacktest.ListTasks, s.Token("alice", "d2-gamers", 2), []byte("{}"), map[string]string{"Origin": origin})
		if got := answer.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("from %q: Access-Control-Allow-Origin = %q, want none", origin, got)
		}
	}
}

// A browser's client must be able to send what the protocols need and to read what they
// answer, also when the answer is a refusal.
func TestABrowserMaySendAndReadWhatTheProtocolsNeed(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"CORS_ORIGINS": app})
	for _, header := range []string{
		"authorization", "content-type", "connect-protocol-version", "connect-timeout-ms", "grpc-timeout", "x-grpc-web", "x-user-agent",
	} {
		preflight := preflight(s, http.MethodPost, stacktest.CreateTask, header)
		if got := preflight.Header.Get("Access-Control-Allow-Headers"); got != header {
			t.Errorf("%s is not allowed: %q", header, got)
		}
		if preflight.Status != http.StatusNoContent || preflight.Header.Get("Access-Control-Max-Age") != "7200" {
			t.Errorf("status %d, Access-Control-Max-Age %q", preflight.Status, preflight.Header.Get("Access-Control-Max-Age"))
		}
	}
	for method, allowed := range map[string]bool{"GET": true, "POST": true, "PUT": false, "DELETE": false, "PATCH": false} {
		preflight := s.Send(s.HTTP1, http.MethodOptions, stacktest.GetTask, "", map[string]string{"Origin": app, "Access-Control-Request-Method": method}, nil)
		if got := preflight.Header.Get("Access-Control-Allow-Methods") != ""; got != allowed {
			t.Errorf("%s is allowed = %v, want %v", method, got, allowed)
		}
	}
	for name, answer := range map[string]stacktest.Reply{
		"an answer":     s.Post(stacktest.ListTasks, s.Token("alice", "d2-gamers", 2), []byte("{}"), map[string]string{"Origin": app}),
		"a refusal":     s.Post(stacktest.ListTasks, "", []byte("{}"), map[string]string{"Origin": app}),
		"a bad request": s.Post(stacktest.ListTasks, s.Token("alice", "d2-gamers", 2), []byte("{"), map[string]string{"Origin": app}),
		"a large one":   s.Post(stacktest.CreateTask, s.Token("alice", "d2-gamers", 2), stacktest.Padded(stacktest.WireLimit+1), map[string]string{"Origin": app}),
		"not found":     s.Post("/nothing", "", []byte("{"), map[string]string{"Origin": app}),
	} {
		exposed := strings.ToLower(strings.Join(answer.Header.Values("Access-Control-Expose-Headers"), ","))
		for _, header := range []string{"x-request-id", "grpc-status", "grpc-message", "grpc-status-details-bin"} {
			if !strings.Contains(exposed, header) {
				t.Errorf("%s: %s is not exposed: %q", name, header, exposed)
			}
		}
		if answer.Header.Get("Access-Control-Allow-Origin") != app {
			t.Errorf("%s cannot be read by the page that asked", name)
		}
	}
}

// preflight is what a browser asks before it lets a page of app call, with headers in the
// form that browsers send: in lower case, sorted, without white space.
func preflight(s *stacktest.Stack, method, path, headers string) stacktest.Reply {
	s.T.Helper()
	return s.Send(s.HTTP1, http.MethodOptions, path, "", map[string]string{
		"Origin": app, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers,
	}, nil)
}

// What a page sends along with a call when its maker has put in one of these tools.
var traced = map[string]string{
	"OpenTelemetry":        "authorization,baggage,content-type,traceparent,tracestate",
	"Sentry":               "authorization,baggage,content-type,sentry-trace",
	"Zipkin":               "authorization,content-type,x-b3-flags,x-b3-parentspanid,x-b3-sampled,x-b3-spanid,x-b3-traceid",
	"Zipkin in one header": "authorization,b3,content-type",
	"Datadog":              "authorization,content-type,traceparent,tracestate,x-datadog-origin,x-datadog-parent-id,x-datadog-sampling-priority,x-datadog-trace-id",
	"Datadog's tags":       "authorization,content-type,x-datadog-tags",
	"New Relic":            "authorization,content-type,newrelic,traceparent,tracestate",
	"Google Cloud":         "authorization,content-type,x-cloud-trace-context",
	"AWS":                  "authorization,content-type,x-amzn-trace-id",
	"Application Insights": "authorization,content-type,request-context,request-id,traceparent",
	"Elastic":              "authorization,content-type,elastic-apm-traceparent,traceparent,tracestate",
	"Jaeger":               "authorization,content-type,uber-trace-id",
	"Dynatrace":            "authorization,content-type,x-dtc,x-dtpc",
	"Instana":              "authorization,content-type,x-instana-l,x-instana-s,x-instana-t",
	"ids of its own":       "authorization,content-type,correlation-context,x-correlation-id,x-request-id",
}

// A browser does not send a call of which one header is not allowed.
func TestABrowserMaySendTracingHeaders(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"CORS_ORIGINS": app, "CORS_HEADERS": "X-Team-Version, x-feature_flag"})
	usual := "connect-protocol-version,content-type"
	for tool, headers := range traced {
		for method, path := range map[string]string{http.MethodPost: stacktest.CreateTask, http.MethodGet: stacktest.GetTask} {
			answer := preflight(s, method, path, headers)
			if got := answer.Header.Get("Access-Control-Allow-Headers"); got != headers || answer.Status != http.StatusNoContent {
				t.Errorf("%s, %s: status %d, Access-Control-Allow-Headers %q, want %q", tool, method, answer.Status, got, headers)
			}
			if got := answer.Header.Get("Access-Control-Allow-Methods"); got != method {
				t.Errorf("%s: Access-Control-Allow-Methods = %q, want %q", tool, got, method)
			}
			vary := strings.Join(answer.Header.Values("Vary"), ", ")
			for _, name := range []string{"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"} {
				if !strings.Contains(vary, name) {
					t.Errorf("%s: Vary = %q, want %s in it", tool, vary, name)
				}
			}
			if got := answer.Header.Get("Access-Control-Allow-Credentials"); got != "" {
				t.Errorf("%s: Access-Control-Allow-Credentials = %q, want none", tool, got)
			}
		}
	}
	for headers, allowed := range map[string]bool{
		usual: true, usual + ",x-team-version": true, usual + ",x-feature_flag": true,
		usual + ",x-team": false, usual + ",x-other": false, "cookie": false, "*": false,
	} {
		want := ""
		if allowed {
			want = headers
		}
		if got := preflight(s, http.MethodPost, stacktest.CreateTask, headers).Header.Get("Access-Control-Allow-Headers"); got != want {
			t.Errorf("%s: Access-Control-Allow-Headers = %q, want %q", headers, got, want)
		}
	}
	for headers, want := range map[string]string{
		"traceparent,baggage,Content-Type": "baggage,content-type,traceparent", "\tX-Team-Version ,, baggage,baggage": "baggage,x-team-version",
		"traceparent,x-other": "",
	} {
		if got := preflight(s, http.MethodPost, stacktest.CreateTask, headers).Header.Get("Access-Control-Allow-Headers"); got != want {
			t.Errorf("%q, in any order: Access-Control-Allow-Headers = %q, want %q", headers, got, want)
		}
	}
	// They change nothing of a call, and none of them becomes the id of ours.
	answer := s.Post(stacktest.ListTasks, s.Token("alice", "d2-gamers", 2), []byte("{}"), map[string]string{
		"Origin": app, "Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "X-Request-Id": "theirs", "B3": "0", "X-Datadog-Trace-Id": "1",
	})
	if answer.Status != http.StatusOK || answer.ID() == "theirs" || answer.Header.Get("Access-Control-Allow-Origin") != app {
		t.Errorf("%d %v", answer.Status, answer.Header)
	}
}

// A program that asks for the root is answered as for everything that is not there.
func TestABrowserAtTheRootIsLedToTheFrontend(t *testing.T) {
	t.Parallel()
	const browsers = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	s := stacktest.NewPaying(t, map[string]string{"APP_URL": app})
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		answer := s.Send(s.HTTP1, method, "/", "", map[string]string{"Accept": browsers}, nil)
		if answer.Status != http.StatusSeeOther || answer.Header.Get("Location") != app+"/" || len(answer.Body) != 0 {
			t.Errorf("%s: %d, Location %q, %s", method, answer.Status, answer.Header.Get("Location"), answer.Body)
		}
	}
	for name, got := range map[string]stacktest.Reply{
		"a program":          s.Send(s.HTTP1, http.MethodGet, "/", "", map[string]string{"Accept": "*/*"}, nil),
		"another path":       s.Send(s.HTTP1, http.MethodGet, "/billing", "", map[string]string{"Accept": browsers}, nil),
		"without a frontend": stacktest.New(t, nil).Send(s.HTTP1, http.MethodGet, "/", "", map[string]string{"Accept": browsers}, nil),
	} {
		if got.Status != http.StatusNotFound || got.Header.Get("Location") != "" {
			t.Errorf("%s: %d, Location %q", name, got.Status, got.Header.Get("Location"))
		}
		s.Expect(t, name, got, stacktest.NoMethod)
	}
}
