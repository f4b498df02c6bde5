// Package sandbox is a stand-in for Clerk and Stripe over HTTP, with people, organizations and a subscription of its own, for
// cmd/dev and for tests: their APIs, Clerk's session tokens, Stripe's hosted pages and the webhooks of both, with faults on
// demand. All of it is kept in memory.
// It signs session tokens for anyone who asks, so it must never be reachable from outside the developer's computer.
package sandbox

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// defaultSecretKey is what Clerk's and Stripe's APIs ask for when Options names no other.
const defaultSecretKey = "sk_test_sandbox"

// Options says where a sandbox is reached and what it hands out.
type Options struct {
	// BaseURL is the origin the sandbox is reached at, for example http://127.0.0.1:8090. Required; no path, no trailing slash.
	BaseURL string
	// SecretKey is what the Backend API asks for. Empty: sk_test_sandbox.
	SecretKey string
	// AuthorizedParty is the azp of the tokens. Empty: they carry none.
	AuthorizedParty string
	// WebhookURL is where events are sent to. Empty: none are.
	WebhookURL string
	// WebhookSecret signs them: whsec_ and the key in base64. Empty: a secret that everybody knows, see Sandbox.WebhookSecret.
	WebhookSecret string
	// StripeSecretKey is what Stripe's API asks for. Empty: sk_test_sandbox.
	StripeSecretKey string
	// StripeWebhookURL is where Stripe's events are sent to, beside the endpoints made through its API. Empty: to those alone.
	StripeWebhookURL string
	// StripeWebhookSecret signs them: whsec_ and at least 16 characters. Empty: a secret that everybody knows, see
	// Sandbox.StripeWebhookSecret.
	StripeWebhookSecret string
	// PlainRoles has the list of roles be that of a new instance: admin and member, without custom permissions. Tokens are as
	// their organization has them all the same; newco has no custom permissions either way.
	PlainRoles bool
	// RequestLimit is how many requests of the Backend API are answered in 10 s, the key set not counted. Zero: 1000, as Clerk.
	// Below zero: no limit.
	RequestLimit int
	// MetadataLimit is how many changes of metadata in 10 s one user, one organization and one membership may have. Zero: 10,
	// as Clerk. Below zero: no limit.
	MetadataLimit int
	// InvitationLimit is how many invitations may be made in an hour. Zero: 250, as Clerk. Below zero: no limit.
	InvitationLimit int
	// Now is the clock. Nil: time.Now. It is called by several goroutines at once, and must not call the sandbox. Waiting, for
	// the next attempt of a webhook for example, goes by the real clock.
	Now func() time.Time
}

// Sandbox is one Clerk instance with its signing key, its people and its organizations, and one Stripe account. It is safe for
// concurrent use.
type Sandbox struct {
	baseURL, secretKey, authorizedParty, webhookSecret string
	stripeSecretKey, stripeWebhookSecret               string
	now                                                func() time.Time
	requestLimit, metadataLimit, invitationLimit       int
	plainRoles                                         bool
	clerkMail, stripeMail                              mailbox

	limiter limiter
	faults  faults
	saved   savedAnswers
	courier *courier

	mu            sync.Mutex // guards everything below; taken before the courier's
	key           *signingKey
	keySetsServed int
	dir           *directory
	money         *stripeAccount
	started       int64 // when the directory began, in milliseconds
}

