package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestPeopleDoWithoutABrowserWhatTheyWouldDo(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	at := b.url + "/sandbox"
	order(t, http.MethodPost, at+"/organizations", `{"name":"Zoo","slug":"zoo","admin":"zoe"}`, 200)
	r.want(t, "user.created", "organization.created", "organizationMembership.created")
	order(t, http.MethodPost, at+"/organizations/zoo/members", `{"user":"user_alice","role":"org:viewer"}`, 200)
	r.want(t, "organizationMembership.created")
	o := must[*clerk.Organization](t)(b.organizations.Get(t.Context(), "zoo"))
	order(t, http.MethodPatch, at+"/organizations/"+o.ID+"/members/alice", `{"role":"org:manager"}`, 200)
	r.want(t, "organizationMembership.updated")
	_, claims := parts(t, token(t, b.Sandbox, sandbox.TokenRequest{User: "alice", Org: "zoo", Version: 1}))
	if claims["org_role"] != "org:manager" || claims["org_id"] != o.ID {
		t.Errorf("claims = %v", claims)
	}
	order(t, http.MethodDelete, at+"/organizations/zoo/members/user_alice", "", 200)
	r.want(t, "organizationMembership.deleted")
	order(t, http.MethodGet, at+"/token?user=alice&org=zoo", "", 403)

	i := must[*clerk.OrganizationInvitation](t)(b.invitations.Create(t.Context(), &organizationinvitation.CreateParams{
		OrganizationID: o.ID, EmailAddress: clerk.String("bobby@zoo.test"), Role: clerk.String("org:member"),
	}))
	order(t, http.MethodPost, at+"/invitations/"+i.ID+"/accept", `{"user":"zoe"}`, 400) // a member already
	order(t, http.MethodPost, at+"/invitations/"+i.ID+"/accept", `{"user":"bob"}`, 200)
	r.want(t, "organizationInvitation.created", "user.updated", "organizationInvitation.accepted", "organizationMembership.created")
	bob := must[*clerk.User](t)(b.users.Get(t.Context(), "user_bob"))
	if len(bob.EmailAddresses) != 2 || bob.EmailAddresses[1].EmailAddress != "bobby@zoo.test" || *bob.PrimaryEmailAddressID != bob.EmailAddresses[0].ID {
		t.Errorf("bob's addresses = %+v", bob.EmailAddresses)
	}
	order(t, http.MethodPost, at+"/invitations/"+i.ID+"/accept", `{"user":"bob"}`, 400)

	order(t, http.MethodDelete, at+"/users/bob", "", 200)
	r.want(t, "user.deleted")
	order(t, http.MethodGet, at+"/token?user=bob", "", 404)
	order(t, http.MethodPost, at+"/organizations/zoo/members", `{"user":"bob","role":"org:viewer"}`, 409) // ids are not given twice
	order(t, http.MethodDelete, at+"/organizations/zoo", "", 200)
	r.want(t, "organization.deleted")
	order(t, http.MethodGet, at+"/token?user=zoe&org=zoo", "", 404)
	order(t, http.MethodPost, at+"/organizations", `{"slug":"zoo","admin":"zoe"}`, 200)
	r.want(t, "organization.created", "organizationMembership.created")
	if again := must[*clerk.Organization](t)(b.organizations.Get(t.Context(), "zoo")); again.ID == o.ID || again.Name != "zoo" {
		t.Errorf("a second zoo = %+v", again)
	}
}

