package clerk_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestPeopleDoWithoutABrowserWhatTheyWouldDo(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	at := b.URL + "/sandbox"
	sandboxtest.Call(t, http.MethodPost, at+"/organizations", `{"name":"Zoo","slug":"zoo","admin":"zoe"}`, 200)
	r.Want(t, "user.created", "organization.created", "organizationMembership.created")
	sandboxtest.Call(t, http.MethodPost, at+"/organizations/zoo/members", `{"user":"user_alice","role":"org:viewer"}`, 200)
	r.Want(t, "organizationMembership.created")
	o := sandboxtest.Must[*clerk.Organization](t)(b.Organizations.Get(t.Context(), "zoo"))
	sandboxtest.Call(t, http.MethodPatch, at+"/organizations/"+o.ID+"/members/alice", `{"role":"org:manager"}`, 200)
	r.Want(t, "organizationMembership.updated")
	_, claims := sandboxtest.TokenParts(t, sandboxtest.Token(t, b.Sandbox, sandbox.TokenRequest{User: "alice", Org: "zoo", Version: 1}))
	if claims["org_role"] != "org:manager" || claims["org_id"] != o.ID {
		t.Errorf("claims = %v", claims)
	}
	sandboxtest.Call(t, http.MethodDelete, at+"/organizations/zoo/members/user_alice", "", 200)
	r.Want(t, "organizationMembership.deleted")
	sandboxtest.Call(t, http.MethodGet, at+"/token?user=alice&org=zoo", "", 403)

	i := sandboxtest.Must[*clerk.OrganizationInvitation](t)(b.Invitations.Create(t.Context(), &organizationinvitation.CreateParams{
		OrganizationID: o.ID, EmailAddress: clerk.String("bobby@zoo.test"), Role: clerk.String("org:member"),
	}))
	sandboxtest.Call(t, http.MethodPost, at+"/invitations/"+i.ID+"/accept", `{"user":"zoe"}`, 400) // a member already
	sandboxtest.Call(t, http.MethodPost, at+"/invitations/"+i.ID+"/accept", `{"user":"bob"}`, 200)
	r.Want(t, "organizationInvitation.created", "user.updated", "organizationInvitation.accepted", "organizationMembership.created")
	bob := sandboxtest.Must[*clerk.User](t)(b.Users.Get(t.Context(), "user_bob"))
	if len(bob.EmailAddresses) != 2 || bob.EmailAddresses[1].EmailAddress != "bobby@zoo.test" || *bob.PrimaryEmailAddressID != bob.EmailAddresses[0].ID {
		t.Errorf("bob's addresses = %+v", bob.EmailAddresses)
	}
	sandboxtest.Call(t, http.MethodPost, at+"/invitations/"+i.ID+"/accept", `{"user":"bob"}`, 400)

	sandboxtest.Call(t, http.MethodDelete, at+"/users/bob", "", 200)
	r.Want(t, "user.deleted")
	sandboxtest.Call(t, http.MethodGet, at+"/token?user=bob", "", 404)
	sandboxtest.Call(t, http.MethodPost, at+"/organizations/zoo/members", `{"user":"bob","role":"org:viewer"}`, 409) // ids are not given twice
	sandboxtest.Call(t, http.MethodDelete, at+"/organizations/zoo", "", 200)
	r.Want(t, "organization.deleted")
	sandboxtest.Call(t, http.MethodGet, at+"/token?user=zoe&org=zoo", "", 404)
	sandboxtest.Call(t, http.MethodPost, at+"/organizations", `{"slug":"zoo","admin":"zoe"}`, 200)
	r.Want(t, "organization.created", "organizationMembership.created")
	if again := sandboxtest.Must[*clerk.Organization](t)(b.Organizations.Get(t.Context(), "zoo")); again.ID == o.ID || again.Name != "zoo" {
		t.Errorf("a second zoo = %+v", again)
	}
}

// Clerk sends the event of the person alone, who stays a member.
func TestPeopleAreBannedLockedAndDeprovisioned(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	at := b.URL + "/sandbox/users/"
	is := func(banned, locked bool, deprovisioned string) {
		t.Helper()
		u := sandboxtest.Must[*clerk.User](t)(b.Users.Get(t.Context(), "user_bob"))
		raw := sandboxtest.Send(t, http.MethodGet, b.URL+"/clerk/v1/users/user_bob", "Bearer "+b.SecretKey()).Body
		if u.Banned != banned || u.Locked != locked || !strings.Contains(raw, `"deprovisioned":`+deprovisioned) || locked != (u.LockoutExpiresInSeconds != nil) {
			t.Errorf("bob = %s, want banned %t, locked %t, deprovisioned %s", raw, banned, locked, deprovisioned)
		}
	}
	sandboxtest.Call(t, http.MethodPatch, at+"bob", `{"banned":true}`, 200)
	is(true, false, "false")
	sandboxtest.Call(t, http.MethodPatch, at+"bob", `{"locked":true,"deprovisioned":true}`, 200)
	is(true, true, "true")
	sandboxtest.Call(t, http.MethodPatch, at+"user_bob", `{"banned":false,"locked":false}`, 200)
	is(false, false, "true")
	r.Want(t, "user.updated", "user.updated", "user.updated")
	sandboxtest.Call(t, http.MethodPatch, at+"nobody", `{"banned":true}`, 404)
	sandboxtest.Call(t, http.MethodPatch, at+"bob", `{"banned":"yes"}`, 400)
	sandboxtest.Call(t, http.MethodGet, b.URL+"/sandbox/token?user=bob&org=d2-gamers", "", 200)
}

// Many clients at once change and read; in the end nothing is lost or counted twice.
func TestManyChangeTheDirectoryAtOnce(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{RequestLimit: -1, MetadataLimit: -1})
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/webhooks", `{"shuffle":true,"duplicate":true}`, 200)
	ctx := t.Context()
	var added atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 10 {
				_, err := b.Members.Create(ctx, &organizationmembership.CreateParams{
					OrganizationID: "org_acme", UserID: clerk.String("user_bob"), Role: clerk.String("org:member"),
				})
				if err == nil {
					added.Add(1)
				} else if e, ok := errors.AsType[*clerk.APIErrorResponse](err); !ok || e.HTTPStatusCode != 400 {
					t.Error(err)
				}
				if _, err := b.Users.List(ctx, &user.ListParams{}); err != nil {
					t.Error(err)
				}
				if _, err := b.Users.UpdateMetadata(ctx, "user_frank", &user.UpdateMetadataParams{}); err != nil {
					t.Error(err)
				}
				_, _ = b.Token(sandbox.TokenRequest{User: "bob", Org: "acme"})
				if _, err := b.Members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: "org_acme", UserID: "user_bob"}); err == nil {
					added.Add(-1)
				}
				b.Report(t)
			}
		})
	}
	wait.Wait()
	list := sandboxtest.Must[*clerk.OrganizationMembershipList](t)(b.Members.List(ctx, &organizationmembership.ListParams{OrganizationID: "org_acme"}))
	if list.TotalCount != 2+added.Load() {
		t.Errorf("members = %d, want %d", list.TotalCount, 2+added.Load())
	}
	done := b.WaitForReport(t, "all sent", func(r sandboxtest.Report) bool { return r.Pending == 0 })
	if len(r.Received) != 2*done.Sent || done.Failed+done.Dropped != 0 {
		t.Errorf("%d attempts came, report %+v", len(r.Received), done)
	}
}
