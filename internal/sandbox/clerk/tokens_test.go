package clerk_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestBothKeySetsHoldTheOneKey(t *testing.T) {
	t.Parallel()
	s, url := sandboxtest.Serve(t, sandbox.Options{})
	public := sandboxtest.Send(t, http.MethodGet, url+"/clerk/.well-known/jwks.json", "")
	backend := sandboxtest.Send(t, http.MethodGet, url+"/clerk/v1/jwks", "Bearer "+s.SecretKey())
	if public.Body != backend.Body || public.Header.Get("Content-Type") != "application/json" {
		t.Errorf("key sets differ: %s %s", public.Body, backend.Body)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(public.Body), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("key set = %s (%v)", public.Body, err)
	}
	modulus, err := base64.RawURLEncoding.DecodeString(set.Keys[0]["n"])
	if err != nil || len(modulus) != 2048/8 {
		t.Errorf("modulus has %d bytes (%v), want 256", len(modulus), err)
	}
	delete(set.Keys[0], "n")
	want := map[string]string{"use": "sig", "kty": "RSA", "alg": "RS256", "e": "AQAB", "kid": s.KeyID()}
	if got := set.Keys[0]; !maps.Equal(got, want) {
		t.Errorf("key = %v, want %v", got, want)
	}
	if !strings.HasPrefix(s.KeyID(), "ins_") {
		t.Errorf("kid = %q, want ins_...", s.KeyID())
	}
	if got := s.JWKSFetches(); got != 2 {
		t.Errorf("fetches = %d, want 2", got)
	}
}

func TestRotatedKeyLeavesTheSet(t *testing.T) {
	t.Parallel()
	s, _ := sandboxtest.Serve(t, sandbox.Options{})
	oldKeys, oldID, oldPEM := sandboxtest.PublishedKeys(t.Context(), t, s), s.KeyID(), s.PublicKeyPEM()
	oldToken := sandboxtest.Token(t, s, sandbox.TokenRequest{User: "alice"})
	if err := s.RotateKey(); err != nil {
		t.Fatal(err)
	}
	newKeys := sandboxtest.PublishedKeys(t.Context(), t, s)
	newToken := sandboxtest.Token(t, s, sandbox.TokenRequest{User: "alice"})
	if len(newKeys) != 1 || newKeys[0].KeyID != s.KeyID() || s.KeyID() == oldID || s.PublicKeyPEM() == oldPEM {
		t.Fatalf("keys after rotation = %v, kid %s, before %s", newKeys, s.KeyID(), oldID)
	}
	for _, c := range []struct {
		name, token string
		key         *clerk.JSONWebKey
		valid       bool
	}{
		{"old token, old key", oldToken, oldKeys[0], true},
		{"new token, new key", newToken, newKeys[0], true},
		{"old token, new key", oldToken, newKeys[0], false},
		{"new token, old key", newToken, oldKeys[0], false},
	} {
		if _, err := sandboxtest.VerifyToken(t, s, c.token, c.key); (err == nil) != c.valid {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if got, _ := sandboxtest.TokenParts(t, newToken); got["kid"] != s.KeyID() {
		t.Errorf("kid of a new token = %v, want %s", got["kid"], s.KeyID())
	}
}

// A frontend in development signs in from its own origin, and many add headers of tracing.
func TestPagesOfAnyOriginMayAskForATokenAndForNothingElse(t *testing.T) {
	t.Parallel()
	_, base := sandboxtest.Serve(t, sandbox.Options{})
	for path, want := range map[string]string{
		"/sandbox/token?user=alice&org=d2-gamers": "*",
		"/sandbox/token?user=nobody":              "*", // the refusal can be read too
		"/sandbox/webhooks":                       "",
		"/clerk/v1/users":                         "",
	} {
		if got := sandboxtest.Send(t, http.MethodGet, base+path, "").Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: Access-Control-Allow-Origin = %q, want %q", path, got, want)
		}
	}
	preflight := sandboxtest.Send(t, http.MethodOptions, base+"/sandbox/token?user=alice", "")
	if preflight.Status != http.StatusNoContent || preflight.Header.Get("Access-Control-Allow-Headers") != "*" || preflight.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("preflight: %d %v", preflight.Status, preflight.Header)
	}
}
