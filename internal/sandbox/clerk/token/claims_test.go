package token_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwt"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestTokensCarryRoleAndPermissions(t *testing.T) {
	t.Parallel()
	s, base := sandboxtest.Serve(t, sandbox.Options{AuthorizedParty: "http://localhost:5173"})
	key := sandboxtest.PublishedKeys(t.Context(), t, s)[0]
	manager := []string{"org:members:view", "org:tasks:view", "org:tasks:edit", "org:tasks:manage"}
	member := []string{"org:members:view", "org:tasks:view", "org:tasks:edit"}
	viewer := []string{"org:members:view", "org:tasks:view"}
	for _, c := range []struct {
		user, slug, id, role string
		permissions          []string
		metadata             string
	}{
		{"dana", "d2-gamers", "org_d2gamers", "org:admin", nil, `{"isLicensed":true}`},
		{"alice", "d2-gamers", "org_d2gamers", "org:manager", manager, `{"isLicensed":true}`},
		{"bob", "d2-gamers", "org_d2gamers", "org:member", member, `{"isLicensed":true}`},
		{"ben", "d2-gamers", "org_d2gamers", "org:member", member, `{}`},
		{"charlie", "d2-gamers", "org_d2gamers", "org:viewer", viewer, `{"isLicensed":true}`},
		{"erin", "acme", "org_acme", "org:admin", nil, `{}`},
		{"frank", "acme", "org_acme", "org:member", member, `{}`},
		{"frank", "", "", "", nil, ``},
	} {
		for version := 1; version <= 2; version++ {
			query := url.Values{"user": {c.user}, "org": {c.slug}, "v": {strconv.Itoa(version)}}
			a := sandboxtest.Send(t, http.MethodGet, base+"/sandbox/token?"+query.Encode(), "")
			if a.Status != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
				t.Fatalf("%v: %d %v %s", query, a.Status, a.Header, a.Body)
			}
			var custom struct {
				Metadata json.RawMessage `json:"org_metadata"`
			}
			issuer := s.Issuer()
			claims, err := jwt.Verify(t.Context(), &jwt.VerifyParams{
				Token: a.Body, JWK: key, ProxyURL: &issuer, CustomClaimsConstructor: func(context.Context) any { return &custom },
			})
			if err != nil {
				t.Errorf("%v: %v", query, err)
				continue
			}
			got := [...]string{
				claims.Subject, claims.SessionID, claims.AuthorizedParty, claims.ActiveOrganizationID,
				claims.ActiveOrganizationSlug, claims.ActiveOrganizationRole, string(custom.Metadata),
			}
			want := [...]string{"user_" + c.user, "sess_" + c.user, "http://localhost:5173", c.id, c.slug, c.role, c.metadata}
			if got != want {
				t.Errorf("%v: got %q, want %q", query, got, want)
			}
			if !sandboxtest.SameSet(claims.ActiveOrganizationPermissions, c.permissions) {
				t.Errorf("%v: permissions = %v, want %v", query, claims.ActiveOrganizationPermissions, c.permissions)
			}
			if claims.FactorVerificationAge != [2]int64{0, -1} {
				t.Errorf("%v: fva = %v", query, claims.FactorVerificationAge)
			}
		}
	}
}

