package clerk

import (
	"io"
	"net/http"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/token"
	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

// KeyID returns the kid of the current signing key.
func (s *Server) KeyID() string { return s.signingKey().ID }

// PublicKeyPEM returns the public half of the current signing key, as CLERK_JWT_KEY takes it.
func (s *Server) PublicKeyPEM() string { return s.signingKey().PEM }

// RotateKey replaces the key and its kid. The old key leaves the key set at once, so tokens signed before can no longer be
// verified through it. On an error the old key stays.
func (s *Server) RotateKey() error {
	key, err := token.NewKey()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
	return nil
}

// JWKSFetches returns how often a key set was served, counting both addresses and not counting refused requests.
func (s *Server) JWKSFetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keySetsServed
}

// Sign signs any claims with the current key and checks nothing about them. See token.Key.Sign.
func (s *Server) Sign(header, claims map[string]any) (string, error) {
	return s.signingKey().Sign(header, claims)
}

// serveKeySet serves the key set, at both of its addresses.
func (s *Server) serveKeySet(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.keySetsServed++
	key := s.key
	s.mu.Unlock()
	kit.WriteJSON(w, http.StatusOK, key.KeySet())
}

func (s *Server) signingKey() *token.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// Token returns a session token. It fails for an unknown person, an unknown organization, a person who is not a member of it,
// and a version or a TTL that token.Request does not allow.
func (s *Server) Token(r token.Request) (string, error) {
	claims, err := s.Claims(r)
	if err != nil {
		return "", err
	}
	return s.Sign(r.Header(), claims)
}

// Claims returns the claims that Token would sign, for tests that change one and Sign the rest. The map is the caller's. exp, iat and nbf are int64; fva is []int; org_permissions is []string; o and org_metadata are map[string]any;
// v is int; all else are strings. It fails as Token does.
func (s *Server) Claims(r token.Request) (map[string]any, error) {
	return s.claims(r.WithDefaults())
}

// claims takes the request as it stands: no field has a default but Org.
func (s *Server) claims(r token.Request) (map[string]any, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return token.Claims(s.dir, r, s.Issuer(), s.authorizedParty, now)
}

// serveToken serves GET /sandbox/token?user=&org=&v=&ttl=&cat= with a session token. A
// page of any origin may ask: a frontend in development has no other place to sign in.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	signed, err := s.tokenFor(r.URL.RawQuery)
	if err != nil {
		kit.WriteRefusal(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, signed)
}

func (s *Server) tokenFor(query string) (string, error) {
	request, err := token.ReadRequest(query)
	if err != nil {
		return "", err
	}
	claims, err := s.claims(request)
	if err != nil {
		return "", err
	}
	return s.Sign(request.Header(), claims)
}
