package inbox

import (
	"net/http"
	"time"

	"github.com/teamtask/teamtask/internal/webhook"
)

// Provider is somebody who sends signed events.
type Provider struct {
	// Name stands in rows and figures, for instance "clerk".
	Name string
	// Kinds are those that have a figure of their own. Others are received as well.
	Kinds []string
	// Check looks at the headers alone, before anything of the body is read: a request that
	// cannot be signed, by them, is refused with a Cause.
	Check func(now time.Time, h http.Header) error
	// Verify tells whether the request was signed by the provider, about now. It
	// refuses with a Cause.
	Verify func(now time.Time, h http.Header, body []byte) error
	// Read reads a request that is verified.
	Read func(h http.Header, body []byte) Envelope
}

// Envelope is what is the same for all events. An empty Kind is an event that cannot
// be read; it is set aside. An empty ID is replaced by a hash of the body. What is not
// of printable ASCII without blanks, or too long, counts as empty.
type Envelope struct {
	ID       string
	Kind     string
	Instance string
	// Gone is the id of a person whom the provider has deleted, "" for none. What
	// events say of them is removed.
	Gone string
	// Thing is what the event is about.
	Thing Thing
	// Inapplicable is a signed event in a form of the provider's that no consumer can
	// apply. It is stored, logged as a warning and counted.
	Inapplicable bool
}

// Signatures verifies that requests are signed by a provider. It refuses with a Cause.
type Signatures interface {
	// Check looks at the headers alone, before anything of the body is read.
	Check(now time.Time, h http.Header) error
	// Verify looks at the headers and the body.
	Verify(now time.Time, h http.Header, body []byte) error
}

// Cause is why a request was refused, a word for the log and for metrics. The sender does
// not see it.
type Cause = webhook.Cause

// The causes that there are.
const (
	CauseEncoding  Cause = "encoding"             // the body is encoded
	CauseTooLarge  Cause = "too_large"            // the body is over 512 KiB
	CauseBody      Cause = "body"                 // the body did not arrive
	CauseBusy      Cause = "busy"                 // there is no memory for the body now; it will be sent again
	CauseHeaders         = webhook.CauseHeaders   // signature headers are missing, malformed or too many
	CauseTime            = webhook.CauseTime      // signed too long ago, or too far in the future
	CauseSignature       = webhook.CauseSignature // no signature is by a secret of ours
	CauseStorage   Cause = "storage"              // the event could not be stored; it will be sent again
)

// Outcome is what became of a request that was let in.
type Outcome string

// The outcomes that there are.
const (
	Stored     Outcome = "stored"     // and handed to at least one consumer
	Ignored    Outcome = "ignored"    // stored, but no consumer wants it
	Unreadable Outcome = "unreadable" // stored and set aside
	Duplicate  Outcome = "duplicate"  // it was there
	// Reopened is an event that was there and is handed to a consumer once more: its
	// delivery was set aside, or lost its job, or the event could not be read or was not
	// wanted when it came first.
	Reopened Outcome = "reopened"
	// Inapplicable is an event in a form that nothing here can apply; it is stored.
	Inapplicable Outcome = "inapplicable"
)

// Receipt is how a request to receive ended: with an outcome or with a cause. All
// values come from short lists.
type Receipt struct {
	Provider string
	Kind     string // one of Provider.Kinds, or "other"
	Outcome  Outcome
	Cause    Cause
}

const otherKind = "other"

const idMax = 200 // characters of an id, a kind and an instance

// word is s where it is short and of the characters that ids and kinds are made of,
// and "" otherwise.
func word(s string) string {
	if len(s) > idMax {
		return ""
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return ""
		}
	}
	return s
}
