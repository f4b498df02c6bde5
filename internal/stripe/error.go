package stripe

import (
	"errors"
	"net/http"

	"github.com/teamtask/teamtask/internal/outbound"
)

// Kind is the kind of an Error. It is itself an error, so that
// errors.Is(err, stripe.NotFound) asks for it.
type Kind = outbound.Kind

// Error is a call that did not bring what was asked for.
type Error = outbound.Error

// The kinds of an Error.
const (
	Unavailable = outbound.Unavailable
	RateLimited = outbound.RateLimited
	Refused     = outbound.Refused
	// NotFound is what Stripe itself says there is not; Param says what, where it
	// was not the thing asked for.
	NotFound = outbound.NotFound
	// Idempotency is an idempotency key that was used before, with other
	// parameters.
	Idempotency Kind = "idempotency"
)

// Inconsistent returns the error of a response to the method that contradicts another one
// of Stripe's. It may heal.
func Inconsistent(method, words string) *Error {
	return &Error{Provider: provider, Kind: Unavailable, Method: method, Words: words}
}

// Permanent reports whether the request was refused for what it asks, so that trying again
// cannot help.
func Permanent(e *Error) bool {
	return !e.Ours && !e.Retry && (e.Kind == Refused || e.Kind == NotFound)
}

// CardRefused reports whether a payment method was refused, and not the request.
func CardRefused(e *Error) bool { return e.Status == http.StatusPaymentRequired }

// Spends reports whether an error of Stripe's comes again for the same idempotency key, so
// that only another key can succeed. A key that Stripe did not look at is not spent: what
// was made with it before is found by it later.
func Spends(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status != http.StatusForbidden && (e.Replayed || e.Kind == Idempotency || Permanent(e))
}

// isRefusal reports whether Stripe itself refused the request.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status != 0 && (e.Kind == Refused || e.Kind == NotFound)
}
