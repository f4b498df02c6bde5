package sandbox_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestFailedDeliveriesAreTriedAgainWithANewTime(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Unix(1_800_000_000, 0)
	b, r := newTold(t, sandbox.Options{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second) // no two attempts at the same time
		return now
	}})
	change := func() {
		order(t, http.MethodPatch, b.url+"/sandbox/organizations/acme/members/frank", `{"role":"org:viewer"}`, 200)
	}
	if got, want := b.report(t).RetryMS, []int64{5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000}; !slices.Equal(got, want) {
		t.Errorf("schedule = %v, want %v", got, want)
	}
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"retry_ms":[1,1,1]}`, 200)
	statuses := []int{500, 302, 404, 201}
	r.answer(func(n int64) int { return statuses[n-1] })
	change()
	all := r.want(t, "organizationMembership.updated", "organizationMembership.updated", "organizationMembership.updated", "organizationMembership.updated")
	for n, e := range all[1:] {
		if e.id != all[0].id || e.raw != all[0].raw || e.timestamp == all[n].timestamp || e.signature == all[n].signature {
			t.Errorf("attempt %d: %+v after %+v", n+2, e, all[n])
		}
	}
	b.reported(t, "sent", func(r report) bool {
		return r.Sent == 1 && r.Deliveries[0].Attempts == 4 && r.Deliveries[0].Answer == 201
	})

	r.answer(func(int64) int { return 503 })
	change()
	b.reported(t, "failed", func(r report) bool {
		return r.Failed == 1 && r.Deliveries[1].Attempts == 4 && r.Deliveries[1].Answer == 503
	})
	for range 4 {
		r.next(t)
	}

	// A schedule holds for what waits already.
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"retry_ms":[3600000]}`, 200)
	change()
	r.next(t)
	b.reported(t, "tried", func(r report) bool { return r.Pending == 1 && r.Deliveries[2].Answer == 503 })
	r.answer(func(int64) int { return 200 })
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"retry_ms":[0]}`, 200)
	b.reported(t, "sent", func(r report) bool { return r.Sent == 2 && r.Pending == 0 && r.Deliveries[2].Attempts == 2 })
}

func TestASilentReceiverHoldsUpNobodyForLong(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	r.answer(func(n int64) int {
		if n == 1 {
			<-release
		}
		return 200
	})
	start := time.Now()
	b.grow(t, 1)
	if e := r.next(t); e.Type != "organizationMembership.created" {
		t.Errorf("event = %s while the first one hangs", e.Type)
	}
	if waited := time.Since(start); waited > 12*time.Second { // an attempt takes up to 15 s
		t.Errorf("the second event came after %v", waited)
	}
}

func TestDelayedEventsComeLater(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"delay_ms":200}`, 200)
	start := time.Now()
	b.grow(t, 1)
	r.want(t, "user.created", "organizationMembership.created")
	if waited := time.Since(start); waited < 200*time.Millisecond {
		t.Errorf("came after %v", waited)
	}
}

func TestResetAndCloseGiveUpWhatIsPending(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	r.answer(func(int64) int { return 500 })
	b.grow(t, 1)
	b.reported(t, "both tried", func(r report) bool { return len(r.Deliveries) == 2 && r.Deliveries[1].Answer == 500 })
	order(t, http.MethodPost, b.url+"/sandbox/reset", "", 200)
	if got := b.report(t); got.Pending+got.Sent+got.Failed+got.Dropped+len(got.Deliveries) != 0 {
		t.Errorf("report after a reset = %+v", got)
	}
	for range 2 { // what comes after a reset does not wait for what was given up
		order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"delay_ms":60000}`, 200)
		b.grow(t, 1)
		order(t, http.MethodPost, b.url+"/sandbox/reset", "", 200)
	}
	for len(r.came) > 0 {
		<-r.came
	}
	order(t, http.MethodPatch, b.url+"/sandbox/organizations/acme/members/erin", `{"role":"org:viewer"}`, 200)
	r.want(t, "organizationMembership.updated")
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"delay_ms":60000}`, 200)
	b.grow(t, 1)
	b.Close()
	if got := b.report(t); got.Pending != 0 {
		t.Errorf("report after the end = %+v", got)
	}
}

// Svix's own library takes the events of a sandbox with the secret that it tells, within the library's five minutes, and no
// others.
func TestSvixVerifiesTheEvents(t *testing.T) {
	t.Parallel()
	type attempt struct {
		header http.Header
		body   []byte
	}
	came := make(chan attempt, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		came <- attempt{r.Header, body}
	}))
	t.Cleanup(server.Close)
	for _, c := range []struct {
		name, secret string
		ago          time.Duration
		valid        bool
	}{
		{"the usual secret", "", 0, true},
		{"an own secret", testSecret, 0, true},
		{"an old event", "", 6 * time.Minute, false},
		{"an event from the future", "", -6 * time.Minute, false},
	} {
		b := newBackend(t, sandbox.Options{
			WebhookURL: server.URL, WebhookSecret: c.secret, Now: func() time.Time { return time.Now().Add(-c.ago) },
		})
		b.grow(t, 1)
		for range 2 {
			var a attempt
			select {
			case a = <-came:
			case <-time.After(soon):
				t.Fatal("no webhook came")
			}
			verifier, err := svix.NewWebhook(b.WebhookSecret())
			if err != nil {
				t.Fatal(err)
			}
			if err := verifier.Verify(a.body, a.header); (err == nil) != c.valid {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := verifier.Verify(bytes.Replace(a.body, []byte("guest"), []byte("ghost"), 1), a.header); err == nil {
				t.Errorf("%s: a changed event is taken", c.name)
			}
			if other, err := svix.NewWebhook("whsec_b3RoZXI="); err != nil || other.Verify(a.body, a.header) == nil {
				t.Errorf("%s: another secret takes it (%v)", c.name, err)
			}
		}
	}
}

func TestSecretsAndAddressesOfWebhooksAreChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, secret string
		valid       bool
	}{
		{"", "", true},
		{"http://127.0.0.1:8080/webhooks/clerk", "", true},
		{"http://127.0.0.1:8080/webhooks/clerk", testSecret, true},
		{"127.0.0.1:8080", testSecret, false},
		{"ftp://127.0.0.1", testSecret, false},
		{"http://127.0.0.1", "c2VjcmV0", false},
		{"http://127.0.0.1", "whsec_", false},
		{"http://127.0.0.1", "whsec_%", false},
		{"", "secret", false},
	} {
		s, err := sandbox.New(sandbox.Options{BaseURL: "http://clerk.test", WebhookURL: c.url, WebhookSecret: c.secret})
		if (err == nil) != c.valid {
			t.Errorf("New with %q %q: %v", c.url, c.secret, err)
		}
		if err == nil && !strings.HasPrefix(s.WebhookSecret(), "whsec_") {
			t.Errorf("secret = %q", s.WebhookSecret())
		}
	}
}
