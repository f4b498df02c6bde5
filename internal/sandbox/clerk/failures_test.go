package clerk_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestFailuresHitTheirRequestsAlone(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
	ctx := t.Context()
	alice := func() error { _, err := b.Users.Get(ctx, "user_alice"); return err }

	b.InjectFailure(t, `{"service":"clerk","method":"GET","path":"/users/user_al","status":503,"retry_after":7,"times":2}`)
	if _, err := b.Users.Get(ctx, "user_bob"); err != nil {
		t.Errorf("another path: %v", err)
	}
	if _, err := b.Users.Update(ctx, "user_alice", &user.UpdateParams{}); err != nil {
		t.Errorf("another method: %v", err)
	}
	for range 2 {
		e := sandboxtest.WantClerkError(t, "in the fault", alice(), 503, "internal_clerk_error")
		if got := e.Response.Header.Get("Retry-After"); got != "7" {
			t.Errorf("Retry-After = %q", got)
		}
	}
	if err := alice(); err != nil {
		t.Errorf("after the fault: %v", err)
	}

	for _, path := range []string{"", "/", "/v1", "/v1/users", "/clerk/v1/users"} {
		b.InjectFailure(t, `{"service":"clerk","path":"`+path+`","status":429}`)
		e := sandboxtest.WantClerkError(t, path, alice(), 429, "too_many_requests")
		if got := e.Response.Header.Get("Retry-After"); got != "" {
			t.Errorf("Retry-After = %q, want none", got)
		}
	}
	b.InjectFailure(t, `{"service":"clerk","status":500}`)
	b.InjectFailure(t, `{"service":"clerk","status":404}`)
	sandboxtest.WantClerkError(t, "the first of two", alice(), 500, "internal_clerk_error")
	sandboxtest.WantClerkError(t, "the second of two", alice(), 404, "resource_not_found")

	b.InjectFailure(t, `{"service":"clerk","path":"/.well-known","status":500}`)
	for _, status := range []int{500, 200} {
		if a := sandboxtest.Send(t, http.MethodGet, b.URL+"/clerk/.well-known/jwks.json", ""); a.Status != status {
			t.Errorf("public key set: %d, want %d", a.Status, status)
		}
	}
	b.InjectFailure(t, `{"service":"clerk","status":500,"times":-1}`)
	for range 5 {
		sandboxtest.WantClerkError(t, "until a reset", alice(), 500, "internal_clerk_error")
	}
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/reset", "", 200)
	if err := alice(); err != nil {
		t.Errorf("after a reset: %v", err)
	}
}

func TestDelayedRequestsGoTheirWay(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
	b.InjectFailure(t, `{"service":"clerk","delay_ms":150}`)
	start := time.Now()
	if _, err := b.Users.Get(t.Context(), "user_alice"); err != nil || time.Since(start) < 150*time.Millisecond {
		t.Errorf("answered after %v: %v", time.Since(start), err)
	}
}

func TestAppliedAndThenFailed(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	b.InjectFailure(t, `{"service":"clerk","method":"post","path":"/organizations/org_acme/invitations","status":502,"apply_first":true}`)
	invite := func() error {
		_, err := b.Invitations.Create(t.Context(), &organizationinvitation.CreateParams{
			OrganizationID: "org_acme", EmailAddress: clerk.String("zoe@acme.test"), Role: clerk.String("org:member"),
		})
		return err
	}
	sandboxtest.WantClerkError(t, "applied, then failed", invite(), 502, "internal_clerk_error")
	r.Want(t, "organizationInvitation.created")
	sandboxtest.WantClerkError(t, "tried again", invite(), 400, "duplicate_record")
}

func TestALieChangesAndTellsNothing(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	ctx := t.Context()
	b.InjectFailure(t, `{"service":"clerk","lie":true,"times":3}`)
	m := sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_acme", "user_frank", `{"isLicensed":true}`))
	if string(m.PublicMetadata) != `{"isLicensed":true}` {
		t.Errorf("the lie says %s", m.PublicMetadata)
	}
	sandboxtest.Must[*clerk.OrganizationMembership](t)(b.Members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: "org_acme", UserID: "user_frank"}))
	sandboxtest.Must[*clerk.DeletedResource](t)(b.Users.Delete(ctx, "user_nobody")) // a lie is never a refusal

	m = sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_acme", "user_frank", `{}`))
	if string(m.PublicMetadata) != `{}` {
		t.Errorf("the lie changed something: %s", m.PublicMetadata)
	}
	r.Want(t, "organizationMembership.updated") // of the true change alone

	b.InjectFailure(t, `{"service":"clerk","lie":true,"times":1}`)
	i := sandboxtest.Must[*clerk.OrganizationInvitation](t)(b.Invitations.Create(ctx, &organizationinvitation.CreateParams{
		OrganizationID: "org_acme", EmailAddress: clerk.String("guest@acme.test"), Role: clerk.String("org:member"),
	}))
	if want := b.URL + "/sandbox/invitations/" + i.ID + "/accept"; i.URL != want {
		t.Errorf("the invitation of a lie is accepted at %q, want %q", i.URL, want)
	}
}
