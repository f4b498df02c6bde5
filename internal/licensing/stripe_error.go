package licensing

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// StripeKind is the kind of a StripeError. It is itself an error, so that
// errors.Is(err, StripeNotFound) asks for it.
type StripeKind string

// The kinds of a StripeError.
const (
	// StripeUnavailable is everything that is no answer of Stripe's: no connection, no
	// answer in time, 5xx, a page of HTML, a redirect, half a body or too much of it.
	StripeUnavailable StripeKind = "unavailable"
	// StripeRateLimited is a limit, Stripe's or our own below it, that leaves no room
	// before the context's deadline or the last try.
	StripeRateLimited StripeKind = "rate_limited"
	// StripeNotFound is what Stripe itself says there is not; Param says what, where it
	// was not the thing asked for.
	StripeNotFound StripeKind = "not_found"
	// StripeRefused is a request that Stripe refuses; Code says why.
	StripeRefused StripeKind = "refused"
	// StripeIdempotency is an idempotency key that was used before, with other
	// parameters.
	StripeIdempotency StripeKind = "idempotency"
)

// Error makes a StripeKind a target for errors.Is.
func (k StripeKind) Error() string { return string(k) }

// StripeError is a call that did not bring what was asked for.
type StripeError struct {
	Kind       StripeKind
	Method     string        // for instance "customers.create"
	Status     int           // of HTTP; 0: there was no answer
	Code       string        // Stripe's, for instance "resource_missing"; or ""
	Param      string        // the parameter that Stripe names, or ""
	RequestID  string        // Stripe's name of the request, or ""
	RetryAfter time.Duration // how long to wait before asking again; 0: not known
	// Replayed says that Stripe repeats a failure that it stored for the idempotency
	// key, and will for 24 hours: only another key can succeed. What the first request
	// did is not known.
	Replayed bool

	words string
	said  string // Stripe's own sentence about a request that it refuses; for the log alone, and in no other text
	again bool   // the same request may succeed
	dead  bool   // Stripe could not be reached, or could not answer
	lost  bool   // there was no whole answer
	ours  bool   // the secret key is wrong, or of the other mode: no request can succeed
}

// Error is for the log. It holds no secret, and nothing of an answer but Stripe's
// code, parameter and request id.
func (e *StripeError) Error() string {
	var b strings.Builder
	b.WriteString("stripe: ")
	if e.Method != "" {
		b.WriteString(e.Method + ": ")
	}
	b.WriteString(strings.ReplaceAll(string(e.Kind), "_", " "))
	if e.Status != 0 {
		b.WriteString(", status " + strconv.Itoa(e.Status))
	}
	for _, part := range []string{e.Code, e.Param, e.RequestID} {
		if part != "" {
			b.WriteString(", " + part)
		}
	}
	if e.words != "" {
		b.WriteString(": " + e.words)
	}
	return b.String()
}

// Is holds for the error's Kind.
func (e *StripeError) Is(target error) bool {
	k, ok := target.(StripeKind)
	return ok && k == e.Kind
}

// pauses tells whether Stripe wants fewer requests of everybody, and not only that this
// one waits for another.
func (e *StripeError) pauses() bool { return e.Kind == StripeRateLimited && e.Code != codeLockTimeout }

// permanent reports whether the request was refused for what it asks, so that trying again
// cannot help.
func (e *StripeError) permanent() bool {
	return !e.ours && !e.again && (e.Kind == StripeRefused || e.Kind == StripeNotFound)
}

// card reports whether a payment method was refused, and not the request.
func (e *StripeError) card() bool { return e.Status == http.StatusPaymentRequired }

// spends reports whether an error of Stripe's comes again for the same idempotency key, so
// that only another key can succeed. A key that Stripe did not look at is not spent: what
// was made with it before is found by it later.
func spends(err error) bool {
	e, ok := errors.AsType[*StripeError](err)
	return ok && e.Status != http.StatusForbidden && (e.Replayed || e.Kind == StripeIdempotency || e.permanent())
}

// isRefusal tells whether Stripe itself said no.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*StripeError](err)
	return ok && e.Status != 0 && (e.Kind == StripeRefused || e.Kind == StripeNotFound)
}
