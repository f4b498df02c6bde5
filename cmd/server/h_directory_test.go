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

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/sandbox"
)

// follower is a server as serve runs it, and a Clerk of its own whose events it gets.
type follower struct {
	t        *testing.T
	url      string
	box      string // origin of the sandbox
	sandbox  *sandbox.Sandbox
	database pgtest.Database
	log      *logged
	env      map[string]string
}

// prepareFollower makes one whose server is not started yet.
func prepareFollower(t *testing.T) *follower {
	t.Helper()
	f := &follower{t: t, database: pgtest.New(t), log: &logged{}}
	address := freeAddress(t)
	f.url = "http://" + address
	web := httptest.NewUnstartedServer(nil)
	f.box = "http://" + web.Listener.Addr().String()
	box, err := sandbox.New(sandbox.Options{
		BaseURL: f.box, WebhookURL: f.url + ClerkEventsPath, WebhookSecret: webhookSecret, RequestLimit: -1, StripeWebhookURL: f.url + StripeEventsPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = box.Handler()
	web.Start()
	t.Cleanup(web.Close)
	t.Cleanup(box.Close)
	f.sandbox = box
	f.env = usual(f.database.AppURL, box)
	f.env["LISTEN_ADDR"], f.env["ADMIN_ADDR"] = address, "127.0.0.1:0"
	f.control(http.MethodPost, "/sandbox/webhooks", `{"retry_ms": [50, 50, 100, 200, 400, 800, 1600]}`)
	return f
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (f *follower) start() {
	f.t.Helper()
	c, err := readConfig(lookupIn(f.env, nil))
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	c.LogTo = f.log
	go func() {
		s, err := Open(ctx, c)
		if err != nil {
			ended <- err
			return
		}
		defer s.Close()
		ended <- s.Run(ctx)
	}()
	f.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Errorf("serve: %v", err)
		}
	})
	f.until("the server is ready", func() bool {
		answer, err := http.Get(f.url + "/readyz")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

func (f *follower) until(what string, holds func() bool) {
	f.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			f.t.Fatalf("never: %s", what)
		}
	}
}

// control tells the sandbox to do something, and answers what it said.
func (f *follower) control(method, path, body string) string {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.box+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		f.t.Fatalf("%s %s: %d %s %v", method, path, answer.StatusCode, text, err)
	}
	return string(text)
}

// holding is a transport that sends a token along.
type holding string

func (h holding) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(h))
	return http.DefaultTransport.RoundTrip(r)
}
