package sandbox

import (
	"errors"
	"fmt"
	"net/http"
)

// The kinds of Stripe's errors: https://docs.stripe.com/api/errors
const (
	kindInvalid     = "invalid_request_error"
	kindAPI         = "api_error"
	kindCard        = "card_error"
	kindIdempotency = "idempotency_error"
)

// stripeError is Stripe's error body.
type stripeError struct {
	Type        string `json:"type"`
	Code        string `json:"code,omitempty"`
	DeclineCode string `json:"decline_code,omitempty"`
	Message     string `json:"message"`
	Param       string `json:"param,omitempty"`
}

// stripeRefusal is an error of Stripe's API: a status, a type, mostly a code, and the parameter it is about.
type stripeRefusal struct {
	status            int
	kind, code, param string
	words             string
}

func (r *stripeRefusal) Error() string { return r.words }

// HTTPStatus returns the status of the response.
func (r *stripeRefusal) HTTPStatus() int { return r.status }

// writeStripeRefusal answers with a refusal as Stripe writes it. Any other error is a fault of the sandbox.
func writeStripeRefusal(w http.ResponseWriter, err error) {
	r, ok := errors.AsType[*stripeRefusal](err)
	if !ok {
		r = &stripeRefusal{status: StatusOf(err), words: err.Error()}
	}
	body := stripeError{Type: r.kind, Code: r.code, Message: r.words, Param: r.param}
	if body.Type == "" {
		body.Type = kindInvalid
		if r.status >= http.StatusInternalServerError {
			body.Type = kindAPI
		}
	}
	if body.Type == kindCard {
		body.DeclineCode = "generic_decline"
	}
	WriteJSON(w, r.status, map[string]stripeError{"error": body})
}

// invalidRequest is a refusal of a parameter, or of the request where param is empty.
func invalidRequest(param, code, format string, args ...any) error {
	return &stripeRefusal{status: http.StatusBadRequest, kind: kindInvalid, code: code, param: param, words: fmt.Sprintf(format, args...)}
}

func unknownStripeParam(name string) error {
	return invalidRequest(name, "parameter_unknown", "Received unknown parameter: %s", name)
}

// missingAt is a refusal of an id in a path, where param is "id", or in a parameter.
func missingAt(param, what, id string) error {
	status := http.StatusBadRequest
	if param == "id" {
		status = http.StatusNotFound
	}
	return &stripeRefusal{
		status: status, kind: kindInvalid, code: "resource_missing", param: param, words: fmt.Sprintf("No such %s: '%s'", what, id),
	}
}

func declined() error {
	return &stripeRefusal{status: http.StatusPaymentRequired, kind: kindCard, code: "card_declined", words: "Your card was declined."}
}

// stripeStatus is a refusal that says no more than its status.
func stripeStatus(status int) error {
	r := &stripeRefusal{status: status, kind: kindInvalid, words: http.StatusText(status)}
	switch {
	case status == http.StatusTooManyRequests:
		r.code, r.words = "rate_limit", "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits."
	case status == http.StatusUnauthorized:
		r.words = "Invalid API Key provided."
	case status == http.StatusPaymentRequired:
		return declined()
	case status == http.StatusNotFound:
		r.code = "resource_missing"
	case status == http.StatusConflict:
		r.code, r.words = "lock_timeout", "This object cannot be accessed right now because another API request or Stripe process is currently accessing it."
	case status >= http.StatusInternalServerError:
		r.kind, r.words = kindAPI, "An unknown error occurred."
	}
	if r.words == "" {
		r.words = fmt.Sprintf("Status %d", status)
	}
	return r
}
