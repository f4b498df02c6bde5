package clerk

import "github.com/teamtask/teamtask/internal/outbound"

// Kind is the kind of an Error. It is itself an error, so that
// errors.Is(err, clerk.NotFound) asks for it.
type Kind = outbound.Kind

// Error is a call that did not bring what was asked for.
type Error = outbound.Error

// The kinds of errors.
const (
	NotFound    = outbound.NotFound
	Refused     = outbound.Refused
	RateLimited = outbound.RateLimited
	Unavailable = outbound.Unavailable

	// InvalidID is an id that cannot be one of Clerk's, or a status that is none; nothing
	// was sent.
	InvalidID Kind = "invalid_id"
	// NotOffered is something that this instance or its plan does not have.
	NotOffered Kind = "not_offered"
)

const provider = "Clerk"
