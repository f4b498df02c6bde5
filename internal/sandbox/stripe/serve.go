package stripe

import (
	"net/http"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/api"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

const (
	apiRoot        = account.Root + "/v1"
	idempotencyMax = 255 // characters of a key
	savedFor       = 24 * time.Hour
	versionHeader  = "Stripe-Version"
	secretMin      = 16                                        // characters behind whsec_
	defaultSecret  = "whsec_teamtaskSandboxOfStripe0123456789" //nolint:gosec // public, as the secret key of the sandbox is
)

// serveAPI serves Stripe's API as of version 2023-10-16, as far as teamtask needs it: behind the secret key, once for each
// idempotency key, and with injected failures. It refuses methods and parameters that it does not know.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	id := kit.FreshID("req_")
	w.Header().Set("Request-Id", id)
	w.Header().Set(versionHeader, object.Version)
	if err := s.check(r); err != nil {
		api.WriteRefusal(w, err)
		return
	}
	f, canonical, err := form.Read(r)
	if err != nil {
		api.WriteRefusal(w, err)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	q := api.Request{RequestID: id, Method: r.Method, Path: pathOf(r.URL.Path), Form: f}
	if key == "" || r.Method != http.MethodPost {
		if response, _ := s.try(r, q); response != nil {
			response.Write(w)
		}
		return
	}
	if len(key) > idempotencyMax {
		api.WriteRefusal(w, object.InvalidRequest("", "", "Idempotency keys have up to %d characters.", idempotencyMax))
		return
	}
	q.IdempotencyKey = key
	w.Header().Set("Idempotency-Key", key)
	entry, was, err := s.saved.claim(key, q.Method+" "+q.Path, canonical, s.now())
	switch {
	case err != nil:
		api.WriteRefusal(w, err)
	case was != nil:
		was.Write(w)
	default:
		var response, saved *api.Response
		defer func() { s.saved.settle(key, entry, saved) }()
		if response, saved = s.try(r, q); response != nil {
			response.Write(w)
		}
	}
}

// check refuses a request without the secret key, or for another version of the API.
func (s *Server) check(r *http.Request) error {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if user, _, basic := r.BasicAuth(); basic { // as curl -u sk_test_...: sends it
		key, ok = user, true
	}
	unauthorized := &object.Refusal{Status: http.StatusUnauthorized, Type: object.TypeInvalidRequest}
	switch version := r.Header.Get(versionHeader); {
	case !ok || key == "":
		unauthorized.Message = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth."
		return unauthorized
	case key != s.secretKey:
		unauthorized.Message = "Invalid API Key provided."
		return unauthorized
	case version != "" && version != object.Version:
		return object.InvalidRequest("", "", "The sandbox responds as version %s, not as %s.", object.Version, version)
	}
	return nil
}

// pathOf returns the path behind the version, which may occur twice or not at all.
func pathOf(path string) string {
	path = strings.TrimPrefix(path, account.Root)
	for range 2 {
		if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
			path = "/" + rest
		}
	}
	return path
}

// do carries a request out.
func (s *Server) do(q api.Request) api.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	return api.Respond(s.account, q)
}
