package clerk

import (
	"maps"
	"net/http"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

const root = "/clerk/v1"

// api serves Clerk's Backend API as of version 2025-04-10, as far as teamtask needs it: behind the secret key, within the limits,
// and with injected failures. It refuses methods and parameters that it does not know.
func (s *Server) api() http.Handler {
	return s.withSecretKey(s.withLimits(s.withFailures(s.methods())))
}

// methods returns the API without its key, limits and failures.
func (s *Server) methods() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+root+"/jwks", s.serveKeySet)
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
		mux.HandleFunc(verb+" "+root+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := method(r)
			if err != nil {
				writeRefusal(w, err)
				return
			}
			kit.WriteJSON(w, http.StatusOK, body)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse, pattern := mux.Handler(r); pattern == "" {
			done := kit.NewRecorder()
			refuse.ServeHTTP(done, r) // 404, or 405 with Allow
			maps.Copy(w.Header(), done.Header())
			unknown := &directory.Refusal{Status: done.Status, Code: "resource_not_found", Short: "URL not found", Message: "The URL was not found."}
			if done.Status == http.StatusMethodNotAllowed {
				unknown.Code, unknown.Short, unknown.Message = "method_not_allowed", "", "The URL does not know this method."
			}
			writeRefusal(w, unknown)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// withSecretKey passes a request with the secret key on and refuses others with 401 as Clerk does: one code for a missing or
// malformed header, another for a wrong key.
func (s *Server) withSecretKey(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case !ok || key == "":
			writeRefusal(w, &directory.Refusal{
				Status: http.StatusUnauthorized, Code: "authorization_header_format_invalid",
				Short:   "Invalid Authorization header format",
				Message: `Invalid Authorization header format. Must be "Bearer <YOUR_API_KEY>".`,
			})
		case key != s.secretKey:
			words := "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct."
			writeRefusal(w, &directory.Refusal{Status: http.StatusUnauthorized, Code: "clerk_key_invalid", Short: words, Message: words})
		default:
			next.ServeHTTP(w, r)
		}
	})
}
