package clerk

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

// Kind is the kind of an Error. It is itself an error, so that
// errors.Is(err, clerk.NotFound) asks for it.
type Kind string

// The kinds of errors.
const (
	// InvalidID is an id that cannot be one of Clerk's, or a status that is none;
	// nothing was sent.
	InvalidID Kind = "invalid_id"
	// NotFound is what Clerk itself says there is not. A 404 from anybody else on the
	// way is Unavailable.
	NotFound Kind = "not_found"
	// Refused is a request that Clerk refuses; Code says why.
	Refused Kind = "refused"
	// NotOffered is something that this instance or its plan does not have.
	NotOffered Kind = "not_offered"
	// RateLimited is a limit, Clerk's or our own below it, that leaves no room before
	// the context's deadline or the last try.
	RateLimited Kind = "rate_limited"
	// Unavailable is everything that is no answer of Clerk's: no connection, no answer
	// in time, 5xx, a page of HTML, a redirect, half a body or too much of it.
	Unavailable Kind = "unavailable"
)

// Error makes a Kind a target for errors.Is.
func (k Kind) Error() string { return string(k) }

// Error is a call that did not bring what was asked for.
type Error struct {
	Kind       Kind
	Method     string        // of Client
	Status     int           // of HTTP; 0: there was no answer
	Code       string        // Clerk's, for instance "resource_not_found"; or ""
	RetryAfter time.Duration // how long to wait before asking again; 0: not known

	words    string
	again    bool // the same request may succeed
	dead     bool // Clerk could not be reached, or could not answer
	lost     bool // there was no whole answer
	tooLarge bool // the body was
}

// Error is for the log. It holds no secret and nothing of an answer but Clerk's
// code.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("clerk: ")
	if e.Method != "" {
		b.WriteString(e.Method + ": ")
	}
	b.WriteString(strings.ReplaceAll(string(e.Kind), "_", " "))
	if e.Status != 0 {
		b.WriteString(", status " + strconv.Itoa(e.Status))
	}
	if e.Code != "" {
		b.WriteString(", " + e.Code)
	}
	if e.words != "" {
		b.WriteString(": " + e.words)
	}
	return b.String()
}

// Is holds for the error's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// stated is err as it leaves the package.
func stated(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != RateLimited && e.Kind != Unavailable {
		return err
	}
	return fault.ProviderUnavailable.Because(e).After(e.RetryAfter)
}
