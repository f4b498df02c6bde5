// Package stripe is the sandbox's Stripe: one account behind its API, with idempotency keys and injected failures, its hosted
// pages, its signed webhooks, and the control requests for payments and time.
package stripe

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/pages"
)

// Options configures a server.
type Options struct {
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
	Failures *kit.Failures
	// Deliverer delivers the events.
	Deliverer *kit.Deliverer
}

// Server is one Stripe account behind its API, its hosted pages and the control requests. It is safe for concurrent use.
type Server struct {
	baseURL, secretKey, webhookSecret string
	now                               func() time.Time

	webhook   kit.Destination
	failures  *kit.Failures
	deliverer *kit.Deliverer
	saved     savedResponses

	mu      sync.Mutex // guards everything below; taken before the deliverer's
	account *account.Account
}

// New returns a server. Reset must be called first: it makes the account. New fails when WebhookSecret is malformed.
func New(o Options) (*Server, error) {
	secret := cmp.Or(o.WebhookSecret, defaultSecret)
	if rest, ok := strings.CutPrefix(secret, kit.SecretPrefix); !ok || len(rest) < secretMin {
		return nil, fmt.Errorf("StripeWebhookSecret is not whsec_ and at least %d characters", secretMin)
	}
	return &Server{
		baseURL:       o.BaseURL,
		secretKey:     o.SecretKey,
		webhookSecret: secret,
		webhook:       kit.Destination{Service: kit.Stripe, URL: o.WebhookURL, Sign: sign(secret)},
		now:           o.Now,
		failures:      o.Failures,
		deliverer:     o.Deliverer,
	}, nil
}

// Reset restores the account of the start and drops the idempotency keys. It sends no events. It calls also while the server is
// locked.
func (s *Server) Reset(also func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account = account.New(s.baseURL, s.now)
	s.account.OnEvent = s.deliver
	s.saved.reset()
	also()
}

// Handle serves the API and the hosted pages under /stripe.
func (s *Server) Handle(mux *http.ServeMux) {
	mux.HandleFunc(apiRoot+"/", s.serveAPI)
	(&pages.Pages{Use: s.use}).Handle(mux)
}

// use calls do with the account while the server is locked.
func (s *Server) use(do func(*account.Account) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.Sweep()
	return do(s.account)
}

// URL returns the base of the API, as STRIPE_API_URL takes it.
func (s *Server) URL() string { return s.baseURL + account.Root }

// WebhookSecret returns the secret that webhooks are signed with, as STRIPE_WEBHOOK_SECRET takes it.
func (s *Server) WebhookSecret() string { return s.webhookSecret }

// SeatPrice returns the id of the price of a seat, as STRIPE_SEAT_PRICE takes it.
func (s *Server) SeatPrice() string { return account.SeatPrice }
