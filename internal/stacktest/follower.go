package stacktest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/settings"
)

// Follower is a server as it runs in production, and a sandbox of its own whose events it gets.
type Follower struct {
	T        *testing.T
	URL      string
	Box      string // origin of the sandbox
	Sandbox  *sandbox.Sandbox
	Database pgtest.Database
	Log      *Log
	Env      map[string]string
}

// PrepareFollower returns one whose server is not started yet.
func PrepareFollower(t *testing.T) *Follower {
	t.Helper()
	f := &Follower{T: t, Database: pgtest.New(t), Log: &Log{}}
	address := FreeAddress(t)
	f.URL = "http://" + address
	web := httptest.NewUnstartedServer(nil)
	f.Box = "http://" + web.Listener.Addr().String()
	box, err := sandbox.New(sandbox.Options{
		BaseURL: f.Box, WebhookURL: f.URL + server.ClerkEventsPath, WebhookSecret: WebhookSecret, RequestLimit: -1, StripeWebhookURL: f.URL + server.StripeEventsPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = box.Handler()
	web.Start()
	t.Cleanup(web.Close)
	t.Cleanup(box.Close)
	f.Sandbox = box
	f.Env = Usual(f.Database.AppURL, box)
	f.Env["LISTEN_ADDR"], f.Env["ADMIN_ADDR"] = address, "127.0.0.1:0"
	f.Control(http.MethodPost, "/sandbox/webhooks", `{"retry_ms": [50, 50, 100, 200, 400, 800, 1600]}`)
	return f
}

// FreeAddress returns an address on which nothing listens.
func FreeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // nothing was accepted
	return l.Addr().String()
}

// Start starts the server and waits until it is ready.
func (f *Follower) Start() {
	f.T.Helper()
	c, err := settings.Read(LookupIn(f.Env, nil))
	if err != nil {
		f.T.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	c.LogTo = f.Log
	go func() {
		s, err := server.Open(ctx, c)
		if err != nil {
			ended <- err
			return
		}
		defer s.Close()
		ended <- s.Run(ctx)
	}()
	f.T.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.T.Errorf("serve: %v", err)
		}
	})
	f.Until("the server is ready", func() bool {
		request, err := http.NewRequestWithContext(f.T.Context(), http.MethodGet, f.URL+"/readyz", nil)
		if err != nil {
			f.T.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// Until waits for the thing.
func (f *Follower) Until(what string, holds func() bool) {
	f.T.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(Patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			f.T.Fatalf("never: %s", what)
		}
	}
}

// Control has the sandbox do something, and returns its response.
func (f *Follower) Control(method, path, body string) string {
	f.T.Helper()
	request, err := http.NewRequestWithContext(f.T.Context(), method, f.Box+path, strings.NewReader(body))
	if err != nil {
		f.T.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		f.T.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it has been read
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		f.T.Fatalf("%s %s: %d %s %v", method, path, answer.StatusCode, text, err)
	}
	return string(text)
}

// Holding is a transport that sends a token along.
type Holding string

// RoundTrip implements http.RoundTripper.
func (h Holding) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(h))
	return http.DefaultTransport.RoundTrip(r)
}
