// Package webhook is what the signature schemes of webhook senders have in common:
// HMAC-SHA256 over a time and the body, with several signatures and several secrets.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"time"
)

const (
	// HeaderMax is the largest signature header that is read, in bytes.
	HeaderMax = 4 << 10
	// SignaturesMax is how many signatures of one request are looked at.
	SignaturesMax = 16

	tolerance = 300 // seconds between the signature and now, in both directions
)

// Cause is why a request was refused, a word for the log and for metrics. The sender does
// not see it.
type Cause string

// Error returns the word.
func (c Cause) Error() string { return string(c) }

// The causes of a request that is not signed.
const (
	CauseHeaders   Cause = "headers"   // signature headers are missing, malformed or too many
	CauseTime      Cause = "time"      // signed too long ago, or too far in the future
	CauseSignature Cause = "signature" // no signature is by a secret of ours
)

// Header returns the value of a header that is there once, or "".
func Header(h http.Header, name string) string {
	if values := h[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// CheckTime returns CauseTime for what was not signed about now.
func CheckTime(now time.Time, seconds uint64) error {
	if age := now.Unix() - int64(seconds); age > tolerance || age < -tolerance {
		return CauseTime
	}
	return nil
}

// Match returns CauseSignature where none of the signatures is the HMAC-SHA256 of prefix
// and body by one of the keys. It looks at every signature with every key, however early
// one fits.
func Match(keys, signatures [][]byte, prefix string, body []byte) error {
	good := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(prefix))
		mac.Write(body)
		want := mac.Sum(nil)
		for _, signature := range signatures {
			if hmac.Equal(signature, want) {
				good = true
			}
		}
	}
	if !good {
		return CauseSignature
	}
	return nil
}