// New makes a sandbox with a fresh signing key and the people described in cast.go. It fails when BaseURL is not an http
// or https origin, when WebhookURL or StripeWebhookURL is no such address, and when a secret is not one.
func New(o Options) (*Sandbox, error) {
	if err := checkOrigin(o.BaseURL); err != nil {
		return nil, err
	}
	secret := cmp.Or(o.WebhookSecret, defaultSecret)
	webhook, err := webhookKey(secret)
	if err != nil {
		return nil, err
	}
	for name, at := range map[string]string{"WebhookURL": o.WebhookURL, "StripeWebhookURL": o.StripeWebhookURL} {
		if u, err := url.Parse(at); at != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return nil, fmt.Errorf("%s %q is not an address such as http://127.0.0.1:8080/webhooks/clerk", name, at)
		}
	}
	stripeSecret := cmp.Or(o.StripeWebhookSecret, defaultStripeSecret)
	if rest, ok := strings.CutPrefix(stripeSecret, secretPrefix); !ok || len(rest) < stripeSecretMin {
		return nil, fmt.Errorf("StripeWebhookSecret is not whsec_ and at least %d characters", stripeSecretMin)
	}
	key, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	s := &Sandbox{
		baseURL:         o.BaseURL,
		secretKey:       cmp.Or(o.SecretKey, defaultSecretKey),
		authorizedParty: o.AuthorizedParty,
		webhookSecret:   secret,
		clerkMail:       mailbox{service: serviceClerk, url: o.WebhookURL, sign: svixSigner(webhook)},
		stripeMail:      mailbox{service: serviceStripe, url: o.StripeWebhookURL, sign: stripeSigner(stripeSecret)},
		stripeSecretKey: cmp.Or(o.StripeSecretKey, defaultSecretKey),
		requestLimit:    cmp.Or(o.RequestLimit, requestsMax),
		metadataLimit:   cmp.Or(o.MetadataLimit, metadataMax),
		invitationLimit: cmp.Or(o.InvitationLimit, invitationsMax),
		plainRoles:      o.PlainRoles,
		now:             o.Now,
		key:             key,

		stripeWebhookSecret: stripeSecret,
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.courier = newCourier(s.now)
	s.Reset()
	return s, nil
}

// Reset brings the cast and its subscription back as they were and forgets all else: faults, limits, idempotency keys, how webhooks
// are sent and those that are pending.
// The signing key stays. It sends no events, so whoever keeps a copy has to fetch anew.
func (s *Sandbox) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.dir, s.started = cast(now), now.Add(-castAge).UnixMilli()
	s.money = seededAccount(s.baseURL, s.now)
	s.money.post = s.postStripe
	s.faults.reset()
	s.saved.reset()
	s.limiter.reset()
	s.courier.reset()
}

// Close gives up the webhooks that are pending and waits for none to be under way. A sandbox that sends none need not be
// closed. Handler still answers afterwards.
func (s *Sandbox) Close() { s.courier.close() }

// Handler serves the sandbox. Every handler of one Sandbox shares its state.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /sandbox/token", s.serveToken)
	mux.HandleFunc("OPTIONS /sandbox/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Headers", "*") // of tracing, which many frontends add to every request
		w.WriteHeader(http.StatusNoContent)
	})
	s.handleControl(mux)
	mux.Handle("GET /clerk/.well-known/jwks.json", s.withFaults(http.HandlerFunc(s.serveKeySet)))
	mux.Handle(clerkRoot+"/", s.clerkAPI())
	mux.HandleFunc(stripeAPIRoot+"/", s.serveStripe)
	s.handlePages(mux)
	return mux
}

// Issuer is the iss of every token: BaseURL and /clerk.
func (s *Sandbox) Issuer() string { return s.baseURL + "/clerk" }

// SecretKey is what the Backend API asks for as a bearer token.
func (s *Sandbox) SecretKey() string { return s.secretKey }

// WebhookSecret is what webhooks are signed with, as CLERK_WEBHOOK_SECRET takes it.
func (s *Sandbox) WebhookSecret() string { return s.webhookSecret }

// StripeSecretKey is what Stripe's API asks for, as STRIPE_SECRET_KEY takes it.
func (s *Sandbox) StripeSecretKey() string { return s.stripeSecretKey }

// StripeWebhookSecret is what Stripe's webhooks are signed with, as STRIPE_WEBHOOK_SECRET takes it.
func (s *Sandbox) StripeWebhookSecret() string { return s.stripeWebhookSecret }

// StripeURL is the base of Stripe's API, as STRIPE_API_URL and stripe-go's BackendConfig.URL take it: what follows is /v1.
func (s *Sandbox) StripeURL() string { return s.baseURL + stripeRoot }

// SeatPrice is the id of the price of a seat, as STRIPE_SEAT_PRICE takes it.
func (s *Sandbox) SeatPrice() string { return seatPrice }

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