// Clerk tells of the person alone, who stays a member.
func TestPeopleAreBannedLockedAndDeprovisioned(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	at := b.url + "/sandbox/users/"
	is := func(banned, locked bool, deprovisioned string) {
		t.Helper()
		u := must[*clerk.User](t)(b.users.Get(t.Context(), "user_bob"))
		raw := send(t, http.MethodGet, b.url+"/clerk/v1/users/user_bob", "Bearer "+b.SecretKey()).body
		if u.Banned != banned || u.Locked != locked || !strings.Contains(raw, `"deprovisioned":`+deprovisioned) || locked != (u.LockoutExpiresInSeconds != nil) {
			t.Errorf("bob = %s, want banned %t, locked %t, deprovisioned %s", raw, banned, locked, deprovisioned)
		}
	}
	order(t, http.MethodPatch, at+"bob", `{"banned":true}`, 200)
	is(true, false, "false")
	order(t, http.MethodPatch, at+"bob", `{"locked":true,"deprovisioned":true}`, 200)
	is(true, true, "true")
	order(t, http.MethodPatch, at+"user_bob", `{"banned":false,"locked":false}`, 200)
	is(false, false, "true")
	r.want(t, "user.updated", "user.updated", "user.updated")
	order(t, http.MethodPatch, at+"nobody", `{"banned":true}`, 404)
	order(t, http.MethodPatch, at+"bob", `{"banned":"yes"}`, 400)
	order(t, http.MethodGet, b.url+"/sandbox/token?user=bob&org=d2-gamers", "", 200)
}

func TestControlRefusalsAreWords(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	i := must[*clerk.OrganizationInvitation](t)(b.invitations.Create(t.Context(), &organizationinvitation.CreateParams{
		OrganizationID: "org_acme", EmailAddress: clerk.String("erin2@acme.test"), Role: clerk.String("org:member"),
	}))
	r.want(t, "organizationInvitation.created")
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/organizations", ``, 400},
		{"POST", "/organizations", `[]`, 400},
		{"POST", "/organizations", `{`, 400},
		{"POST", "/organizations", `{} {}`, 400},
		{"POST", "/organizations", `{"name":"Z","admin":"dana","colour":1}`, 400},
		{"POST", "/organizations", `{"name":5,"admin":"dana"}`, 400},
		{"POST", "/organizations", `{"admin":"dana"}`, 400},
		{"POST", "/organizations", `{"name":"Z"}`, 400},
		{"POST", "/organizations", `{"name":"Z","slug":"Z z","admin":"dana"}`, 400},
		{"POST", "/organizations", `{"name":"Z","slug":"acme","admin":"newone"}`, 400},
		{"POST", "/organizations", `{"name":"Z","slug":"z","admin":"No One"}`, 400},
		{"DELETE", "/organizations/zoo", ``, 404},
		{"POST", "/organizations/zoo/members", `{"user":"alice","role":"org:member"}`, 404},
		{"POST", "/organizations/acme/members", `{"user":"frank","role":"org:member"}`, 400},
		{"POST", "/organizations/acme/members", `{"user":"newone","role":"org:king"}`, 400},
		{"POST", "/organizations/acme/members", `{"user":"newone"}`, 400},
		{"POST", "/organizations/acme/members", `{"role":"org:member"}`, 400},
		{"PATCH", "/organizations/acme/members/frank", `{"role":"member"}`, 400},
		{"PATCH", "/organizations/acme/members/frank", `{}`, 400},
		{"PATCH", "/organizations/acme/members/alice", `{"role":"org:member"}`, 404},
		{"PATCH", "/organizations/acme/members/newone", `{"role":"org:member"}`, 404},
		{"DELETE", "/organizations/acme/members/alice", ``, 404},
		{"DELETE", "/users/newone", ``, 404},
		{"POST", "/invitations/orginv_1/accept", `{"user":"alice"}`, 404},
		{"POST", "/invitations/" + i.ID + "/accept", `{}`, 400},
		{"POST", "/invitations/" + i.ID + "/accept", `{"user":"erin"}`, 400},
		{"POST", "/faults", `{}`, 400},
		{"POST", "/faults", `{"service":"paypal","status":500}`, 400},
		{"POST", "/faults", `{"service":"clerk"}`, 400},
		{"POST", "/faults", `{"service":"clerk","status":200}`, 400},
		{"POST", "/faults", `{"service":"clerk","status":600}`, 400},
		{"POST", "/faults", `{"service":"clerk","status":500,"times":0}`, 400},
		{"POST", "/faults", `{"service":"clerk","status":500,"path":"users"}`, 400},
		{"POST", "/faults", `{"service":"clerk","status":500,"retry_after":-1}`, 400},
		{"POST", "/faults", `{"service":"clerk","delay_ms":-1}`, 400},
		{"POST", "/faults", `{"service":"clerk","lie":true,"status":500}`, 400},
		{"POST", "/faults", `{"service":"clerk","lie":true,"apply_first":true}`, 400},
		{"POST", "/faults", `{"service":"clerk","apply_first":true}`, 400},
		{"POST", "/webhooks", `{"shuffle":1}`, 400},
		{"POST", "/webhooks", `{"duplicate":-1}`, 400},
		{"POST", "/webhooks", `{"duplicate":"yes"}`, 400},
		{"POST", "/webhooks", `{"drop":-1}`, 400},
		{"POST", "/webhooks", `{"drop":1.5}`, 400},
		{"POST", "/webhooks", `{"drop":"all"}`, 400},
		{"POST", "/webhooks", `{"delay_ms":-1}`, 400},
		{"POST", "/webhooks", `{"retry_ms":5}`, 400},
		{"POST", "/webhooks", `{"retry_ms":[-1]}`, 400},
		{"POST", "/webhooks", `{"retry_ms":[1e99]}`, 400},
	} {
		a := order(t, c.method, b.url+"/sandbox"+c.path, c.body, c.status)
		if !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") || !strings.HasSuffix(a.body, ".\n") || strings.Contains(a.body, "json:") {
			t.Errorf("%s %s %s: %q, want a sentence", c.method, c.path, c.body, a.body)
		}
	}
	r.want(t) // no refusal made anything
	if a := send(t, http.MethodGet, b.url+"/sandbox/token?user=newone", ""); a.status != http.StatusNotFound {
		t.Errorf("a refused request made a person: %d", a.status)
	}
}

