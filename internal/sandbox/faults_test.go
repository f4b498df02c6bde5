package sandbox_test

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func (b backend) fault(t *testing.T, body string) {
	t.Helper()
	order(t, http.MethodPost, b.url+"/sandbox/faults", body, http.StatusOK)
}

func TestFaultsMeetTheirRequestsAndNoOthers(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{})
	ctx := t.Context()
	alice := func() error { _, err := b.users.Get(ctx, "user_alice"); return err }

	b.fault(t, `{"service":"clerk","method":"GET","path":"/users/user_al","status":503,"retry_after":7,"times":2}`)
	if _, err := b.users.Get(ctx, "user_bob"); err != nil {
		t.Errorf("another path: %v", err)
	}
	if _, err := b.users.Update(ctx, "user_alice", &user.UpdateParams{}); err != nil {
		t.Errorf("another method: %v", err)
	}
	for range 2 {
		e := refused(t, "in the fault", alice(), 503, "internal_clerk_error")
		if got := e.Response.Header.Get("Retry-After"); got != "7" {
			t.Errorf("Retry-After = %q", got)
		}
	}
	if err := alice(); err != nil {
		t.Errorf("after the fault: %v", err)
	}

	for _, path := range []string{"", "/", "/v1", "/v1/users", "/clerk/v1/users"} {
		b.fault(t, `{"service":"clerk","path":"`+path+`","status":429}`)
		e := refused(t, path, alice(), 429, "too_many_requests")
		if got := e.Response.Header.Get("Retry-After"); got != "" {
			t.Errorf("Retry-After = %q, want none", got)
		}
	}
	b.fault(t, `{"service":"clerk","status":500}`)
	b.fault(t, `{"service":"clerk","status":404}`)
	refused(t, "the first of two", alice(), 500, "internal_clerk_error")
	refused(t, "the second of two", alice(), 404, "resource_not_found")

	b.fault(t, `{"service":"clerk","path":"/.well-known","status":500}`)
	for _, status := range []int{500, 200} {
		if a := send(t, http.MethodGet, b.url+"/clerk/.well-known/jwks.json", ""); a.status != status {
			t.Errorf("public key set: %d, want %d", a.status, status)
		}
	}
	b.fault(t, `{"service":"clerk","status":500,"times":-1}`)
	for range 5 {
		refused(t, "until a reset", alice(), 500, "internal_clerk_error")
	}
	order(t, http.MethodPost, b.url+"/sandbox/reset", "", 200)
	if err := alice(); err != nil {
		t.Errorf("after a reset: %v", err)
	}
}

func TestDelayedRequestsGoTheirWay(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{})
	b.fault(t, `{"service":"clerk","delay_ms":150}`)
	start := time.Now()
	if _, err := b.users.Get(t.Context(), "user_alice"); err != nil || time.Since(start) < 150*time.Millisecond {
		t.Errorf("answered after %v: %v", time.Since(start), err)
	}
}

func TestAppliedAndThenFailed(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	b.fault(t, `{"service":"clerk","method":"post","path":"/organizations/org_acme/invitations","status":502,"apply_first":true}`)
	invite := func() error {
		_, err := b.invitations.Create(t.Context(), &organizationinvitation.CreateParams{
			OrganizationID: "org_acme", EmailAddress: clerk.String("zoe@acme.test"), Role: clerk.String("org:member"),
		})
		return err
	}
	refused(t, "applied, then failed", invite(), 502, "internal_clerk_error")
	r.want(t, "organizationInvitation.created")
	refused(t, "tried again", invite(), 400, "duplicate_record")
}

func TestALieChangesAndTellsNothing(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	ctx := t.Context()
	b.fault(t, `{"service":"clerk","lie":true,"times":3}`)
	m := must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_acme", "user_frank", `{"isLicensed":true}`))
	if string(m.PublicMetadata) != `{"isLicensed":true}` {
		t.Errorf("the lie says %s", m.PublicMetadata)
	}
	must[*clerk.OrganizationMembership](t)(b.members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: "org_acme", UserID: "user_frank"}))
	must[*clerk.DeletedResource](t)(b.users.Delete(ctx, "user_nobody")) // a lie is never a refusal

	m = must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_acme", "user_frank", `{}`))
	if string(m.PublicMetadata) != `{}` {
		t.Errorf("the lie changed something: %s", m.PublicMetadata)
	}
	r.want(t, "organizationMembership.updated") // of the true change alone
}

// Many clients at once change and read; in the end nothing is lost or counted twice.
func TestManyChangeTheDirectoryAtOnce(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{RequestLimit: -1, MetadataLimit: -1})
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"shuffle":true,"duplicate":true}`, 200)
	ctx := t.Context()
	var added atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 10 {
				_, err := b.members.Create(ctx, &organizationmembership.CreateParams{
					OrganizationID: "org_acme", UserID: clerk.String("user_bob"), Role: clerk.String("org:member"),
				})
				if err == nil {
					added.Add(1)
				} else if e, ok := errors.AsType[*clerk.APIErrorResponse](err); !ok || e.HTTPStatusCode != 400 {
					t.Error(err)
				}
				if _, err := b.users.List(ctx, &user.ListParams{}); err != nil {
					t.Error(err)
				}
				if _, err := b.users.UpdateMetadata(ctx, "user_frank", &user.UpdateMetadataParams{}); err != nil {
					t.Error(err)
				}
				_, _ = b.Token(sandbox.TokenRequest{User: "bob", Org: "acme"})
				if _, err := b.members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: "org_acme", UserID: "user_bob"}); err == nil {
					added.Add(-1)
				}
				b.report(t)
			}
		})
	}
	wait.Wait()
	list := must[*clerk.OrganizationMembershipList](t)(b.members.List(ctx, &organizationmembership.ListParams{OrganizationID: "org_acme"}))
	if list.TotalCount != 2+added.Load() {
		t.Errorf("members = %d, want %d", list.TotalCount, 2+added.Load())
	}
	done := b.reported(t, "all sent", func(r report) bool { return r.Pending == 0 })
	if len(r.came) != 2*done.Sent || done.Failed+done.Dropped != 0 {
		t.Errorf("%d attempts came, report %+v", len(r.came), done)
	}
}
