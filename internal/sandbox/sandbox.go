// Package sandbox is a stand-in for Clerk and Stripe over HTTP, for cmd/dev and for tests. It has people, organizations and a
// subscription of its own, and serves both APIs, Clerk's session tokens, Stripe's hosted pages, the webhooks of both, and
// control requests that inject failures and do what people do in a browser. Everything is kept in memory.
// It signs session tokens for every caller, so it must never be reachable from outside the developer's computer.
//
// This package composes the parts: sandbox/clerk and sandbox/stripe have a state and a lock each and do not know each other;
// sandbox/kit has the injected failures, the deliveries and the control requests that both use.
package sandbox

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/clerk"
	"github.com/teamtask/teamtask/internal/sandbox/clerk/token"
	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe"
)

// defaultSecretKey is the key of both APIs when Options has no other.
const defaultSecretKey = "sk_test_sandbox"

// Options configures a sandbox.
type Options struct {
	// BaseURL is the origin the sandbox is reached at, for example http://127.0.0.1:8090. Required; no path, no trailing slash.
	BaseURL string
	// SecretKey is the key that Clerk's Backend API requires. Empty: sk_test_sandbox.
	SecretKey string
	// AuthorizedParty is the azp of the tokens. Empty: they carry none.
	AuthorizedParty string
	// WebhookURL is where Clerk's events are sent. Empty: nowhere.
	WebhookURL string
	// WebhookSecret signs them: whsec_ and the key in base64. Empty: a public secret, see Sandbox.WebhookSecret.
	WebhookSecret string
	// StripeSecretKey is the key that Stripe's API requires. Empty: sk_test_sandbox.
	StripeSecretKey string
	// StripeWebhookURL is where Stripe's events are sent, besides the endpoints made through its API. Empty: to those alone.
	StripeWebhookURL string
	// StripeWebhookSecret signs them: whsec_ and at least 16 characters. Empty: a public secret, see
	StripeWebhookSecret string
	// PlainRoles has the list of roles be that of a new instance: admin and member, without custom permissions. Tokens are as
	// their organization has them all the same; newco has no custom permissions either way.
	PlainRoles bool
	// RequestLimit is the number of requests to the Backend API in 10 s, without those for the key set. Zero: 1000, as Clerk. Below
	// zero: no limit.
	RequestLimit int
	// MetadataLimit is the number of metadata changes in 10 s to one user, organization or membership. Zero: 10, as Clerk. Below
	// zero: no limit.
	MetadataLimit int
	// InvitationLimit is the number of invitations in an hour. Zero: 250, as Clerk. Below zero: no limit.
	InvitationLimit int
	// Now is the clock. Nil: time.Now. It is called concurrently and must not call the sandbox. Delays, such as that before the
	// next attempt of a webhook, use the real clock.
	Now func() time.Time
}

// TokenRequest says for whom a session token is.
type TokenRequest = token.Request

// Sandbox is one Clerk instance and one Stripe account. It is safe for concurrent use.
type Sandbox struct {
	clerk     *clerk.Server
	stripe    *stripe.Server
	failures  *kit.Failures
	deliverer *kit.Deliverer

	secretKey, stripeSecretKey   string
	webhookURL, stripeWebhookURL string
}

// New returns a sandbox with a fresh signing key and the people and subscription of the start. It fails when BaseURL is not an
// http or https origin, when WebhookURL or StripeWebhookURL is not an http or https address, and when a secret is malformed.
func New(o Options) (*Sandbox, error) {
	if err := checkOrigin(o.BaseURL); err != nil {
		return nil, err
	}
	for name, at := range map[string]string{"WebhookURL": o.WebhookURL, "StripeWebhookURL": o.StripeWebhookURL} {
		if u, err := url.Parse(at); at != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return nil, fmt.Errorf("%s %q is not an address such as http://127.0.0.1:8080/webhooks/clerk", name, at)
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Sandbox{
		failures:        &kit.Failures{},
		deliverer:       kit.NewDeliverer(o.Now),
		secretKey:       cmp.Or(o.SecretKey, defaultSecretKey),
		stripeSecretKey: cmp.Or(o.StripeSecretKey, defaultSecretKey),
		webhookURL:      o.WebhookURL, stripeWebhookURL: o.StripeWebhookURL,
	}
	var err error
	s.clerk, err = clerk.New(clerk.Options{
		BaseURL: o.BaseURL, SecretKey: s.secretKey, AuthorizedParty: o.AuthorizedParty,
		WebhookURL: o.WebhookURL, WebhookSecret: o.WebhookSecret, PlainRoles: o.PlainRoles,
		RequestLimit: o.RequestLimit, MetadataLimit: o.MetadataLimit, InvitationLimit: o.InvitationLimit,
		Now: o.Now, Failures: s.failures, Deliverer: s.deliverer,
	})
	if err != nil {
		return nil, err
	}
	s.stripe, err = stripe.New(stripe.Options{
		BaseURL: o.BaseURL, SecretKey: s.stripeSecretKey, WebhookURL: o.StripeWebhookURL, WebhookSecret: o.StripeWebhookSecret,
		Now: o.Now, Failures: s.failures, Deliverer: s.deliverer,
	})
	if err != nil {
		return nil, err
	}
	s.Reset()
	return s, nil
}

// Reset restores the people and the subscription of the start and drops all else: injected failures, limits, idempotency keys,
// the delivery settings and the pending deliveries. The signing key stays. It sends no events, so a server with a copy has to
// fetch anew.
func (s *Sandbox) Reset() {
	// Both providers are locked until nothing of before is left.
	s.clerk.Reset(func() {
		s.stripe.Reset(func() {
			s.failures.Reset()
			s.deliverer.Reset()
		})
	})
}

// Close drops the pending deliveries and waits until none is under way. A sandbox that sends no webhooks need not be closed.
// Handler still works afterwards.
func (s *Sandbox) Close() { s.deliverer.Close() }

// Handler serves the sandbox. Every handler of one Sandbox shares its state.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	s.clerk.Handle(mux)
	s.stripe.Handle(mux)
	control := kit.Control{"POST /sandbox/reset": s.serveReset}
	webhooks := s.deliverer.Control(map[string]string{"url": s.webhookURL, "stripe_url": s.stripeWebhookURL})
	for _, part := range []kit.Control{s.clerk.Control(), s.stripe.Control(), s.failures.Control(), webhooks} {
		control.Add(part)
	}
	control.Handle(mux)
	return mux
}

