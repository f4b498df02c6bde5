package outbound

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

// Kind is the kind of an Error. It is itself an error, so that
// errors.Is(err, outbound.NotFound) asks for it. Providers add kinds of their own.
type Kind string

// The kinds of errors that every provider has.
const (
	// NotFound is what the provider itself says there is not. A 404 from anybody else on
	// the way is Unavailable.
	NotFound Kind = "not_found"
	// Refused is a request that the provider refuses; Code says why.
	Refused Kind = "refused"
	// RateLimited is a limit, the provider's or our own below it, that leaves no room
	// before the context's deadline or the last attempt.
	RateLimited Kind = "rate_limited"
	// Unavailable is everything that is no response of the provider's: no connection, no
	// response in time, 5xx, a page of HTML, a redirect, half a body or too much of it.
	Unavailable Kind = "unavailable"
)

// Error makes a Kind a target for errors.Is.
func (k Kind) Error() string { return string(k) }

// Error is a call that did not bring what was asked for.
type Error struct {
	Kind       Kind
	Provider   string        // for instance "Stripe"
	Method     string        // for instance "customers.create"
	Status     int           // of HTTP; 0: there was no response
	Code       string        // the provider's, for instance "resource_missing"; or ""
	Param      string        // the parameter that the provider names, or ""
	RequestID  string        // the provider's name of the request, or ""
	RetryAfter time.Duration // how long to wait before asking again; 0: not known
	// Replayed is set where the provider repeats a failure that it stored for the
	// idempotency key, and will for a day: only another key can succeed. What the first
	// request did is not known.
	Replayed bool

	Words string // what happened, in words of ours
	Said  string // the provider's own sentence about a request that it refuses; for the log alone, and in no other text

	Retry    bool // the same request may succeed
	Dead     bool // the provider could not be reached, or could not answer
	Lost     bool // there was no whole response
	TooLarge bool // the body was
	Single   bool // a limit that holds up this request alone
	NotSent  bool // no request was sent: the provider could not be reached a moment ago, or our own limit left no room
	Ours     bool // the secret key is wrong, or of the other mode: no request can succeed
}

// Error returns a text for the log. It holds no secret, and nothing of a response but the
// provider's code, parameter and request id.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(prefix(e.Provider) + ": ")
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
	if e.Words != "" {
		b.WriteString(": " + e.Words)
	}
	return b.String()
}

func prefix(provider string) string { return strings.ToLower(provider) }

// Unsent reports whether no request was sent. To whom a call is a job such an error is no
// failed attempt.
func (e *Error) Unsent() bool { return e.NotSent }

// Is reports whether target is the error's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// pauses reports whether the provider wants fewer requests of all callers, and not only
// that this one waits for another.
func (e *Error) pauses() bool { return e.Kind == RateLimited && !e.Single }

// AsFault returns err as a fault that callers may be told, where it is the provider's
// absence or a limit. Other errors are returned as they are.
func AsFault(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != RateLimited && e.Kind != Unavailable {
		return err
	}
	return fault.ProviderUnavailable.Because(err).After(e.RetryAfter)
}
