package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// WriteRefusal writes a refusal as Stripe does. Any other error is a bug of the sandbox.
func WriteRefusal(w http.ResponseWriter, err error) {
	r, ok := errors.AsType[*object.Refusal](err)
	if !ok {
		r = &object.Refusal{Status: kit.StatusOf(err), Message: err.Error()}
	}
	body := object.Error{Type: r.Type, Code: r.Code, Message: r.Message, Param: r.Param}
	if body.Type == "" {
		body.Type = object.TypeInvalidRequest
		if r.Status >= http.StatusInternalServerError {
			body.Type = object.TypeAPI
		}
	}
	if body.Type == object.TypeCard {
		body.DeclineCode = "generic_decline"
	}
	kit.WriteJSON(w, r.Status, map[string]object.Error{"error": body})
}

// StatusRefusal returns a refusal about its status alone.
func StatusRefusal(status int) error {
	r := &object.Refusal{Status: status, Type: object.TypeInvalidRequest, Message: http.StatusText(status)}
	switch {
	case status == http.StatusTooManyRequests:
		r.Code, r.Message = "rate_limit", "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits."
	case status == http.StatusUnauthorized:
		r.Message = "Invalid API Key provided."
	case status == http.StatusPaymentRequired:
		return object.Declined()
	case status == http.StatusNotFound:
		r.Code = "resource_missing"
	case status == http.StatusConflict:
		r.Code, r.Message = "lock_timeout", "This object cannot be accessed right now because another API request or Stripe process is currently accessing it."
	case status >= http.StatusInternalServerError:
		r.Type, r.Message = object.TypeAPI, "An unknown error occurred."
	}
	if r.Message == "" {
		r.Message = fmt.Sprintf("Status %d", status)
	}
	return r
}
