package clerk

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

// apiError is one entry of Clerk's error body.
type apiError struct {
	Code        string         `json:"code"`
	Message     string         `json:"message"`
	LongMessage string         `json:"long_message"`
	Meta        map[string]any `json:"meta,omitempty"`
}

// writeRefusal writes a refusal as Clerk does. Any other error is a bug of the sandbox.
func writeRefusal(w http.ResponseWriter, err error) {
	r, ok := errors.AsType[*directory.Refusal](err)
	if !ok {
		r = &directory.Refusal{Status: kit.StatusOf(err), Code: "internal_clerk_error", Message: err.Error()}
	}
	if r.Short == "" {
		r.Short = r.Message
	}
	trace := make([]byte, 16)
	_, _ = rand.Read(trace) // never fails
	id := hex.EncodeToString(trace)
	w.Header().Set("Clerk-Trace-Id", id)
	kit.WriteJSON(w, r.Status, struct {
		Errors  []apiError `json:"errors"`
		TraceID string     `json:"clerk_trace_id"`
	}{[]apiError{{Code: r.Code, Message: r.Short, LongMessage: r.Message, Meta: r.Meta}}, id})
}

// statusRefusal returns a refusal about its status alone.
func statusRefusal(status int) error {
	r := &directory.Refusal{Status: status, Code: "bad_request", Message: http.StatusText(status)}
	switch {
	case status == http.StatusTooManyRequests:
		r.Code, r.Message = "too_many_requests", "Too many requests. Please try again in a bit."
	case status == http.StatusUnauthorized:
		r.Code = "authentication_invalid"
	case status == http.StatusForbidden:
		r.Code = "authorization_invalid"
	case status == http.StatusNotFound:
		r.Code = "resource_not_found"
	case status >= http.StatusInternalServerError:
		r.Code, r.Message = "internal_clerk_error", "There was an internal error on our servers."
	}
	if r.Message == "" {
		r.Message = "Status " + strconv.Itoa(status)
	}
	return r
}
