package tenancy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwt"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
)

const (
	tokenMax        = 8 << 10           // bytes
	sessionCategory = "cl_B7d4PD111AAA" // the `cat` header of a session token
	ignoreCategory  = "cl_I7d4PD111III" // says nothing of the class: some instances stamp it on every token
)

var (
	// Unauthenticated is every token that is not accepted. The cause is only in the
	// log.
	Unauthenticated = fault.New(connect.CodeUnauthenticated, teamtaskv1.Reason_REASON_UNAUTHENTICATED,
		"a valid session token is required")
	// ImpersonationNotAllowed is a valid token of somebody who acts as somebody else,
	// where that is switched off.
	ImpersonationNotAllowed = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_IMPERSONATION_NOT_ALLOWED,
		"acting as somebody else is not allowed here")
)

// Verification says which session tokens are accepted.
type Verification struct {
	Issuer             string   // exact `iss`
	Parties            []string // allowed `azp`; empty: not looked at
	Audience           string   // must be in `aud`; empty: not looked at
	AllowImpersonation bool     // tokens with `act`
	Now                func() time.Time
}

// Verifier turns bearer tokens into actors. It is safe to share.
type Verifier struct {
	keys          *Keys
	rules         rules
	impersonation bool
	now           func() time.Time
	memory        memory
}

// NewVerifier makes a verifier of tokens signed with the keys.
func NewVerifier(keys *Keys, v Verification) *Verifier {
	return &Verifier{
		keys:          keys,
		rules:         rules{issuer: v.Issuer, parties: v.Parties, audience: v.Audience},
		impersonation: v.AllowImpersonation,
		now:           v.Now,
	}
}

// Verify answers the actor of the request's bearer token. The signature is checked
// by Clerk's SDK, everything else here, because the SDK does not. The same token
// is checked once and remembered until it expires or its key leaves the key set.
//
// Faults: Unauthenticated, ImpersonationNotAllowed, fault.ProviderUnavailable. The
// actor is shared: do not change it.
func (v *Verifier) Verify(ctx context.Context, header http.Header) (*Actor, error) {
	token, err := bearer(header)
	if err != nil {
		return nil, Unauthenticated.Because(err)
	}
	if e, ok := v.memory.recall(token); ok {
		if !v.now().After(e.expires) && v.keys.holds(e.keyID, e.key) {
			return e.actor, nil
		}
		v.memory.forget(token)
	}
	e, err := v.verify(ctx, token)
	if err != nil {
		if f := fault.Of(err); f != nil {
			return nil, err
		}
		return nil, Unauthenticated.Because(err)
	}
	v.memory.keep(token, e, v.now())
	return e.actor, nil
}

// Known returns the actor of the request's bearer token where that has been verified and
// is remembered, or nil. It verifies nothing. The actor is shared: do not change it.
func (v *Verifier) Known(header http.Header) *Actor {
	token, err := bearer(header)
	if err != nil {
		return nil
	}
	if e, ok := v.memory.recall(token); ok && !v.now().After(e.expires) && v.keys.holds(e.keyID, e.key) {
		return e.actor
	}
	return nil
}

// Remembered is how many verified tokens are remembered, and in how many bytes,
// roughly.
func (v *Verifier) Remembered() (tokens, bytes int) { return v.memory.size() }

func (v *Verifier) verify(ctx context.Context, token string) (remembered, error) {
	keyID, err := checkForm(token)
	if err != nil {
		return remembered{}, err
	}
	key, err := v.keys.find(ctx, keyID)
	if err != nil {
		return remembered{}, err
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
		return remembered{}, fmt.Errorf("verify: %s", unquoted(err))
	}
	actor, expires, err := c.decide(v.rules, v.now())
	if err != nil {
		return remembered{}, err
	}
	if actor.Impersonator != "" && !v.impersonation {
		return remembered{}, ImpersonationNotAllowed.Because(refusedActor{&actor})
	}
	return remembered{actor: &actor, expires: expires.Add(skew), keyID: keyID, key: key}, nil
}

// unquoted is what Clerk's SDK says of a token, where that quotes nothing of it: the
// words go to the log, and a header can be anybody's.
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

// refusedActor is the cause of a refusal whose actor is known.
type refusedActor struct{ actor *Actor }

func (refusedActor) Error() string { return "the token has act" }

// Refused answers the actor of a token that is valid and was refused with err all the
// same, which is ImpersonationNotAllowed; nil for any other error. It is for the audit
// log: the actor must not be let in.
func Refused(err error) *Actor {
	if r, ok := errors.AsType[refusedActor](err); ok {
		return r.actor
	}
	return nil
}

// bearer returns the token of the one form that is accepted: a single Authorization header
// with the scheme Bearer, spaces, and exactly one token of RFC 9110's token68. The scheme is
// compared without case, as RFC 9110 section 11.1 says.
func bearer(header http.Header) (string, error) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", errors.New("not exactly one Authorization header")
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", errors.New("the Authorization header is not of the form Bearer TOKEN")
	}
	token = strings.TrimLeft(token, " ")
	if token == "" || len(token) > tokenMax {
		return "", errors.New("the token is empty or too long")
	}
	if !isToken68(token) {
		return "", errors.New("there is more than one token, or a character that no token has")
	}
	return token, nil
}

// isToken68 reports whether s is a token68 of RFC 9110: letters, digits and some signs, then
// padding.
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		switch c := body[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~', c == '+', c == '/':
		default:
			return false
		}
	}
	return body != ""
}

// checkForm wants three segments in canonical base64url and the header of a
// session token, and answers the key id in it.
func checkForm(token string) (keyID string, err error) {
	segments := strings.SplitN(token, ".", 4)
	if len(segments) != 3 {
		return "", errors.New("the token has not three segments")
	}
	var decoded [3][]byte
	for i, segment := range segments {
		if segment == "" || strings.ContainsAny(segment, "\r\n") {
			return "", errors.New("a segment of the token is not base64url")
		}
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(segment); err != nil {
			return "", errors.New("a segment of the token is not base64url")
		}
	}
	var h map[string]json.RawMessage // not a struct: its names would match in any case
	if err := json.Unmarshal(decoded[0], &h); err != nil {
		return "", errors.New("the header cannot be read")
	}
	if algorithm, _ := text(h["alg"]); algorithm != "RS256" {
		return "", errors.New("alg is not RS256")
	}
	if _, ok := h["crit"]; ok {
		return "", errors.New("crit is present")
	}
	if kind, ok := h["typ"]; ok && string(kind) != `"JWT"` {
		return "", errors.New("typ is not JWT")
	}
	if raw, ok := h["cat"]; ok {
		if category, _ := text(raw); category != sessionCategory && category != ignoreCategory {
			return "", errors.New("cat is not a session token's")
		}
	}
	keyID, _ = text(h["kid"])
	return keyID, nil
}

type clockFunc func() time.Time

func (c clockFunc) Now() time.Time { return c() }

var _ clerk.Clock = clockFunc(nil)
