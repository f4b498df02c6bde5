// Package sandbox is a stand-in for Clerk over HTTP, with people and organizations of its own, for cmd/dev and for tests.
// It signs session tokens for anyone who asks, so it must never be reachable from outside the developer's computer.
package sandbox

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// defaultSecretKey is what the Backend API asks for when Options names no other.
const defaultSecretKey = "sk_test_sandbox"

// Options says where a sandbox is reached and what it hands out.
type Options struct {
	// BaseURL is the origin the sandbox is reached at, for example http://127.0.0.1:8090. Required; no path, no trailing slash.
	BaseURL string
	// SecretKey is what the Backend API asks for. Empty: sk_test_sandbox.
	SecretKey string
	// AuthorizedParty is the azp of the tokens. Empty: they carry none.
	AuthorizedParty string
	// Now is the clock. Nil: time.Now. It is called by several goroutines at once.
	Now func() time.Time
}

// Sandbox is one Clerk instance with its signing key, its people and its organizations. It is safe for concurrent use.
type Sandbox struct {
	baseURL, secretKey, authorizedParty string
	now                                 func() time.Time

	mu            sync.Mutex // guards everything below
	key           *signingKey
	keySetsServed int
	people        map[string]person        // by user id
	organizations map[string]*organization // by organization id
}

// New makes a sandbox with a fresh signing key and the people described in people.go. It fails when BaseURL is not an http
// or https origin.
func New(o Options) (*Sandbox, error) {
	if err := checkOrigin(o.BaseURL); err != nil {
		return nil, err
	}
	key, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	s := &Sandbox{
		baseURL:         o.BaseURL,
		secretKey:       cmp.Or(o.SecretKey, defaultSecretKey),
		authorizedParty: o.AuthorizedParty,
		now:             o.Now,
		key:             key,
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.people, s.organizations = cast()
	return s, nil
}

// Handler serves the sandbox. Every handler of one Sandbox shares its state.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /sandbox/token", s.serveToken)
	mux.HandleFunc("GET /clerk/.well-known/jwks.json", s.serveKeySet)
	mux.HandleFunc("GET /clerk/v1/jwks", s.withSecretKey(s.serveKeySet))
	return mux
}

// Issuer is the iss of every token: BaseURL and /clerk.
func (s *Sandbox) Issuer() string { return s.baseURL + "/clerk" }

// SecretKey is what the Backend API asks for as a bearer token.
func (s *Sandbox) SecretKey() string { return s.secretKey }

func checkOrigin(base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("read BaseURL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.Scheme+"://"+u.Host != base {
		return fmt.Errorf("BaseURL %q is not an origin such as http://127.0.0.1:8090", base)
	}
	return nil
}
