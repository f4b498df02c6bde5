package kit_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestDelayedEventsComeLater(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"delay_ms":200}`, 200)
	start := time.Now()
	b.AddMembers(t, 1)
	r.Want(t, "user.created", "organizationMembership.created")
	if waited := time.Since(start); waited < 200*time.Millisecond {
		t.Errorf("came after %v", waited)
	}
}

// The settings of /sandbox/webhooks hold for both services, whose events go to their own addresses.
func TestBothServicesAreToldAsTheSettingsSay(t *testing.T) {
	t.Parallel()
	clerk := sandboxtest.NewReceiver(t, sandboxtest.Secret)
	s := sandboxtest.NewStripe(t, sandbox.Options{WebhookURL: clerk.URL, WebhookSecret: sandboxtest.Secret})
	b := sandboxtest.Clerk{URL: s.URL}
	both := func() {
		s.NewCustomer(t)
		sandboxtest.Call(t, "PATCH", s.URL+"/sandbox/organizations/acme/members/frank", `{"role":"org:viewer"}`, 200)
	}
	sandboxtest.Call(t, "POST", s.URL+"/sandbox/webhooks", `{"duplicate":2}`, 200)
	both()
	done := b.WaitForReport(t, "all sent", func(r sandboxtest.Report) bool { return r.Sent == 2 && r.Pending == 0 })
	if len(s.Received) != 3 || len(clerk.Received) != 3 || len(done.Deliveries) != 2 {
		t.Errorf("%d of Stripe and %d of Clerk came, want 3 each", len(s.Received), len(clerk.Received))
	}
	sandboxtest.Call(t, "POST", s.URL+"/sandbox/webhooks", `{"drop":true}`, 200)
	both()
	b.WaitForReport(t, "all dropped", func(r sandboxtest.Report) bool { return r.Dropped == 2 })
	sandboxtest.Call(t, "POST", s.URL+"/sandbox/webhooks", `{"shuffle":true}`, 200)
	both()
	b.WaitForReport(t, "all sent", func(r sandboxtest.Report) bool { return r.Sent == 4 && r.Pending == 0 })
	if len(s.Received) != 4 || len(clerk.Received) != 4 {
		t.Errorf("%d of Stripe and %d of Clerk came, want 4 each", len(s.Received), len(clerk.Received))
	}
}

func TestEventsComeInOrderUnlessShuffled(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	arrival := func(n int) []string {
		var ids []string
		for len(ids) < n {
			if e := r.Next(t); e.Type == "user.created" {
				ids = append(ids, e.Data["id"].(string))
			}
		}
		return ids
	}
	r.RespondWith(func(n int64) int {
		if n%2 == 1 { // every other event would be overtaken
			<-time.After(20 * time.Millisecond)
		}
		return 200
	})
	made := b.AddMembers(t, 30)
	if got := arrival(30); !slices.Equal(got, made) {
		t.Errorf("arrived %v", got)
	}
	r.RespondWith(func(int64) int { return 200 })
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/reset", "", 200)
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"shuffle":true}`, 200)
	made = b.AddMembers(t, 30)
	got := arrival(30)
	if slices.Equal(got, made) {
		t.Error("shuffled events came in order")
	}
	slices.Sort(got)
	if slices.Sort(made); !slices.Equal(got, made) {
		t.Errorf("arrived %v, want %v in any order", got, made)
	}
}

func TestDuplicatesHaveTheSameID(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	for setting, times := range map[string]int{`true`: 2, `3`: 4, `false`: 1, `0`: 1} {
		sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"duplicate":`+setting+`}`, 200)
		sandboxtest.Call(t, http.MethodPatch, b.URL+"/sandbox/organizations/acme/members/frank", `{"role":"org:viewer"}`, 200)
		first := r.Next(t)
		for range times - 1 {
			if next := r.Next(t); next.SvixID != first.SvixID || next.Raw != first.Raw {
				t.Errorf("duplicate %s: %s %s, want %s", setting, next.SvixID, next.Raw, first.SvixID)
			}
		}
		b.WaitForReport(t, "settled", func(r sandboxtest.Report) bool { return r.Pending == 0 })
		r.Want(t)
	}
}

func TestDroppedEventsNeverCome(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	change := func() {
		sandboxtest.Call(t, http.MethodPatch, b.URL+"/sandbox/organizations/acme/members/frank", `{"role":"org:viewer"}`, 200)
	}
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"drop":2}`, 200)
	for range 3 {
		change()
	}
	r.Want(t, "organizationMembership.updated")
	if got := b.WaitForReport(t, "settled", func(r sandboxtest.Report) bool { return r.Pending == 0 }); got.Dropped != 2 || got.Sent != 1 || string(got.Settings.Drop) != "false" {
		t.Errorf("report = %+v", got)
	}
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"drop":true}`, 200)
	for range 5 {
		change()
	}
	if got := b.Report(t); got.Dropped != 7 || got.Pending != 0 {
		t.Errorf("report = %+v", got)
	}
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"drop":0.5}`, 200)
	for range 100 {
		change()
	}
	half := b.WaitForReport(t, "settled", func(r sandboxtest.Report) bool { return r.Pending == 0 })
	if half.Dropped < 20 || half.Dropped > 94 {
		t.Errorf("dropped %d, want about 57", half.Dropped)
	}
	for range half.Sent - 1 {
		r.Next(t)
	}
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{}`, 200)
	change()
	r.Want(t, "organizationMembership.updated")
}