// serveReset serves POST /sandbox/reset; see Reset.
func (s *Sandbox) serveReset(*http.Request) (any, error) {
	s.Reset()
	return map[string]bool{"reset": true}, nil
}

// Token returns a session token. It fails for an unknown person, an unknown organization, a person who is not a member of it,
// and a version or a TTL that TokenRequest does not allow.
func (s *Sandbox) Token(r TokenRequest) (string, error) { return s.clerk.Token(r) }

// Claims returns the claims that Token would sign, for tests that change one and Sign the rest. The map is the caller's. exp, iat
// and nbf are int64; fva is []int; org_permissions is []string; o and org_metadata are map[string]any; v is int; all else are
// strings. It fails as Token does.
func (s *Sandbox) Claims(r TokenRequest) (map[string]any, error) { return s.clerk.Claims(r) }

// Sign signs any claims with the current key and checks nothing about them. Nil claims are an empty object. A nil header is that
// of a session token: alg, kid, typ and cat. Entries of header are added to it or replace its own; one whose value is nil is left
// out. The algorithm is always RS256: any other alg in header is an error.
func (s *Sandbox) Sign(header, claims map[string]any) (string, error) {
	return s.clerk.Sign(header, claims)
}

// KeyID returns the kid of the current signing key.
func (s *Sandbox) KeyID() string { return s.clerk.KeyID() }

// PublicKeyPEM returns the public half of the current signing key, as CLERK_JWT_KEY takes it.
func (s *Sandbox) PublicKeyPEM() string { return s.clerk.PublicKeyPEM() }

// RotateKey replaces the signing key and its kid. The old key leaves the key set at once, so tokens signed before can no longer be
// verified through it. On an error the old key stays.
func (s *Sandbox) RotateKey() error { return s.clerk.RotateKey() }

// JWKSFetches returns how often a key set was served, counting both addresses and not counting refused requests.
func (s *Sandbox) JWKSFetches() int { return s.clerk.JWKSFetches() }

// Issuer returns the iss of every token: BaseURL and /clerk.
func (s *Sandbox) Issuer() string { return s.clerk.Issuer() }

// SecretKey returns the bearer token that the Backend API requires.
func (s *Sandbox) SecretKey() string { return s.secretKey }

// WebhookSecret returns the secret that Clerk's webhooks are signed with, as CLERK_WEBHOOK_SECRET takes it.
func (s *Sandbox) WebhookSecret() string { return s.clerk.WebhookSecret() }

// StripeSecretKey returns the key that Stripe's API requires, as STRIPE_SECRET_KEY takes it.
func (s *Sandbox) StripeSecretKey() string { return s.stripeSecretKey }

// StripeWebhookSecret returns the secret that Stripe's webhooks are signed with, as STRIPE_WEBHOOK_SECRET takes it.
func (s *Sandbox) StripeWebhookSecret() string { return s.stripe.WebhookSecret() }

// StripeURL returns the base of Stripe's API, as STRIPE_API_URL and stripe-go's BackendConfig.URL take it: what follows is /v1.
func (s *Sandbox) StripeURL() string { return s.stripe.URL() }

// SeatPrice returns the id of the price of a seat, as STRIPE_SEAT_PRICE takes it.
func (s *Sandbox) SeatPrice() string { return s.stripe.SeatPrice() }

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
