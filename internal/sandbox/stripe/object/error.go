package object

import (
	"fmt"
	"net/http"
)

// The kinds of Stripe's errors: https://docs.stripe.com/api/errors
const (
	TypeInvalidRequest = "invalid_request_error"
	TypeAPI            = "api_error"
	TypeCard           = "card_error"
	TypeIdempotency    = "idempotency_error"
)

// Error is Stripe's error body.
type Error struct {
	Type        string `json:"type"`
	Code        string `json:"code,omitempty"`
	DeclineCode string `json:"decline_code,omitempty"`
	Message     string `json:"message"`
	Param       string `json:"param,omitempty"`
}

// Refusal is an error of Stripe's API: a status, a type, mostly a code, and the parameter it is about.
type Refusal struct {
	Status            int
	Type, Code, Param string
	Message           string
}

func (r *Refusal) Error() string { return r.Message }

// HTTPStatus returns the status of the response.
func (r *Refusal) HTTPStatus() int { return r.Status }

// InvalidRequest returns a refusal of a parameter, or of the request where param is empty.
func InvalidRequest(param, code, format string, args ...any) error {
	return &Refusal{Status: http.StatusBadRequest, Type: TypeInvalidRequest, Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}

// Missing returns a refusal of an id in a path, where param is "id", or in a parameter.
func Missing(param, what, id string) error {
	status := http.StatusBadRequest
	if param == "id" {
		status = http.StatusNotFound
	}
	return &Refusal{
		Status: status, Type: TypeInvalidRequest, Code: "resource_missing", Param: param, Message: fmt.Sprintf("No such %s: '%s'", what, id),
	}
}

// Declined returns a refusal about a declined card.
func Declined() error {
	return &Refusal{Status: http.StatusPaymentRequired, Type: TypeCard, Code: "card_declined", Message: "Your card was declined."}
}
