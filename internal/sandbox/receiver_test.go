package sandbox_test

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

	"github.com/teamtask/teamtask/internal/sandbox"
)

const (
	soon       = 30 * time.Second // everything that is awaited comes much sooner
	testSecret = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0IQ=="
)

// received is one attempt as it arrived.
type received struct {
	id, timestamp, signature string
	raw                      string
	Type, Object             string
	Data                     map[string]any
	Timestamp                int64
	InstanceID               string `json:"instance_id"`
}

// receiver takes webhooks and checks each signature as Svix's own library does. Their times it does not check: the clock of a
// sandbox may be a test's.
type receiver struct {
	url     string
	answers atomic.Pointer[func(n int64) int] // status for the n-th attempt, from 1; nil: 204
	n       atomic.Int64
	came    chan received
}

func newReceiver(t *testing.T, secret string) *receiver {
	t.Helper()
	verifier, err := svix.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{came: make(chan received, 10_000)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		raw, err := io.ReadAll(request.Body)
		if err != nil {
			return // cut off
		}
		h := request.Header
		e := received{id: h.Get("Svix-Id"), timestamp: h.Get("Svix-Timestamp"), signature: h.Get("Svix-Signature"), raw: string(raw)}
		if err := verifier.VerifyIgnoringTimestamp(raw, h); err != nil {
			t.Errorf("signature %q of %s: %v", e.signature, e.raw, err)
		}
		if err := json.Unmarshal(raw, &e); err != nil || !strings.HasPrefix(e.id, "msg_") || h.Get("Content-Type") != "application/json" || request.Method != http.MethodPost {
			t.Errorf("%s %v %s: %v", request.Method, h, raw, err)
		}
		status := http.StatusNoContent
		if f := r.answers.Load(); f != nil {
			status = (*f)(r.n.Add(1))
		}
		r.came <- e
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL + "/webhooks/clerk"
	return r
}

// answer sets what the receiver answers from now on.
func (r *receiver) answer(f func(n int64) int) {
	r.n.Store(0)
	r.answers.Store(&f)
}

func (r *receiver) next(t *testing.T) received {
	t.Helper()
	select {
	case e := <-r.came:
		return e
	case <-time.After(soon):
		t.Fatal("no webhook came")
		return received{}
	}
}

// want checks the kinds of the next events, and that no other is left.
func (r *receiver) want(t *testing.T, kinds ...string) []received {
	t.Helper()
	var all []received
	for _, kind := range kinds {
		e := r.next(t)
		if e.Type != kind {
			t.Fatalf("event = %s %v, want %s", e.Type, e.Data, kind)
		}
		all = append(all, e)
	}
	select {
	case e := <-r.came:
		t.Fatalf("one event too many: %s %v", e.Type, e.Data)
	default:
	}
	return all
}

// newTold is a sandbox that sends its webhooks to a receiver.
func newTold(t *testing.T, o sandbox.Options) (backend, *receiver) {
	t.Helper()
	r := newReceiver(t, testSecret)
	o.WebhookURL, o.WebhookSecret = r.url, testSecret
	return newBackend(t, o), r
}

// report is what GET /sandbox/webhooks answers.
type report struct {
	Sent, Pending, Failed, Dropped int
	RetryMS                        []int64 `json:"retry_ms"`
	Settings                       struct{ Drop json.RawMessage }
	Deliveries                     []struct {
		ID, Type, Status, Problem string
		Attempts, Answer          int
		Event                     struct{ Type string }
	}
}

func (b backend) report(t *testing.T) report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(send(t, http.MethodGet, b.url+"/sandbox/webhooks", "").body), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// reported waits until the report is as wanted.
func (b backend) reported(t *testing.T, what string, is func(report) bool) report {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(soon)
	for {
		r := b.report(t)
		if is(r) {
			return r
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: %+v", what, r)
		}
	}
}

// grow makes n more members of acme and answers their ids in order.
func (b backend) grow(t *testing.T, n int) []string {
	t.Helper()
	var ids []string
	for i := range n {
		name := "guest" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		order(t, http.MethodPost, b.url+"/sandbox/organizations/acme/members", `{"user":"`+name+`","role":"org:viewer"}`, http.StatusOK)
		ids = append(ids, "user_"+name)
	}
	return ids
}
