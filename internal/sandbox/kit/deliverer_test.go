package kit_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestFailedDeliveriesAreTriedAgainWithANewTime(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Unix(1_800_000_000, 0)
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second) // no two attempts at the same time
		return now
	}})
	change := func() {
		sandboxtest.Call(t, http.MethodPatch, b.URL+"/sandbox/organizations/acme/members/frank", `{"role":"org:viewer"}`, 200)
	}
	if got, want := b.Report(t).RetryMS, []int64{5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000}; !slices.Equal(got, want) {
		t.Errorf("schedule = %v, want %v", got, want)
	}
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"retry_ms":[1,1,1]}`, 200)
	statuses := []int{500, 302, 404, 201}
	r.RespondWith(func(n int64) int { return statuses[n-1] })
	change()
	all := r.Want(t, "organizationMembership.updated", "organizationMembership.updated", "organizationMembership.updated", "organizationMembership.updated")
	for n, e := range all[1:] {
		if e.SvixID != all[0].SvixID || e.Raw != all[0].Raw || e.SvixTimestamp == all[n].SvixTimestamp || e.Signature == all[n].Signature {
			t.Errorf("attempt %d: %+v after %+v", n+2, e, all[n])
		}
	}
	b.WaitForReport(t, "sent", func(r sandboxtest.Report) bool {
		return r.Sent == 1 && r.Deliveries[0].Attempts == 4 && r.Deliveries[0].Answer == 201
	})

	r.RespondWith(func(int64) int { return 503 })
	change()
	b.WaitForReport(t, "failed", func(r sandboxtest.Report) bool {
		return r.Failed == 1 && r.Deliveries[1].Attempts == 4 && r.Deliveries[1].Answer == 503
	})
	for range 4 {
		r.Next(t)
	}

	// A schedule holds for what waits already.
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"retry_ms":[3600000]}`, 200)
	change()
	r.Next(t)
	b.WaitForReport(t, "tried", func(r sandboxtest.Report) bool { return r.Pending == 1 && r.Deliveries[2].Answer == 503 })
	r.RespondWith(func(int64) int { return 200 })
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"retry_ms":[0]}`, 200)
	b.WaitForReport(t, "sent", func(r sandboxtest.Report) bool { return r.Sent == 2 && r.Pending == 0 && r.Deliveries[2].Attempts == 2 })
}

func TestASilentReceiverHoldsUpNobodyForLong(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	r.RespondWith(func(n int64) int {
		if n == 1 {
			<-release
		}
		return 200
	})
	start := time.Now()
	b.AddMembers(t, 1)
	if e := r.Next(t); e.Type != "organizationMembership.created" {
		t.Errorf("event = %s while the first one hangs", e.Type)
	}
	if waited := time.Since(start); waited > 12*time.Second { // an attempt takes up to 15 s
		t.Errorf("the second event came after %v", waited)
	}
}

func TestResetAndCloseGiveUpWhatIsPending(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	r.RespondWith(func(int64) int { return 500 })
	b.AddMembers(t, 1)
	b.WaitForReport(t, "both tried", func(r sandboxtest.Report) bool { return len(r.Deliveries) == 2 && r.Deliveries[1].Answer == 500 })
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/reset", "", 200)
	if got := b.Report(t); got.Pending+got.Sent+got.Failed+got.Dropped+len(got.Deliveries) != 0 {
		t.Errorf("report after a reset = %+v", got)
	}
	for range 2 { // what comes after a reset does not wait for what was given up
		sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"delay_ms":60000}`, 200)
		b.AddMembers(t, 1)
		sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/reset", "", 200)
	}
	for len(r.Received) > 0 {
		<-r.Received
	}
	sandboxtest.Call(t, http.MethodPatch, b.URL+"/sandbox/organizations/acme/members/erin", `{"role":"org:viewer"}`, 200)
	r.Want(t, "organizationMembership.updated")
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"delay_ms":60000}`, 200)
	b.AddMembers(t, 1)
	b.Close()
	if got := b.Report(t); got.Pending != 0 {
		t.Errorf("report after the end = %+v", got)
	}
}

// A receiver that hangs holds up its own events alone.
func TestAHangingReceiverHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	clerk := sandboxtest.NewReceiver(t, sandboxtest.Secret)
	s := sandboxtest.NewStripe(t, sandbox.Options{WebhookURL: clerk.URL, WebhookSecret: sandboxtest.Secret})
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	clerk.RespondWith(func(int64) int { <-release; return 200 })
	for range 30 { // each would hold up the next for a second
		sandboxtest.Call(t, "PATCH", s.URL+"/sandbox/organizations/acme/members/frank", `{"role":"org:viewer"}`, 200)
	}
	s.NewCustomer(t)
	if e := sandboxtest.NextStripeEvent(t, s.Received); e.Type != "customer.created" {
		t.Errorf("event = %s", e.Type)
	}
	if r := (sandboxtest.Clerk{URL: s.URL}).Report(t); r.Pending < 25 {
		t.Errorf("only %d are pending: the other receiver did not hang", r.Pending)
	}
}
