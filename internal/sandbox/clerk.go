package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
)

// clerkError is one entry of Clerk's error body {"errors": [...]}.
type clerkError struct {
	Code        string `json:"code"`
	Message     string `json:"message"`
	LongMessage string `json:"long_message"`
}

// withSecretKey lets a request through to next when it carries the secret key, and answers 401 as Clerk does when not: one
// code for a missing or malformed header, another for a wrong key.
func (s *Sandbox) withSecretKey(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case !ok || key == "":
			writeClerkError(w, http.StatusUnauthorized, clerkError{
				Code:        "authorization_header_format_invalid",
				Message:     "Invalid Authorization header format",
				LongMessage: `Invalid Authorization header format. Must be "Bearer <YOUR_API_KEY>".`,
			})
		case key != s.secretKey:
			words := "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct."
			writeClerkError(w, http.StatusUnauthorized, clerkError{Code: "clerk_key_invalid", Message: words, LongMessage: words})
		default:
			next(w, r)
		}
	}
}

func writeClerkError(w http.ResponseWriter, status int, errs ...clerkError) {
	writeJSON(w, status, map[string][]clerkError{"errors": errs})
}

// writeJSON answers with body, which must be encodable. A client that has gone away is no one's error.
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