func TestClaimsAreThoseOfClerk(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 999, time.UTC)
	s, base := sandboxtest.Serve(t, sandbox.Options{Now: func() time.Time { return now }})
	at := float64(now.Unix())
	common := map[string]any{
		"exp": at + 60, "iat": at, "nbf": at - 10, "fva": []any{0.0, -1.0}, "iss": base + "/clerk", "sid": "sess_alice", "sub": "user_alice",
	}
	licensed := map[string]any{"isLicensed": true}
	for _, c := range []struct {
		name string
		r    sandbox.TokenRequest
		more map[string]any
	}{
		{"version 1, personal", sandbox.TokenRequest{User: "alice", Version: 1}, nil},
		{"version 2, personal", sandbox.TokenRequest{User: "alice"}, map[string]any{"v": 2.0, "sts": "active", "pla": "u:free"}},
		{"version 1", sandbox.TokenRequest{User: "user_alice", Org: "org_d2gamers", Version: 1}, map[string]any{
			"org_id": "org_d2gamers", "org_slug": "d2-gamers", "org_role": "org:manager", "org_metadata": licensed,
			"org_permissions": []any{"org:members:view", "org:tasks:edit", "org:tasks:manage", "org:tasks:view"},
		}},
		{"version 2", sandbox.TokenRequest{User: "alice", Org: "d2-gamers", Version: 2}, map[string]any{
			"v": 2.0, "sts": "active", "pla": "o:free", "fea": "o:members,o:tasks", "org_metadata": licensed,
			"o": map[string]any{"id": "org_d2gamers", "slg": "d2-gamers", "rol": "manager", "per": "edit,manage,view", "fpm": "4,7"},
		}},
		{"version 1, admin", sandbox.TokenRequest{User: "dana", Org: "d2-gamers", Version: 1}, map[string]any{
			"sub": "user_dana", "sid": "sess_dana",
			"org_id": "org_d2gamers", "org_slug": "d2-gamers", "org_role": "org:admin", "org_metadata": licensed,
		}},
		{"version 2, admin", sandbox.TokenRequest{User: "dana", Org: "d2-gamers"}, map[string]any{
			"sub": "user_dana", "sid": "sess_dana",
			"v": 2.0, "sts": "active", "pla": "o:free", "fea": "o:members,o:tasks", "org_metadata": licensed,
			"o": map[string]any{"id": "org_d2gamers", "slg": "d2-gamers", "rol": "admin"},
		}},
	} {
		header, got := sandboxtest.TokenParts(t, sandboxtest.Token(t, s, c.r))
		if id, _ := got["jti"].(string); !regexp.MustCompile(`^[0-9a-f]{20}$`).MatchString(id) {
			t.Errorf("%s: jti = %q", c.name, id)
		}
		delete(got, "jti")
		want := map[string]any{}
		maps.Copy(want, common)
		maps.Copy(want, c.more)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", c.name, got, want)
		}
		if want := map[string]any{"alg": "RS256", "kid": s.KeyID(), "typ": "JWT", "cat": "cl_B7d4PD111AAA"}; !reflect.DeepEqual(header, want) {
			t.Errorf("%s: header = %v, want %v", c.name, header, want)
		}
	}
}

func TestClaimsAreTheCallersToChange(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	s, _ := sandboxtest.Serve(t, sandbox.Options{Now: func() time.Time { return now }})
	for version := 1; version <= 2; version++ {
		r := sandbox.TokenRequest{User: "alice", Org: "d2-gamers", Version: version}
		_, before := sandboxtest.TokenParts(t, sandboxtest.Token(t, s, r))
		claims, err := s.Claims(r)
		if err != nil {
			t.Fatal(err)
		}
		claims["org_metadata"].(map[string]any)["isLicensed"] = false
		if version == 1 {
			claims["org_permissions"].([]string)[0] = "org:sys_memberships:manage"
		} else {
			claims["o"].(map[string]any)["rol"] = "admin"
		}
		_, after := sandboxtest.TokenParts(t, sandboxtest.Token(t, s, r))
		delete(before, "jti")
		delete(after, "jti")
		if !reflect.DeepEqual(after, before) {
			t.Errorf("version %d: a change of claims reached the sandbox:\n got %v\nwant %v", version, after, before)
		}
	}
}

func TestClaimsShareNoMetadata(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
	sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_acme", "user_frank", `{"a":{"b":[{"c":1}]}}`))
	claims, err := b.Claims(sandbox.TokenRequest{User: "frank", Org: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	claims["org_metadata"].(map[string]any)["a"].(map[string]any)["b"].([]any)[0].(map[string]any)["c"] = 2
	m := sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_acme", "user_frank", `{}`))
	if string(m.PublicMetadata) != `{"a":{"b":[{"c":1}]}}` {
		t.Errorf("a change of claims reached the sandbox: %s", m.PublicMetadata)
	}
}
