package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestHealthz(t *testing.T) {
	t.Parallel()
	_, url := serve(t, sandbox.Options{})
	if a := send(t, http.MethodGet, url+"/healthz", ""); a.status != http.StatusOK {
		t.Errorf("status = %d, want 200", a.status)
	}
}

func TestAddressesAnswerOnlyReads(t *testing.T) {
	t.Parallel()
	s, url := serve(t, sandbox.Options{})
	for _, path := range []string{
		"/healthz", "/sandbox/token?user=alice", "/clerk/v1/jwks", "/clerk/.well-known/jwks.json",
	} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			if method == http.MethodOptions && strings.HasPrefix(path, "/sandbox/token") {
				continue // a browser asks whether a page of another origin may
			}
			if a := send(t, method, url+path, "Bearer "+s.SecretKey()); a.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: status = %d, want 405", method, path, a.status)
			}
		}
	}
}

func TestBaseURLIsAnOrigin(t *testing.T) {
	t.Parallel()
	for base, valid := range map[string]bool{
		"http://127.0.0.1:8090":      true,
		"https://sandbox.test":       true,
		"http://[::1]:8090":          true,
		"":                           false,
		"127.0.0.1:8090":             false,
		"http://":                    false,
		"http://:8090":               false,
		"http://127.0.0.1:8090/":     false,
		"http://127.0.0.1:8090/base": false,
		"http://127.0.0.1:8090?a=b":  false,
		"http://a@127.0.0.1:8090":    false,
		"ftp://127.0.0.1:8090":       false,
		"http://127.0.0.1:port":      false,
	} {
		if _, err := sandbox.New(sandbox.Options{BaseURL: base}); (err == nil) != valid {
			t.Errorf("New with BaseURL %q: %v", base, err)
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
			s, url := serve(t, sandbox.Options{SecretKey: c.secretKey})
			a := send(t, http.MethodGet, url+"/clerk/v1/jwks", c.authorization)
			if c.code == "" {
				if a.status != http.StatusOK || s.JWKSFetches() != 1 {
					t.Errorf("status = %d, fetches = %d, want 200 and 1", a.status, s.JWKSFetches())
				}
				return
			}
			var body struct {
				Errors []map[string]string `json:"errors"`
			}
			if err := json.Unmarshal([]byte(a.body), &body); err != nil || len(body.Errors) != 1 {
				t.Fatalf("body = %s (%v)", a.body, err)
			}
			e := body.Errors[0]
			if a.status != http.StatusUnauthorized || e["code"] != c.code || e["message"] == "" || e["long_message"] == "" {
				t.Errorf("answer = %d %v, want 401 %s", a.status, e, c.code)
			}
			if got := s.JWKSFetches(); got != 0 {
				t.Errorf("a refused request counted as %d fetches", got)
			}
		})
	}
}

func TestUseByManyAtOnce(t *testing.T) {
	t.Parallel()
	s, url := serve(t, sandbox.Options{})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 5 {
				if _, err := s.Token(sandbox.TokenRequest{User: "alice", Org: "acme"}); err == nil {
					t.Error("alice has a token for acme")
				}
				send(t, http.MethodGet, url+"/sandbox/token?user=alice&org=d2-gamers", "")
				send(t, http.MethodGet, url+"/clerk/.well-known/jwks.json", "")
				_, _, _ = s.KeyID(), s.PublicKeyPEM(), s.JWKSFetches()
			}
		})
	}
	wait.Go(func() {
		if err := s.RotateKey(); err != nil {
			t.Error(err)
		}
	})
	wait.Wait()
	if got := s.JWKSFetches(); got != 20 {
		t.Errorf("fetches = %d, want 20", got)
	}
}
