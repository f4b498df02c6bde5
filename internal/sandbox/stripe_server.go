package sandbox

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// StripeOptions configures a server.
type StripeOptions struct {
	// BaseURL is the origin the sandbox is reached at, without a trailing slash.
	BaseURL string
	// SecretKey is the API key that requests must carry.
	SecretKey string
	// WebhookURL is where events are sent, besides the endpoints made through the API. Empty: to those alone.
	WebhookURL string
	// WebhookSecret signs them: whsec_ and at least 16 characters. Empty: a public secret, see Server.WebhookSecret.
	WebhookSecret string
	// Now is the clock. It is called concurrently.
	Now func() time.Time
	// Failures are the injected failures.
	Failures *Failures
	// Deliverer delivers the events.
	Deliverer *Deliverer
}

// stripeServer is one Stripe account behind its API, its hosted pages and the control requests. It is safe for concurrent use.
type stripeServer struct {
	baseURL, secretKey, webhookSecret string
	now                               func() time.Time

	webhook   Destination
	failures  *Failures
	deliverer *Deliverer
	saved     savedAnswers

	mu      sync.Mutex // guards everything below; taken before the deliverer's
	account *stripeAccount
}

// NewStripe returns a server without an account: Reset brings it. It fails when WebhookSecret is not one.
func NewStripe(o StripeOptions) (*stripeServer, error) {
	secret := cmp.Or(o.WebhookSecret, defaultStripeSecret)
	if rest, ok := strings.CutPrefix(secret, SecretPrefix); !ok || len(rest) < stripeSecretMin {
		return nil, fmt.Errorf("StripeWebhookSecret is not whsec_ and at least %d characters", stripeSecretMin)
	}
	return &stripeServer{
		baseURL:       o.BaseURL,
		secretKey:     o.SecretKey,
		webhookSecret: secret,
		webhook:       Destination{Service: Stripe, URL: o.WebhookURL, Sign: stripeSigner(secret)},
		now:           o.Now,
		failures:      o.Failures,
		deliverer:     o.Deliverer,
	}, nil
}

// Reset brings the account of the start back, with its subscription, and drops all else, idempotency keys too. It sends no events. It calls
// also before any other request is served.
func (s *stripeServer) Reset(also func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account = seededAccount(s.baseURL, s.now)
	s.account.post = s.postStripe
	s.saved.reset()
	also()
}

// Handle serves the API and the hosted pages under /stripe.
func (s *stripeServer) Handle(mux *http.ServeMux) {
	mux.HandleFunc(stripeAPIRoot+"/", s.serveStripe)
	(&stripePages{use: s.use}).handle(mux)
}

// use calls do with the account, which nothing else changes meanwhile.
func (s *stripeServer) use(do func(*stripeAccount) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.sweep()
	return do(s.account)
}

// URL returns the base of the API, as STRIPE_API_URL takes it.
func (s *stripeServer) URL() string { return s.baseURL + stripeRoot }

// WebhookSecret returns the secret that webhooks are signed with, as STRIPE_WEBHOOK_SECRET takes it.
func (s *stripeServer) WebhookSecret() string { return s.webhookSecret }
