package sandbox_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestHealthz(t *testing.T) {
	t.Parallel()
	_, url := sandboxtest.Serve(t, sandbox.Options{})
	if a := sandboxtest.Send(t, http.MethodGet, url+"/healthz", ""); a.Status != http.StatusOK {
		t.Errorf("status = %d, want 200", a.Status)
	}
}

func TestAddressesAnswerOnlyReads(t *testing.T) {
	t.Parallel()
	s, url := sandboxtest.Serve(t, sandbox.Options{})
	for _, path := range []string{
		"/healthz", "/sandbox/token?user=alice", "/clerk/v1/jwks", "/clerk/.well-known/jwks.json",
	} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			if method == http.MethodOptions && strings.HasPrefix(path, "/sandbox/token") {
				continue // a browser asks whether a page of another origin may
			}
			if a := sandboxtest.Send(t, method, url+path, "Bearer "+s.SecretKey()); a.Status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: status = %d, want 405", method, path, a.Status)
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

func TestUseByManyAtOnce(t *testing.T) {
	t.Parallel()
	s, url := sandboxtest.Serve(t, sandbox.Options{})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 5 {
				if _, err := s.Token(sandbox.TokenRequest{User: "alice", Org: "acme"}); err == nil {
					t.Error("alice has a token for acme")
				}
				sandboxtest.Send(t, http.MethodGet, url+"/sandbox/token?user=alice&org=d2-gamers", "")
				sandboxtest.Send(t, http.MethodGet, url+"/clerk/.well-known/jwks.json", "")
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
