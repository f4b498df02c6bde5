package stacktest

import (
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/teamtask/teamtask/internal/sandbox"
)

// Tenants of the sandbox: alice's and erin's organizations.
const (
	Gamers = "org_d2gamers"
	Acme   = "org_acme"
)

// TokenLife is the longest there may be: a test may wait for its turn.
const TokenLife = time.Hour

// Token is a session token; an empty org is the personal workspace.
func (s *Stack) Token(user, org string, version int) string {
	s.T.Helper()
	token, err := s.Box.Token(sandbox.TokenRequest{User: user, Org: org, Version: version, TTL: TokenLife})
	if err != nil {
		s.T.Fatalf("token of %s in %q: %v", user, org, err)
	}
	return token
}

// Bent is the token of a person in d2-gamers whose claims were changed.
func (s *Stack) Bent(user string, version int, bend func(claims map[string]any)) string {
	s.T.Helper()
	claims, err := s.Box.Claims(sandbox.TokenRequest{User: user, Org: "d2-gamers", Version: version, TTL: TokenLife})
	if err != nil {
		s.T.Fatalf("claims of %s: %v", user, err)
	}
	bend(claims)
	token, err := s.Box.Sign(nil, claims)
	if err != nil {
		s.T.Fatalf("sign: %v", err)
	}
	return token
}

// TokenIn is the token of a person with the role they have in d2-gamers, but in the
// organization of another id.
func (s *Stack) TokenIn(user, organization string, version int) string {
	s.T.Helper()
	return s.Bent(user, version, func(claims map[string]any) {
		if version == 1 {
			claims["org_id"], claims["org_slug"] = organization, "d2-gamers"
			return
		}
		o := maps.Clone(claims["o"].(map[string]any))
		o["id"] = organization
		claims["o"] = o
	})
}

// TokenFor returns a token of a member of d2-gamers who may call the method.
func (s *Stack) TokenFor(t testing.TB, m protoreflect.MethodDescriptor) string {
	t.Helper()
	if strings.HasPrefix(AccessOf(t, m).GetPermission(), "org:tasks:") {
		return s.Token("alice", "d2-gamers", 2)
	}
	return s.Token("dana", "d2-gamers", 2)
}
