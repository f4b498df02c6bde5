package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

const clerkRoot = "/clerk/v1"

// api serves Clerk's Backend API as its version 2025-04-10 answers, as far as teamtask needs it: behind the secret key,
// within the limits and with the faults that were asked for. What it does not know it refuses, parameters too.
func (s *clerkServer) api() http.Handler {
	return s.withSecretKey(s.withLimits(s.withFailures(s.methods())))
}

// methods is the API and nothing before it.
func (s *clerkServer) methods() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+clerkRoot+"/jwks", s.serveKeySet)
	for pattern, method := range map[string]func(*http.Request) (any, error){
		"GET /organization_roles": s.listRoles,

		"GET /users":                                 s.listUsers,
		"POST /users":                                s.postUser,
		"GET /users/count":                           s.countUsers,
		"GET /users/{user}":                          s.getUser,
		"PATCH /users/{user}":                        s.patchUser,
		"DELETE /users/{user}":                       s.removeUser,
		"PATCH /users/{user}/metadata":               s.patchUserMetadata,
		"GET /users/{user}/organization_memberships": s.listUserMemberships,

		"GET /organizations":                           s.listOrganizations,
		"POST /organizations":                          s.postOrganization,
		"GET /organizations/{organization}":            s.getOrganization,
		"PATCH /organizations/{organization}":          s.patchOrganization,
		"DELETE /organizations/{organization}":         s.removeOrganization,
		"PATCH /organizations/{organization}/metadata": s.patchOrganizationMetadata,

		"GET /organizations/{organization}/memberships":                   s.listMemberships,
		"POST /organizations/{organization}/memberships":                  s.postMembership,
		"PATCH /organizations/{organization}/memberships/{user}":          s.patchMembership,
		"DELETE /organizations/{organization}/memberships/{user}":         s.removeMembership,
		"PATCH /organizations/{organization}/memberships/{user}/metadata": s.patchMembershipMetadata,

		"GET /organizations/{organization}/invitations":                      s.listInvitations,
		"POST /organizations/{organization}/invitations":                     s.postInvitation,
		"GET /organizations/{organization}/invitations/{invitation}":         s.getInvitation,
		"POST /organizations/{organization}/invitations/{invitation}/revoke": s.revokeInvitation,
	} {
		verb, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(verb+" "+clerkRoot+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := method(r)
			if err != nil {
				writeClerkRefusal(w, err)
				return
			}
			WriteJSON(w, http.StatusOK, body)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse, pattern := mux.Handler(r); pattern == "" {
			done := NewRecorder()
			refuse.ServeHTTP(done, r) // 404, or 405 with Allow
			maps.Copy(w.Header(), done.Header())
			unknown := &clerkRefusal{status: done.Status, code: "resource_not_found", short: "URL not found", words: "The URL was not found."}
			if done.Status == http.StatusMethodNotAllowed {
				unknown.code, unknown.short, unknown.words = "method_not_allowed", "", "The URL does not know this method."
			}
			writeClerkRefusal(w, unknown)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// withSecretKey lets a request through to next when it carries the secret key, and answers 401 as Clerk does when not: one
// code for a missing or malformed header, another for a wrong key.
func (s *clerkServer) withSecretKey(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case !ok || key == "":
			writeClerkRefusal(w, &clerkRefusal{
				status: http.StatusUnauthorized, code: "authorization_header_format_invalid",
				short: "Invalid Authorization header format",
				words: `Invalid Authorization header format. Must be "Bearer <YOUR_API_KEY>".`,
			})
		case key != s.secretKey:
			words := "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct."
			writeClerkRefusal(w, &clerkRefusal{status: http.StatusUnauthorized, code: "clerk_key_invalid", short: words, words: words})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// withLimits refuses what is beyond Clerk's limits: 1000 requests in 10 s in all but for the key set, 10 changes of metadata in
// 10 s to one user, organization or membership, and 250 invitations in an hour in all.
// https://clerk.com/docs/guides/how-clerk-works/system-limits
func (s *clerkServer) withLimits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var wait int
		if r.URL.Path != clerkRoot+"/jwks" {
			wait = s.limiter.take("requests", s.requestLimit, limitWindow, s.now())
		}
		switch {
		case wait > 0:
		case r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/metadata"):
			wait = s.limiter.take(r.URL.Path, s.metadataLimit, limitWindow, s.now())
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/invitations"):
			wait = s.limiter.take("invitations", s.invitationLimit, invitationWindow, s.now())
		}
		if wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(wait))
			writeClerkRefusal(w, statusRefusal(http.StatusTooManyRequests))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// clerkError is one entry of Clerk's error body.
type clerkError struct {
	Code        string         `json:"code"`
	Message     string         `json:"message"`
	LongMessage string         `json:"long_message"`
	Meta        map[string]any `json:"meta,omitempty"`
}

// writeClerkRefusal answers with a refusal as Clerk writes it. Any other error is a fault of the sandbox.
func writeClerkRefusal(w http.ResponseWriter, err error) {
	r, ok := errors.AsType[*clerkRefusal](err)
	if !ok {
		r = &clerkRefusal{status: StatusOf(err), code: "internal_clerk_error", words: err.Error()}
	}
	if r.short == "" {
		r.short = r.words
	}
	trace := make([]byte, 16)
	_, _ = rand.Read(trace) // never fails
	id := hex.EncodeToString(trace)
	w.Header().Set("Clerk-Trace-Id", id)
	WriteJSON(w, r.status, struct {
		Errors  []clerkError `json:"errors"`
		TraceID string       `json:"clerk_trace_id"`
	}{[]clerkError{{Code: r.code, Message: r.short, LongMessage: r.words, Meta: r.meta}}, id})
}