// Whoever is there at the start has the same ids, order and times in every sandbox, also after a reset.
func TestCastIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	one, other := newBackend(t, sandbox.Options{Now: clock.Now}), newBackend(t, sandbox.Options{Now: clock.Now})
	one.grow(t, 3)
	order(t, http.MethodDelete, one.url+"/sandbox/users/bob", "", 200)
	order(t, http.MethodPost, one.url+"/sandbox/reset", "", 200)
	for _, path := range []string{
		"/users", "/organizations", "/organization_roles", "/organizations/org_acme/memberships", "/organizations/org_d2gamers/memberships",
		"/organizations/org_d2gamers/invitations",
	} {
		got := send(t, http.MethodGet, one.url+"/clerk/v1"+path, "Bearer "+one.SecretKey())
		want := send(t, http.MethodGet, other.url+"/clerk/v1"+path, "Bearer "+other.SecretKey())
		if got.status != http.StatusOK || got.body != want.body {
			t.Errorf("%s: %d %s\nand %d %s", path, got.status, got.body, want.status, want.body)
		}
	}
}

func TestResetBringsTheCastBack(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{MetadataLimit: 1})
	must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_d2gamers", "user_bob", `{"isLicensed":false}`))
	order(t, http.MethodDelete, b.url+"/sandbox/users/dana", "", 200)
	order(t, http.MethodDelete, b.url+"/sandbox/organizations/acme", "", 200)
	order(t, http.MethodPost, b.url+"/sandbox/faults", `{"service":"clerk","status":500,"times":-1}`, 200)
	order(t, http.MethodPost, b.url+"/sandbox/reset", "", 200)
	kid := b.KeyID()

	for org, want := range map[string]string{"org_d2gamers": "charlie ben bob alice dana", "org_acme": "frank erin"} {
		list := must[*clerk.OrganizationMembershipList](t)(b.members.List(t.Context(), &organizationmembership.ListParams{OrganizationID: org}))
		if got := memberIDs(list); got != want {
			t.Errorf("members of %s = %q, want %q", org, got, want)
		}
	}
	m := must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_d2gamers", "user_bob", `{}`)) // its limit is back too
	if string(m.PublicMetadata) != `{"isLicensed":true}` || b.KeyID() != kid {
		t.Errorf("bob after a reset = %s", m.PublicMetadata)
	}
}
