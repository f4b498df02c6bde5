package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// emptyAccount is a Stripe account that has nothing at first and keeps what is made in
// it.
type emptyAccount struct {
	mu      sync.Mutex
	objects map[string][]map[string]any
	keys    []string // authorization of each request
}

func (a *emptyAccount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = append(a.keys, r.Header.Get("Authorization"))
	answer := func(o any) { json.NewEncoder(w).Encode(o) }
	list := a.objects[r.URL.Path]
	switch {
	case r.Method == http.MethodPost:
		r.ParseForm()
		id := fmt.Sprintf("%s_%d", r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], len(list)+1)
		o := map[string]any{
			"id": id, "active": true, "url": r.Form.Get("url"), "api_version": r.Form.Get("api_version"), "status": "enabled", "enabled_events": []string{"*"},
			"metadata": map[string]string{
				"teamtask": r.Form.Get("metadata[teamtask]"), "teamtask_price": r.Form.Get("metadata[teamtask_price]"), "teamtask_prices": r.Form.Get("metadata[teamtask_prices]"),
			},
			"currency": "eur", "unit_amount": 1000, "product": r.Form.Get("product"), "billing_scheme": "per_unit",
			"recurring": map[string]any{"interval": "month", "interval_count": 1, "usage_type": "licensed"},
		}
		if strings.HasSuffix(r.URL.Path, "configurations") {
			o["features"] = map[string]any{"subscription_update": map[string]any{
				"enabled": true, "proration_behavior": r.Form.Get("features[subscription_update][proration_behavior]"),
				"default_allowed_updates": []string{"quantity"}, "products": []any{map[string]any{
					"product": r.Form.Get("features[subscription_update][products][0][product]"),
					"prices":  []string{r.Form.Get("features[subscription_update][products][0][prices][0]")},
				}},
			}}
		}
		a.objects[r.URL.Path] = append(list, o)
		if strings.HasSuffix(r.URL.Path, "endpoints") {
			o["secret"] = "whsec_toldonce"
			answer(o)
			delete(o, "secret")
			return
		}
		answer(o)
	case r.URL.Query().Has("limit"):
		if list == nil {
			list = []map[string]any{}
		}
		answer(map[string]any{"object": "list", "data": list, "has_more": false})
	default:
		parent := r.URL.Path[:strings.LastIndex(r.URL.Path, "/")]
		for _, o := range a.objects[parent] {
			if parent+"/"+o["id"].(string) == r.URL.Path {
				answer(o)
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
		answer(map[string]any{"error": map[string]any{"type": "invalid_request_error", "code": "resource_missing", "param": "id"}})
	}
}

func TestSetupStripePrintsTheVariablesToSet(t *testing.T) {
	t.Parallel()
	account := &emptyAccount{objects: map[string][]map[string]any{}}
	server := httptest.NewServer(account)
	defer server.Close()
	run := func(c setupStripeCommand, more ...string) string {
		t.Helper()
		set := map[string]string{"STRIPE_SECRET_KEY": "sk_test_canary", "STRIPE_API_URL": server.URL + "/v1"}
		for i := 0; i+1 < len(more); i += 2 {
			set[more[i]] = more[i+1]
		}
		var out bytes.Buffer
		err := c.run(t.Context(), func(name string) (string, bool) { value, ok := set[name]; return value, ok }, &out)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "sk_test_canary") {
			t.Errorf("the secret key is printed:\n%s", out.String())
		}
		return out.String()
	}
	has := func(out string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(out, part) {
				t.Errorf("%q is not in\n%s", part, out)
			}
		}
	}
	hooked := setupStripeCommand{WebhookURL: "https://api.test/webhooks/stripe"}
	has(run(setupStripeCommand{}), "\nSTRIPE_SEAT_PRICE=prices_1\n", "--webhook-url", "price prices_1: made, 10.00 EUR for a seat every month")
	has(run(hooked), "\nSTRIPE_SEAT_PRICE=prices_1\nSTRIPE_WEBHOOK_SECRET=whsec_toldonce\n", "price prices_1: found", "webhook endpoint webhook_endpoints_1: made")
	out := run(hooked)
	has(out, "\nSTRIPE_SEAT_PRICE=prices_1\n", "the signing secret of webhook_endpoints_1", "webhook endpoint webhook_endpoints_1: found")
	if strings.Contains(out, "whsec_") || strings.Contains(out, "made") {
		t.Errorf("the third time:\n%s", out)
	}
	for path, all := range account.objects {
		if len(all) != 1 {
			t.Errorf("%d of %s", len(all), path)
		}
	}
	for _, key := range account.keys {
		if key != "Bearer sk_test_canary" {
			t.Errorf("asked as %q", key)
		}
	}
}

func TestSetupStripeSaysWhatIsWrongBeforeItAsks(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s", r.Method, r.URL) }))
	defer server.Close()
	for name, c := range map[string]struct {
		command setupStripeCommand
		set     map[string]string
	}{
		"STRIPE_SECRET_KEY": {setupStripeCommand{}, map[string]string{}},
		"STRIPE_API_URL":    {setupStripeCommand{}, map[string]string{"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_API_URL": "stripe"}},
		"STRIPE_SEAT_PRICE": {setupStripeCommand{}, map[string]string{"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_SEAT_PRICE": "prod_1"}},
		"--webhook-url":     {setupStripeCommand{WebhookURL: "api.test/webhooks"}, nil},
		"--amount":          {setupStripeCommand{Amount: new(int64(-1))}, nil},
		"--amount: ":        {setupStripeCommand{Amount: new(int64(0))}, nil},
		"--currency":        {setupStripeCommand{Currency: "euro"}, nil},
		"--interval":        {setupStripeCommand{Interval: "fortnight"}, nil},
	} {
		set := c.set
		if set == nil {
			set = map[string]string{"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_API_URL": server.URL}
		}
		var out bytes.Buffer
		err := c.command.run(context.Background(), func(name string) (string, bool) { value, ok := set[name]; return value, ok }, &out)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "sk_test_x") || out.Len() > 0 {
			t.Errorf("%s: got %v and %q", name, err, out.String())
		}
	}
}

// Stripe's library starts `uname` for a header of the requests that it sends. We send
// our own: a program would inherit the secrets of the environment.
func TestSetupStripeStartsNoProgram(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&emptyAccount{objects: map[string][]map[string]any{}})
	defer server.Close()
	folder := t.TempDir()
	mark := filepath.Join(folder, "started")
	if err := os.WriteFile(filepath.Join(folder, "uname"), []byte("#!/bin/sh\n: >'"+mark+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + folder, "STRIPE_SECRET_KEY=sk_test_canary", "STRIPE_API_URL=" + server.URL}
	code, stdout, stderr := stacktest.Build(t).Run(t, env, "setup", "stripe", "--webhook-url", "https://api.test/webhooks/stripe", "--amount", "1000")
	if code != 0 || stderr != "" || !strings.Contains(stdout, "\nSTRIPE_SEAT_PRICE=prices_1\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("uname was started")
	}
}
