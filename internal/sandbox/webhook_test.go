package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestSecretsAndAddressesOfWebhooksAreChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, secret string
		valid       bool
	}{
		{"", "", true},
		{"http://127.0.0.1:8080/webhooks/clerk", "", true},
		{"http://127.0.0.1:8080/webhooks/clerk", sandboxtest.Secret, true},
		{"127.0.0.1:8080", sandboxtest.Secret, false},
		{"ftp://127.0.0.1", sandboxtest.Secret, false},
		{"http://127.0.0.1", "c2VjcmV0", false},
		{"http://127.0.0.1", "whsec_", false},
		{"http://127.0.0.1", "whsec_%", false},
		{"", "secret", false},
	} {
		s, err := sandbox.New(sandbox.Options{BaseURL: "http://clerk.test", WebhookURL: c.url, WebhookSecret: c.secret})
		if (err == nil) != c.valid {
			t.Errorf("New with %q %q: %v", c.url, c.secret, err)
		}
		if err == nil && !strings.HasPrefix(s.WebhookSecret(), "whsec_") {
			t.Errorf("secret = %q", s.WebhookSecret())
		}
	}
}

func TestSecretsOfWebhooksAreChecked(t *testing.T) {
	t.Parallel()
	for secret, valid := range map[string]bool{
		"":                                 true,
		"whsec_0123456789abcdef":           true,
		"whsec_short":                      false,
		"0123456789abcdef0123456789abcdef": false,
	} {
		s, err := sandbox.New(sandbox.Options{BaseURL: "http://127.0.0.1:1", StripeWebhookSecret: secret})
		if (err == nil) != valid {
			t.Errorf("%q: %v", secret, err)
		}
		if err == nil && len(s.StripeWebhookSecret()) < 22 {
			t.Errorf("%q: %q", secret, s.StripeWebhookSecret())
		}
	}
	if _, err := sandbox.New(sandbox.Options{BaseURL: "http://127.0.0.1:1", StripeWebhookURL: "127.0.0.1:8080"}); err == nil {
		t.Error("an address without a scheme was taken")
	}
}

func TestTheReportNamesTheAddresses(t *testing.T) {
	t.Parallel()
	o := sandbox.Options{WebhookURL: "http://127.0.0.1:1/clerk", StripeWebhookURL: "http://127.0.0.1:1/stripe"}
	_, at := sandboxtest.Serve(t, o)
	for _, a := range []sandboxtest.Response{
		sandboxtest.Send(t, http.MethodGet, at+"/sandbox/webhooks", ""),
		sandboxtest.Call(t, http.MethodPost, at+"/sandbox/webhooks", `{}`, http.StatusOK),
	} {
		var report struct {
			URL       string
			StripeURL string `json:"stripe_url"`
		}
		if err := json.Unmarshal([]byte(a.Body), &report); err != nil || report.URL != o.WebhookURL || report.StripeURL != o.StripeWebhookURL {
			t.Errorf("%s: %v", a.Body, err)
		}
	}
}
