package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestBothKeySetsHoldTheOneKey(t *testing.T) {
	t.Parallel()
	s, url := serve(t, sandbox.Options{})
	public := send(t, http.MethodGet, url+"/clerk/.well-known/jwks.json", "")
	backend := send(t, http.MethodGet, url+"/clerk/v1/jwks", "Bearer "+s.SecretKey())
	if public.body != backend.body || public.header.Get("Content-Type") != "application/json" {
		t.Errorf("key sets differ: %s %s", public.body, backend.body)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(public.body), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("key set = %s (%v)", public.body, err)
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

func TestPEMVerifiesTokens(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, sandbox.Options{})
	key, err := clerk.JSONWebKeyFromPEM(s.PublicKeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, s, token(t, s, sandbox.TokenRequest{User: "alice"}), key); err != nil {
		t.Error(err)
	}
	if got := s.JWKSFetches(); got != 0 {
		t.Errorf("fetches = %d, want 0", got)
	}
}

func TestRotatedKeyLeavesTheSet(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, sandbox.Options{})
	oldKeys, oldID, oldPEM := publishedKeys(t.Context(), t, s), s.KeyID(), s.PublicKeyPEM()
	oldToken := token(t, s, sandbox.TokenRequest{User: "alice"})
	if err := s.RotateKey(); err != nil {
		t.Fatal(err)
	}
	newKeys := publishedKeys(t.Context(), t, s)
	newToken := token(t, s, sandbox.TokenRequest{User: "alice"})
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
		if _, err := verify(t, s, c.token, c.key); (err == nil) != c.valid {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if got, _ := parts(t, newToken); got["kid"] != s.KeyID() {
		t.Errorf("kid of a new token = %v, want %s", got["kid"], s.KeyID())
	}
}

func TestSignTakesAnyHeaderButTheAlgorithm(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, sandbox.Options{})
	usual := map[string]any{"alg": "RS256", "kid": s.KeyID(), "typ": "JWT", "cat": "cl_B7d4PD111AAA"}
	for _, c := range []struct {
		name   string
		header map[string]any
		want   map[string]any // nil: refused
	}{
		{"nil", nil, usual},
		{"empty", map[string]any{}, usual},
		{
			"all replaced", map[string]any{"alg": "RS256", "kid": "ins_other", "typ": "at+jwt", "cat": "cl_B7d4PD333AAA"},
			map[string]any{"alg": "RS256", "kid": "ins_other", "typ": "at+jwt", "cat": "cl_B7d4PD333AAA"},
		},
		{"all left out", map[string]any{"kid": nil, "typ": nil, "cat": nil}, map[string]any{"alg": "RS256"}},
		{
			"one added", map[string]any{"oiat": 7.0, "typ": nil},
			map[string]any{"alg": "RS256", "kid": s.KeyID(), "cat": "cl_B7d4PD111AAA", "oiat": 7.0},
		},
		{"other algorithm", map[string]any{"alg": "none"}, nil},
		{"no algorithm", map[string]any{"alg": nil}, nil},
		{"not JSON", map[string]any{"x": func() {}}, nil},
	} {
		signed, err := s.Sign(c.header, map[string]any{"sub": "user_alice"})
		if c.want == nil {
			if err == nil {
				t.Errorf("%s: signed", c.name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		header, claims := parts(t, signed)
		if !reflect.DeepEqual(header, c.want) || !reflect.DeepEqual(claims, map[string]any{"sub": "user_alice"}) {
			t.Errorf("%s: header = %v, want %v; claims = %v", c.name, header, c.want, claims)
		}
	}
	if _, err := s.Sign(nil, map[string]any{"x": func() {}}); err == nil {
		t.Error("claims that are not JSON: signed")
	}
}

func TestBentClaimsAreSignedAsGiven(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, sandbox.Options{})
	claims, err := s.Claims(sandbox.TokenRequest{User: "alice", Org: "d2-gamers"})
	if err != nil {
		t.Fatal(err)
	}
	claims["org_metadata"] = "{{org_membership.public_metadata}}"
	delete(claims, "exp")
	signed, err := s.Sign(nil, claims)
	if err != nil {
		t.Fatal(err)
	}
	_, got := parts(t, signed)
	if _, ok := got["exp"]; ok || got["org_metadata"] != "{{org_membership.public_metadata}}" || got["sub"] != "user_alice" {
		t.Errorf("claims = %v", got)
	}
	if _, err := verify(t, s, signed, publishedKeys(t.Context(), t, s)[0]); err != nil {
		t.Error(err)
	}
}

func TestNilClaimsAreAnEmptyObject(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, sandbox.Options{})
	signed, err := s.Sign(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, claims := parts(t, signed); claims == nil || len(claims) != 0 {
		t.Errorf("claims = %v, want {}", claims)
	}
}
