// Package fault holds the failures a caller may be told: a code, a stable reason
// and plain words. It is the one place where an error meets the wire; what is not
// a fault leaves as "internal error" and a request id, and is kept in the log.
package fault

import (
	"maps"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// Fault is a failure that the caller may be told. Faults are declared as package
// variables beside the rule that raises them and are never changed: With, Because
// and After answer changed copies. A Fault is safe to share.
type Fault struct {
	code     connect.Code
	reason   teamtaskv1.Reason
	words    string
	metadata map[string]string
	retry    time.Duration
	cause    error
}

// New declares a fault. The words are what the caller reads.
func New(code connect.Code, reason teamtaskv1.Reason, words string) *Fault {
	return &Fault{code: code, reason: reason, words: words}
}

// Faults that belong to no rule of a domain.
var (
	// Invalid is a request that cannot be read or breaks a rule of its message.
	Invalid = New(connect.CodeInvalidArgument, teamtaskv1.Reason_REASON_INVALID_ARGUMENT, "the request is not valid")
	// TooLarge is a message over the size that the server reads or sends.
	TooLarge = New(connect.CodeResourceExhausted, teamtaskv1.Reason_REASON_MESSAGE_TOO_LARGE, "the message is too large")
	// Overloaded is a call that came while too many others were at work: nothing of it
	// was done, and trying again a little later makes sense.
	Overloaded = New(connect.CodeResourceExhausted, teamtaskv1.Reason_REASON_OVERLOADED, "the server has too much to do; try again in a moment").After(time.Second)
	// DeadlineExceeded is a call that took longer than its deadline.
	DeadlineExceeded = New(connect.CodeDeadlineExceeded, teamtaskv1.Reason_REASON_DEADLINE_EXCEEDED, "the call took longer than its deadline")
	// ProviderUnavailable is an identity or payment provider that cannot be reached.
	ProviderUnavailable = New(connect.CodeUnavailable, teamtaskv1.Reason_REASON_PROVIDER_UNAVAILABLE, "a provider cannot be reached; try again later")
	// DirectoryNotConfigured is a call that needs Clerk's directory on a server that has
	// none.
	DirectoryNotConfigured = New(connect.CodeUnavailable, teamtaskv1.Reason_REASON_DIRECTORY_NOT_CONFIGURED, "this server has no directory of members configured")
	// BillingNotConfigured is a call that needs Stripe on a server that has none.
	BillingNotConfigured = New(connect.CodeUnavailable, teamtaskv1.Reason_REASON_BILLING_NOT_CONFIGURED, "this server has no billing configured")
	// DatabaseUnavailable is a database that cannot be reached or takes no work.
	DatabaseUnavailable = New(connect.CodeUnavailable, teamtaskv1.Reason_REASON_DATABASE_UNAVAILABLE, "the database cannot be reached; try again later")

	canceled = New(connect.CodeCanceled, teamtaskv1.Reason_REASON_UNSPECIFIED, "the call was canceled")
)

// With returns the fault with one more metadata entry.
func (f *Fault) With(key, value string) *Fault {
	c := *f
	c.metadata = maps.Clone(f.metadata)
	if c.metadata == nil {
		c.metadata = make(map[string]string, 1)
	}
	c.metadata[key] = value
	return &c
}

// Saying returns the fault with other words for the caller.
func (f *Fault) Saying(words string) *Fault {
	c := *f
	c.words = words
	return &c
}

// Because returns the fault with its cause, which only the log gets to see.
func (f *Fault) Because(cause error) *Fault {
	c := *f
	c.cause = cause
	return &c
}

// After returns the fault with the time after which trying again makes sense.
func (f *Fault) After(d time.Duration) *Fault {
	c := *f
	c.retry = d
	return &c
}

// OnRead is the fault as what may end the reading of a request: Connect passes it on from
// there, and the exit knows it again.
func (f *Fault) OnRead() error { return connect.NewError(f.code, f) }

// Reason is the stable reason, for instance REASON_TASK_NOT_FOUND.
func (f *Fault) Reason() teamtaskv1.Reason { return f.reason }

// Code is the code that the fault has on the wire.
func (f *Fault) Code() connect.Code { return f.code }

// Error is for the log: the words, and the cause where there is one.
func (f *Fault) Error() string {
	if f.cause != nil {
		return f.words + ": " + f.cause.Error()
	}
	return f.words
}

// Unwrap is the cause, or nil.
func (f *Fault) Unwrap() error { return f.cause }

// Is holds for faults of the same code and reason, whatever their metadata and
// cause, so that errors.Is(err, NotFound) works on copies.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.code == f.code && t.reason == f.reason
}
