package clerk_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestUnknownAddressesAnswerJSON(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
	for _, c := range []struct {
		method, path, authorization string
		status                      int
		code                        string
	}{
		{"GET", "/domains", "Bearer " + b.SecretKey(), 404, "resource_not_found"},
		{"GET", "/organizations/org_acme/roles", "Bearer " + b.SecretKey(), 404, "resource_not_found"},
		{"PUT", "/users/user_bob", "Bearer " + b.SecretKey(), 405, "method_not_allowed"},
		{"GET", "/domains", "", 401, "authorization_header_format_invalid"},
		{"GET", "/users", "Bearer sk_test_other", 401, "clerk_key_invalid"},
		{"DELETE", "/users/user_bob", "", 401, "authorization_header_format_invalid"},
	} {
		a := sandboxtest.Send(t, c.method, b.URL+"/clerk/v1"+c.path, c.authorization)
		var body struct {
			Errors  []struct{ Code string }
			TraceID string `json:"clerk_trace_id"`
		}
		if err := json.Unmarshal([]byte(a.Body), &body); err != nil || a.Status != c.status || len(body.Errors) != 1 || body.Errors[0].Code != c.code || body.TraceID == "" {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, a.Status, a.Body, c.status, c.code)
		}
		if got := a.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s %s: Content-Type = %q", c.method, c.path, got)
		}
	}
}

func TestBackendKeySetNeedsTheSecretKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, secretKey, authorization, code string }{
		{"default key", "", "Bearer sk_test_sandbox", ""},
		{"own key", "sk_test_own", "Bearer sk_test_own", ""},
		{"default key beside an own one", "sk_test_own", "Bearer sk_test_sandbox", "clerk_key_invalid"},
		{"start of the key", "", "Bearer sk_test_sandbo", "clerk_key_invalid"},
		{"no header", "", "", "authorization_header_format_invalid"},
		{"no key", "", "Bearer ", "authorization_header_format_invalid"},
		{"no scheme", "", "sk_test_sandbox", "authorization_header_format_invalid"},
		{"other scheme", "", "Basic sk_test_sandbox", "authorization_header_format_invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, url := sandboxtest.Serve(t, sandbox.Options{SecretKey: c.secretKey})
			a := sandboxtest.Send(t, http.MethodGet, url+"/clerk/v1/jwks", c.authorization)
			if c.code == "" {
				if a.Status != http.StatusOK || s.JWKSFetches() != 1 {
					t.Errorf("status = %d, fetches = %d, want 200 and 1", a.Status, s.JWKSFetches())
				}
				return
			}
			var body struct {
				Errors []map[string]string `json:"errors"`
			}
			if err := json.Unmarshal([]byte(a.Body), &body); err != nil || len(body.Errors) != 1 {
				t.Fatalf("body = %s (%v)", a.Body, err)
			}
			e := body.Errors[0]
			if a.Status != http.StatusUnauthorized || e["code"] != c.code || e["message"] == "" || e["long_message"] == "" {
				t.Errorf("answer = %d %v, want 401 %s", a.Status, e, c.code)
			}
			if got := s.JWKSFetches(); got != 0 {
				t.Errorf("a refused request counted as %d fetches", got)
			}
		})
	}
}
