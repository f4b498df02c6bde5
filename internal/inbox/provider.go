package inbox

import (
	"net/http"
	"time"
)

// Provider is somebody who sends signed events.
type Provider struct {
	// Name stands in rows and figures, for instance "clerk".
	Name string
	// Kinds are those that have a figure of their own. Others are received as well.
	Kinds []string
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
}

// Cause is why a request was refused, a word for the log and for figures. The sender
// is not told.
type Cause string

// Error is the word.
func (c Cause) Error() string { return string(c) }

// The causes that there are.
const (
	CauseEncoding  Cause = "encoding"  // the body is encoded
	CauseTooLarge  Cause = "too_large" // the body is over 512 KiB
	CauseBody      Cause = "body"      // the body did not arrive
	CauseBusy      Cause = "busy"      // there is no memory for the body now; it will be sent again
	CauseHeaders   Cause = "headers"   // signature headers are missing, malformed or too many
	CauseTime      Cause = "time"      // signed too long ago, or too far in the future
	CauseSignature Cause = "signature" // no signature is by a secret of ours
	CauseStorage   Cause = "storage"   // the event could not be stored; it will be sent again
)

// Outcome is what became of a request that was let in.
type Outcome string

// The outcomes that there are.
const (
	Stored     Outcome = "stored"     // and handed to at least one consumer
	Ignored    Outcome = "ignored"    // stored, but no consumer wants it
	Unreadable Outcome = "unreadable" // stored and set aside
	Duplicate  Outcome = "duplicate"  // it was there
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

const (
	idMax       = 200 // characters of an id, a kind and an instance
	headerMax   = 4 << 10
	signatories = 16 // signatures of one request that are looked at
)

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
