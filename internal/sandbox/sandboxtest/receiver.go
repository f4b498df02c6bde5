package sandboxtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

const (
	// Soon is how long a test waits for an event, which takes much less.
	Soon = 30 * time.Second
	// Secret signs the events for a Receiver.
	Secret = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0IQ=="
)

// Event is one attempt to deliver an event, as it arrived.
type Event struct {
	SvixID, SvixTimestamp, Signature string `json:"-"`
	Raw                              string `json:"-"`
	Type, Object                     string
	Data                             map[string]any
	Timestamp                        int64
	InstanceID                       string `json:"instance_id"`
}

// Receiver receives webhooks and verifies each signature with Svix's own library. It does not check their times, because the
// clock of a sandbox may be a test's.
type Receiver struct {
	URL      string
	status   atomic.Pointer[func(n int64) int] // status for the n-th attempt, from 1; nil: 204
	attempts atomic.Int64
	Received chan Event
}

// NewReceiver starts a receiver of webhooks that are signed with secret.
func NewReceiver(t *testing.T, secret string) *Receiver {
	t.Helper()
	verifier, err := svix.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := &Receiver{Received: make(chan Event, 10_000)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		raw, err := io.ReadAll(request.Body)
		if err != nil {
			return // cut off
		}
		h := request.Header
		e := Event{SvixID: h.Get("Svix-Id"), SvixTimestamp: h.Get("Svix-Timestamp"), Signature: h.Get("Svix-Signature"), Raw: string(raw)}
		if err := verifier.VerifyIgnoringTimestamp(raw, h); err != nil {
			t.Errorf("signature %q of %s: %v", e.Signature, e.Raw, err)
		}
		if err := json.Unmarshal(raw, &e); err != nil || !strings.HasPrefix(e.SvixID, "msg_") || h.Get("Content-Type") != "application/json" || request.Method != http.MethodPost {
			t.Errorf("%s %v %s: %v", request.Method, h, raw, err)
		}
		status := http.StatusNoContent
		if f := r.status.Load(); f != nil {
			status = (*f)(r.attempts.Add(1))
		}
		r.Received <- e
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL + "/webhooks/clerk"
	return r
}

// RespondWith sets the status of the responses from now on; n counts them from 1.
func (r *Receiver) RespondWith(f func(n int64) int) {
	r.attempts.Store(0)
	r.status.Store(&f)
}

// Next returns the next event that arrives.
func (r *Receiver) Next(t *testing.T) Event {
	t.Helper()
	select {
	case e := <-r.Received:
		return e
	case <-time.After(Soon):
		t.Fatal("no webhook came")
		return Event{}
	}
}

// Want checks the kinds of the next events and that no other is left.
func (r *Receiver) Want(t *testing.T, kinds ...string) []Event {
	t.Helper()
	var all []Event
	for _, kind := range kinds {
		e := r.Next(t)
		if e.Type != kind {
			t.Fatalf("event = %s %v, want %s", e.Type, e.Data, kind)
		}
		all = append(all, e)
	}
	select {
	case e := <-r.Received:
		t.Fatalf("one event too many: %s %v", e.Type, e.Data)
	default:
	}
	return all
}
