package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
	svix "github.com/svix/svix-webhooks/go"
)

// What the sandbox sends arrives at the server's address, and the server's own environment is enough to verify it.
func TestSandboxAndServerAreWiredTogether(t *testing.T) {
	t.Parallel()
	came := make(chan error, 2)
	env := map[string]string{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/webhooks/stripe" {
			_, err := webhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), env["STRIPE_WEBHOOK_SECRET"])
			came <- err
			return
		}
		if r.Method != http.MethodPost || r.URL.Path != "/webhooks/clerk" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		verifier, err := svix.NewWebhook(env["CLERK_WEBHOOK_SECRET"])
		if err != nil {
			t.Error(err)
			return
		}
		came <- verifier.Verify(body, r.Header)
	}))
	run := runCommand{Listen: server.Listener.Addr().String(), Admin: "127.0.0.1:1", Sandbox: freeAddress(t), AppURL: frontendAt}
	box, err := run.startSandbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.server.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(box.sandbox.Close)
	for _, variable := range run.environment(box.sandbox, "postgres://app") {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	server.Start()
	t.Cleanup(server.Close)

	ask := func(method, url, authorization, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", authorization)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d, %v", method, url, answer.StatusCode, err)
		}
	}
	ask(http.MethodGet, env["CLERK_API_URL"]+"/organizations/org_acme", "Bearer "+env["CLERK_SECRET_KEY"], "")
	ask(http.MethodGet, env["CLERK_ISSUER"]+"/.well-known/jwks.json", "", "")
	ask(http.MethodPatch, "http://"+run.Sandbox+"/sandbox/organizations/acme/members/frank", "", `{"role":"org:viewer"}`)
	ask(http.MethodGet, env["STRIPE_API_URL"]+"/v1/prices/"+env["STRIPE_SEAT_PRICE"], "Bearer "+env["STRIPE_SECRET_KEY"], "")
	ask(http.MethodPost, "http://"+run.Sandbox+"/sandbox/subscriptions/sub_d2gamers/dispute", "", "")
	for range 2 {
		select {
		case err := <-came:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(endWithin):
			t.Fatal("a webhook did not come")
		}
	}
	if env["APP_URL"] != "http://127.0.0.1:5173" || !strings.HasSuffix(env["STRIPE_API_URL"], "/stripe") {
		t.Errorf("environment = %v", env)
	}
}
