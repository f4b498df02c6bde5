package token_test

import (
	"reflect"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestPEMVerifiesTokens(t *testing.T) {
	t.Parallel()
	s, _ := sandboxtest.Serve(t, sandbox.Options{})
	key, err := clerk.JSONWebKeyFromPEM(s.PublicKeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sandboxtest.VerifyToken(t, s, sandboxtest.Token(t, s, sandbox.TokenRequest{User: "alice"}), key); err != nil {
		t.Error(err)
	}
	if got := s.JWKSFetches(); got != 0 {
		t.Errorf("fetches = %d, want 0", got)
	}
}

func TestSignTakesAnyHeaderButTheAlgorithm(t *testing.T) {
	t.Parallel()
	s, _ := sandboxtest.Serve(t, sandbox.Options{})
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
		header, claims := sandboxtest.TokenParts(t, signed)
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
	s, _ := sandboxtest.Serve(t, sandbox.Options{})
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
	_, got := sandboxtest.TokenParts(t, signed)
	if _, ok := got["exp"]; ok || got["org_metadata"] != "{{org_membership.public_metadata}}" || got["sub"] != "user_alice" {
		t.Errorf("claims = %v", got)
	}
	if _, err := sandboxtest.VerifyToken(t, s, signed, sandboxtest.PublishedKeys(t.Context(), t, s)[0]); err != nil {
		t.Error(err)
	}
}

func TestNilClaimsAreAnEmptyObject(t *testing.T) {
	t.Parallel()
	s, _ := sandboxtest.Serve(t, sandbox.Options{})
	signed, err := s.Sign(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, claims := sandboxtest.TokenParts(t, signed); claims == nil || len(claims) != 0 {
		t.Errorf("claims = %v, want {}", claims)
	}
}
