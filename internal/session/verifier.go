// Package session turns Clerk session tokens into actors: it checks the form, the signature and
// the claims of a token, fetches the keys that tokens are signed with, and caches the tokens
// that it has verified.
package session

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwt"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

var (
	// Unauthenticated refuses a request without a valid token. The cause is only in the log.
	Unauthenticated = fault.New(connect.CodeUnauthenticated, teamtaskv1.Reason_REASON_UNAUTHENTICATED,
		"a valid session token is required")
	// ImpersonationNotAllowed refuses a valid token of a person who acts as another, where
	// that is switched off.
	ImpersonationNotAllowed = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_IMPERSONATION_NOT_ALLOWED,
		"acting as somebody else is not allowed here")
)

// Verification is which session tokens are accepted.
type Verification struct {
	Issuer             string   // exact `iss`
	Parties            []string // allowed `azp`; empty: not checked
	Audience           string   // must be in `aud`; empty: not checked
	AllowImpersonation bool     // accept tokens with `act`
	Now                func() time.Time
}

// Verifier turns bearer tokens into actors. It is safe to share.
type Verifier struct {
	keys          *Keys
	rules         rules
	impersonation bool
	now           func() time.Time
	cache         cache
}

// NewVerifier returns a verifier of tokens signed with the keys.
func NewVerifier(keys *Keys, v Verification) *Verifier {
	return &Verifier{
		keys:          keys,
		rules:         rules{issuer: v.Issuer, parties: v.Parties, audience: v.Audience},
		impersonation: v.AllowImpersonation,
		now:           v.Now,
	}
}

// Verify returns the actor of the request's bearer token. Clerk's SDK checks the signature;
// the rest is checked here, because the SDK does not. A token is verified once and cached
// until it expires or its key leaves the key set.
//
// Faults: Unauthenticated, ImpersonationNotAllowed, fault.ProviderUnavailable. The actor is
// shared: do not change it.
func (v *Verifier) Verify(ctx context.Context, header http.Header) (*tenancy.Actor, error) {
	token, err := bearer(header)
	if err != nil {
		return nil, Unauthenticated.Because(err)
	}
	if e, ok := v.cache.get(token); ok {
		if v.valid(e) {
			return e.actor, nil
		}
		v.cache.remove(token)
	}
	e, err := v.verify(ctx, token)
	if err != nil {
		if f := fault.Of(err); f != nil {
			return nil, err
		}
		return nil, Unauthenticated.Because(err)
	}
	v.cache.put(token, e, v.now())
	return e.actor, nil
}

// Cached returns the actor of the request's bearer token if the token is in the cache, or nil.
// It verifies nothing. The actor is shared: do not change it.
func (v *Verifier) Cached(header http.Header) *tenancy.Actor {
	token, err := bearer(header)
	if err != nil {
		return nil
	}
	if e, ok := v.cache.get(token); ok && v.valid(e) {
		return e.actor
	}
	return nil
}

// valid reports whether the token of the entry has not expired and its key is still in use.
func (v *Verifier) valid(e entry) bool {
	return !v.now().After(e.expires) && v.keys.holds(e.keyID, e.key)
}

// CacheSize returns how many verified tokens are cached, and roughly in how many bytes.
func (v *Verifier) CacheSize() (tokens, bytes int) { return v.cache.size() }

func (v *Verifier) verify(ctx context.Context, token string) (entry, error) {
	keyID, err := checkForm(token)
	if err != nil {
		return entry{}, err
	}
	key, err := v.keys.find(ctx, keyID)
	if err != nil {
		return entry{}, err
	}
	c := &claims{}
	_, err = jwt.Verify(ctx, &jwt.VerifyParams{
		Token:                   token,
		JWK:                     key,
		Clock:                   clockFunc(v.now),
		Leeway:                  skew,
		ProxyURL:                &v.rules.issuer,
		CustomClaimsConstructor: func(context.Context) any { return c },
	})
	if err != nil {
		return entry{}, fmt.Errorf("verify: %s", unquoted(err))
	}
	actor, expires, err := c.decide(v.rules, v.now())
	if err != nil {
		return entry{}, err
	}
	if actor.Impersonator != "" && !v.impersonation {
		return entry{}, ImpersonationNotAllowed.Because(&tenancy.RefusedError{Actor: &actor, Why: "the token has act"})
	}
	return entry{actor: &actor, expires: expires.Add(skew), keyID: keyID, key: key}, nil
}

// unquoted returns the text of an error of Clerk's SDK if it quotes nothing of the token: the
// text goes to the log, and the token can come from anywhere.
func unquoted(err error) string {
	const (
		ofClaims    = "go-jose/go-jose/jwt: " // and which of them
		ofSignature = "go-jose/go-jose: error in cryptographic primitive"
	)
	if words := err.Error(); words == ofSignature || strings.HasPrefix(words, ofClaims) {
		return words
	}
	return "the SDK refuses the token"
}

type clockFunc func() time.Time

func (c clockFunc) Now() time.Time { return c() }

var _ clerk.Clock = clockFunc(nil)
