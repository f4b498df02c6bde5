package directory

import (
	"fmt"
	"net/http"
)

// Refusal is an error of Clerk's API: a status, a code, one sentence, its short form, and sometimes more about it.
type Refusal struct {
	Status      int
	Code, Short string
	Message     string
	Meta        map[string]any
}

func (r *Refusal) Error() string { return r.Message }

// HTTPStatus returns the status of the response.
func (r *Refusal) HTTPStatus() int { return r.Status }

// The refusals below are Clerk's own. Codes, statuses and words: https://clerk.com/docs/guides/development/errors/backend-api

// NotFound returns a refusal about an object that does not exist.
func NotFound(format string, args ...any) error {
	return &Refusal{Status: http.StatusNotFound, Code: "resource_not_found", Short: "not found", Message: fmt.Sprintf(format, args...)}
}

// OrganizationNotFound returns a refusal about an organization that does not exist.
func OrganizationNotFound() error { return NotFound("Given organization not found.") }

func roleNotFound() error {
	return &Refusal{
		Status: http.StatusNotFound, Code: "resource_not_found", Short: "not found", Message: "Organization role not found.", Meta: ParamMeta("role"),
	}
}

// BadParam returns a refusal of one parameter.
func BadParam(param, code, short, format string, args ...any) error {
	return &Refusal{
		Status: http.StatusUnprocessableEntity, Code: code, Short: short, Message: fmt.Sprintf(format, args...), Meta: ParamMeta(param),
	}
}

// MissingParam returns a refusal about a parameter that is missing.
func MissingParam(param string) error {
	return BadParam(param, "form_param_missing", "is missing", "%s must be included.", param)
}

// BadValue returns a refusal about a value that a parameter does not allow.
func BadValue(param, value string) error {
	return BadParam(param, "form_param_value_invalid", "is invalid", "%s does not match one of the allowed values for parameter %s.", value, param)
}

func alreadyMember(user string) error {
	return &Refusal{
		Status: http.StatusBadRequest, Code: "already_a_member_in_organization", Short: "already a member",
		Message: fmt.Sprintf("User %s is already a member of the organization.", user),
	}
}

// ParamMeta returns the metadata of an error about a parameter.
func ParamMeta(param string) map[string]any { return map[string]any{"param_name": param} }
