package sandbox

import (
	"fmt"
	"net/http"
	"strconv"
)

// clerkRefusal is an error of Clerk's API: a status, a code, one sentence, its short form, and sometimes more about it.
type clerkRefusal struct {
	status      int
	code, short string
	words       string
	meta        map[string]any
}

func (r *clerkRefusal) Error() string { return r.words }

// HTTPStatus returns the status of the response.
func (r *clerkRefusal) HTTPStatus() int { return r.status }

// The refusals below are Clerk's own. Codes, statuses and words: https://clerk.com/docs/guides/development/errors/backend-api

func notFound(format string, args ...any) error {
	return &clerkRefusal{status: http.StatusNotFound, code: "resource_not_found", short: "not found", words: fmt.Sprintf(format, args...)}
}

func organizationNotFound() error { return notFound("Given organization not found.") }

func roleNotFound() error {
	return &clerkRefusal{
		status: http.StatusNotFound, code: "resource_not_found", short: "not found", words: "Organization role not found.", meta: about("role"),
	}
}

// badParam is a refusal of one parameter.
func badParam(param, code, short, format string, args ...any) error {
	return &clerkRefusal{
		status: http.StatusUnprocessableEntity, code: code, short: short, words: fmt.Sprintf(format, args...), meta: about(param),
	}
}

func missingParam(param string) error {
	return badParam(param, "form_param_missing", "is missing", "%s must be included.", param)
}

func badValue(param, value string) error {
	return badParam(param, "form_param_value_invalid", "is invalid", "%s does not match one of the allowed values for parameter %s.", value, param)
}

func alreadyMember(user string) error {
	return &clerkRefusal{
		status: http.StatusBadRequest, code: "already_a_member_in_organization", short: "already a member",
		words: fmt.Sprintf("User %s is already a member of the organization.", user),
	}
}

func about(param string) map[string]any { return map[string]any{"param_name": param} }

// statusRefusal returns a refusal that says no more than its status.
func statusRefusal(status int) error {
	r := &clerkRefusal{status: status, code: "bad_request", words: http.StatusText(status)}
	switch {
	case status == http.StatusTooManyRequests:
		r.code, r.words = "too_many_requests", "Too many requests. Please try again in a bit."
	case status == http.StatusUnauthorized:
		r.code = "authentication_invalid"
	case status == http.StatusForbidden:
		r.code = "authorization_invalid"
	case status == http.StatusNotFound:
		r.code = "resource_not_found"
	case status >= http.StatusInternalServerError:
		r.code, r.words = "internal_clerk_error", "There was an internal error on our servers."
	}
	if r.words == "" {
		r.words = "Status " + strconv.Itoa(status)
	}
	return r
}
