package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// shown asks for an address as a browser does, without following where it leads.
func shown(t *testing.T, method, url string, header map[string]string) (status int, got http.Header, page string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(body)
}

// comesBack pays on the page whose session is given, and looks at what a browser is led
// to then; before that, at what it is led to by leaving the page.
func comesBack(t *testing.T, app, api, box, session string) {
	t.Helper()
	if _, _, page := shown(t, http.MethodGet, app+"/cancelled?a=1", nil); !strings.Contains(page, "/cancelled?a=1") || !strings.Contains(page, "<h1>You are back</h1>") {
		t.Errorf("at a path of no purchase:\n%s", page)
	}
	if _, _, page := shown(t, http.MethodGet, app+"/", nil); !strings.Contains(page, "<h1>Nothing was bought</h1>") {
		t.Errorf("after Back:\n%s", page)
	}
	paid, err := http.Post(box+"/sandbox/checkout/"+session+"/complete", "application/json", strings.NewReader(`{"outcome": "paid"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = paid.Body.Close()
	const bought = `<th scope="row">acme</th><td>active</td><td>3</td><td>0</td><td>3</td>`
	ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, header, page := shown(t, http.MethodGet, app+"/", nil)
		if strings.Contains(page, "<h1>The seats are paid</h1>") && strings.Contains(page, bought) {
			if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
				t.Errorf("Content-Security-Policy = %q", policy)
			}
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the page does not show what was bought:\n%s", page)
		}
	}
	if status, header, body := shown(t, http.MethodGet, api+"/", nil); status != http.StatusSeeOther || header.Get("Location") != app+"/" {
		t.Errorf("the root of the API: %d, Location %q, %s", status, header.Get("Location"), body)
	}
	for _, origin := range []string{app, frontendAt, frontendAtName} {
		_, header, _ := shown(t, http.MethodOptions, api+"/teamtask.v1.TaskService/ListTasks", map[string]string{
			"Origin": origin, "Access-Control-Request-Method": http.MethodPost, "Access-Control-Request-Headers": "authorization,content-type,sentry-trace",
		})
		if got := header.Get("Access-Control-Allow-Origin"); got != origin {
			t.Errorf("a page of %s may not call: Access-Control-Allow-Origin = %q", origin, got)
		}
		_, header, body := shown(t, http.MethodGet, box+"/sandbox/token?user=alice&org=d2-gamers", map[string]string{"Origin": origin})
		if got := header.Get("Access-Control-Allow-Origin"); got != "*" || strings.Count(body, ".") != 2 {
			t.Errorf("a page of %s has no token: Access-Control-Allow-Origin = %q, %s", origin, got, body)
		}
	}
}

// What a frontend has to be told comes from the environment, as it would for the server.
func TestTheFrontendsOriginComesFromTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		run  runCommand
		want string
	}{
		{runCommand{AppURL: frontendAt}, "http://127.0.0.1:5173,http://localhost:5173"},
		{runCommand{AppURL: "http://localhost:3000"}, "http://127.0.0.1:5173,http://localhost:5173,http://localhost:3000"},
		{runCommand{AppURL: frontendAt, CorsOrigins: "http://localhost:4000"}, "http://localhost:4000"},
	} {
		if got := c.run.origins(); got != c.want {
			t.Errorf("%+v: CORS_ORIGINS=%s, want %s", c.run, got, c.want)
		}
	}
}

// The page is where nothing else is, and on this machine alone.
func TestThePageLeavesAFrontendAlone(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, app := range []string{"http://" + taken.Addr().String(), "http://192.0.2.1:5173", "https://127.0.0.1:1", "http://app.example.com", "://"} {
		if _, serving := startPage(page{app: app}); serving {
			t.Errorf("%s: a page is served", app)
		}
	}
	stop, serving := startPage(page{app: "http://" + freeAddress(t)})
	if !serving {
		t.Fatal("no page is served where nothing is")
	}
	if err := stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// Without a server the page says so. What it shows of a request is text.
func TestThePageStandsWithoutAServer(t *testing.T) {
	t.Parallel()
	none := "http://" + freeAddress(t)
	p := page{app: frontendAt, api: none, box: none, client: http.DefaultClient}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x?<script>alert(1)</script>", nil))
	text := w.Body.String()
	if !strings.Contains(text, "<h1>You are back</h1>") || !strings.Contains(text, "it does not answer") || strings.Contains(text, "<script") {
		t.Errorf("%d\n%s", w.Code, text)
	}
	w = httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("a POST: %d", w.Code)
	}
}
