package sandbox

import (
	"errors"
	"fmt"
	"net/http"
)

// refusal is an answer to someone who asked for what there is not or what is not theirs: a status and one sentence. Those of
// Clerk's API have a code, a short form of the sentence and sometimes more on it; those of Stripe's a kind, mostly a code, and the
// parameter they are about.
type refusal struct {
	status      int
	words       string
	code, short string
	meta        map[string]any
	kind, param string
}

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, words: fmt.Sprintf(format, args...)}
}

func (r *refusal) Error() string { return r.words }

// writeRefusal answers with a refusal as text. Any other error is a fault of the sandbox.
func writeRefusal(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if r, ok := errors.AsType[*refusal](err); ok {
		status = r.status
		if status == http.StatusUnprocessableEntity { // Clerk's word for a bad body
			status = http.StatusBadRequest
		}
	}
	http.Error(w, err.Error(), status)
}

// The refusals below are Clerk's own. Codes, statuses and words: https://clerk.com/docs/guides/development/errors/backend-api

func notFound(format string, args ...any) error {
	return &refusal{status: http.StatusNotFound, code: "resource_not_found", short: "not found", words: fmt.Sprintf(format, args...)}
}

func organizationNotFound() error { return notFound("Given organization not found.") }

func roleNotFound() error {
	return &refusal{
		status: http.StatusNotFound, code: "resource_not_found", short: "not found", words: "Organization role not found.", meta: about("role"),
	}
}

// badParam is a refusal of one parameter.
func badParam(param, code, short, format string, args ...any) error {
	return &refusal{
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
	return &refusal{
		status: http.StatusBadRequest, code: "already_a_member_in_organization", short: "already a member",
		words: fmt.Sprintf("User %s is already a member of the organization.", user),
	}
}

func about(param string) map[string]any { return map[string]any{"param_name": param} }
