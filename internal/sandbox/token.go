package sandbox

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	defaultTTL = 60 * time.Second
	ttlMax     = 24 * time.Hour // either way
)

// What is said of a version or a ttl that there is not.
const (
	versionWords = "The version is 1 or 2."
	ttlWords     = "The ttl is whole seconds from -86400 to 86400."
)

// ClerkTokenRequest says for whom a session token is.
type ClerkTokenRequest struct {
	// User is a name such as "alice" or an id such as "user_alice".
	User string
	// Org is a slug or an id; the token is for this active organization. Empty: the personal workspace.
	Org string
	// Version is that of the claims, 1 or 2. Zero: 2.
	Version int
	// Category is the header cat, the class of the token. Empty: that of a session token; "none": the header has no cat.
	Category string
	// TTL is how long from now the token stays valid, in whole seconds, at most a day, which is more than a server should
	// accept. Zero: 60 s. Below zero: a token of 60 s that expired so long ago, at most a day.
	TTL time.Duration
}

// Token makes a session token. It fails for someone unknown, for an unknown organization, for someone who is not a member of
// it, and for a version or a TTL that TokenRequest does not allow.
func (s *clerkServer) Token(r ClerkTokenRequest) (string, error) {
	claims, err := s.Claims(r)
	if err != nil {
		return "", err
	}
	return s.Sign(r.header(), claims)
}

// noCategory asks for a token whose header has no cat.
const noCategory = "none"

// header is what Sign takes for the request.
func (r ClerkTokenRequest) header() map[string]any {
	switch r.Category {
	case "":
		return nil
	case noCategory:
		return map[string]any{"cat": nil}
	}
	return map[string]any{"cat": r.Category}
}

// Claims are those that Token would sign for the same request, for tests that bend one and Sign the rest. The map is the
// caller's. exp, iat and nbf are int64; fva is []int; org_permissions is []string; o and org_metadata are map[string]any;
// v is int; all else are strings. It fails as Token does.
func (s *clerkServer) Claims(r ClerkTokenRequest) (map[string]any, error) {
	if r.Version == 0 {
		r.Version = 2
	}
	if r.TTL == 0 {
		r.TTL = defaultTTL
	}
	return s.claims(r)
}

// claims takes the request as it stands: no field has a default but Org.
func (s *clerkServer) claims(r ClerkTokenRequest) (map[string]any, error) {
	if r.Version != 1 && r.Version != 2 {
		return nil, Refuse(http.StatusBadRequest, versionWords)
	}
	if r.TTL%time.Second != 0 || r.TTL < -ttlMax || r.TTL > ttlMax {
		return nil, Refuse(http.StatusBadRequest, ttlWords)
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.dir.personNamed(r.User)
	if err != nil {
		return nil, err
	}
	claims := s.commonClaims(p, now, r.TTL)
	if r.Version == 2 {
		maps.Copy(claims, map[string]any{"v": 2, "sts": "active", "pla": "u:free"})
	}
	if r.Org == "" {
		return claims, nil
	}
	o, err := s.dir.organizationNamed(r.Org)
	if err != nil {
		return nil, err
	}
	m, err := o.findMembership(p)
	if err != nil {
		return nil, err
	}
	claims["org_metadata"] = cloned(m.public)
	if r.Version == 1 {
		maps.Copy(claims, version1(o, m))
	} else {
		maps.Copy(claims, version2(o, m))
	}
	return claims, nil
}

// serveToken answers GET /sandbox/token?user=&org=&v=&ttl=&cat= with a session token. A
// page of any origin may ask: a frontend in development has no other place to sign in.
func (s *clerkServer) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	token, err := s.tokenFor(r.URL.RawQuery)
	if err != nil {
		WriteRefusal(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, token)
}

func (s *clerkServer) tokenFor(query string) (string, error) {
	request, err := readTokenRequest(query)
	if err != nil {
		return "", err
	}
	claims, err := s.claims(request)
	if err != nil {
		return "", err
	}
	return s.Sign(request.header(), claims)
}

// readTokenRequest reads a query in which each parameter may stand once and no other may stand. v is 2 and ttl is 60 when
// absent; here a ttl of 0 is no default but a token at the end of its life.
func readTokenRequest(query string) (ClerkTokenRequest, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return ClerkTokenRequest{}, Refuse(http.StatusBadRequest, "The query is malformed.")
	}
	r := ClerkTokenRequest{Version: 2, TTL: defaultTTL}
	for name, given := range values {
		if len(given) > 1 {
			return ClerkTokenRequest{}, Refuse(http.StatusBadRequest, "The parameter %q is given more than once.", name)
		}
		switch value := given[0]; name {
		case "user":
			r.User = value
		case "org":
			r.Org = value
		case "cat":
			r.Category = value
		case "v":
			if value != "1" && value != "2" {
				return ClerkTokenRequest{}, Refuse(http.StatusBadRequest, versionWords)
			}
			r.Version, _ = strconv.Atoi(value)
		case "ttl":
			seconds, err := strconv.ParseInt(value, 10, 32) // 32 bits, so that nanoseconds cannot overflow
			if err != nil {
				return ClerkTokenRequest{}, Refuse(http.StatusBadRequest, ttlWords)
			}
			r.TTL = time.Duration(seconds) * time.Second
		default:
			return ClerkTokenRequest{}, Refuse(http.StatusBadRequest, "There is no parameter %q: use user, org, v, ttl and cat.", name)
		}
	}
	return r, nil
}
