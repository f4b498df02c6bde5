// Package clerk is the sandbox's Clerk: the Backend API over a directory, session tokens and their key set, and webhooks signed
// as Svix signs them.
package clerk

import (
	"cmp"
	"net/http"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
	"github.com/teamtask/teamtask/internal/sandbox/clerk/token"
	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

// Options configures a server.
type Options struct {
	// BaseURL is the origin the sandbox is reached at, without a trailing slash.
	BaseURL string
	// SecretKey is the bearer token that the Backend API requires.
	SecretKey string
	// AuthorizedParty is the azp of the tokens. Empty: they carry none.
	AuthorizedParty string
	// WebhookURL is where events are sent. Empty: nowhere.
	WebhookURL string
	// WebhookSecret signs them: whsec_ and the key in base64. Empty: a public secret, see Server.WebhookSecret.
	WebhookSecret string
	// PlainRoles makes the list of roles that of a new instance: admin and member, without custom permissions.
	PlainRoles bool
	// RequestLimit is the number of requests in 10 s, without those for the key set. Zero: 1000. Below zero: no limit.
	RequestLimit int
	// MetadataLimit is the number of metadata changes in 10 s to one user, organization or membership. Zero: 10. Below zero: no
	// limit.
	MetadataLimit int
	// InvitationLimit is the number of invitations in an hour. Zero: 250. Below zero: no limit.
	InvitationLimit int
	// Now is the clock. It is called concurrently.
	Now func() time.Time
	// Failures are the injected failures.
	Failures *kit.Failures
	// Deliverer delivers the events.
	Deliverer *kit.Deliverer
}

// Server is one Clerk instance with its signing key, its people and its organizations. It is safe for concurrent use.
type Server struct {
	baseURL, secretKey, authorizedParty, webhookSecret string
	now                                                func() time.Time
	requestLimit, metadataLimit, invitationLimit       int
	plainRoles                                         bool

	webhook   kit.Destination
	limiter   limiter
	failures  *kit.Failures
	deliverer *kit.Deliverer

	mu            sync.Mutex // guards everything below; taken before the deliverer's
	key           *token.Key
	keySetsServed int
	dir           *directory.Directory
}

// New returns a server with a fresh signing key. Reset must be called first: it makes the directory. New fails when WebhookSecret
// is malformed.
func New(o Options) (*Server, error) {
	secret := cmp.Or(o.WebhookSecret, defaultSecret)
	webhook, err := webhookKey(secret)
	if err != nil {
		return nil, err
	}
	key, err := token.NewKey()
	if err != nil {
		return nil, err
	}
	return &Server{
		baseURL:         o.BaseURL,
		secretKey:       o.SecretKey,
		authorizedParty: o.AuthorizedParty,
		webhookSecret:   secret,
		webhook:         kit.Destination{Service: kit.Clerk, URL: o.WebhookURL, Sign: svixSigner(webhook)},
		requestLimit:    cmp.Or(o.RequestLimit, requestsMax),
		metadataLimit:   cmp.Or(o.MetadataLimit, metadataMax),
		invitationLimit: cmp.Or(o.InvitationLimit, invitationsMax),
		plainRoles:      o.PlainRoles,
		now:             o.Now,
		failures:        o.Failures,
		deliverer:       o.Deliverer,
		key:             key,
	}, nil
}

// Reset restores the people and organizations of the start and the limits. The signing key stays. It sends no events. It calls
// also while the server is locked.
func (s *Server) Reset(also func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir = directory.New(s.now, s.baseURL)
	s.dir.OnEvent = s.deliver
	s.limiter.reset()
	also()
}

// Handle serves the key set and the Backend API under /clerk, and session tokens under /sandbox/token.
func (s *Server) Handle(mux *http.ServeMux) {
	mux.HandleFunc("GET /sandbox/token", s.serveToken)
	mux.HandleFunc("OPTIONS /sandbox/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Headers", "*") // of tracing, which many frontends add to every request
		w.WriteHeader(http.StatusNoContent)
	})
	mux.Handle("GET /clerk/.well-known/jwks.json", s.withFailures(http.HandlerFunc(s.serveKeySet)))
	mux.Handle(root+"/", s.api())
}

// Issuer returns the iss of every token: BaseURL and /clerk.
func (s *Server) Issuer() string { return s.baseURL + "/clerk" }

// WebhookSecret returns the secret that webhooks are signed with, as CLERK_WEBHOOK_SECRET takes it.
func (s *Server) WebhookSecret() string { return s.webhookSecret }
