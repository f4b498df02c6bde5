package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestControlRefusalsAreWords(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	i := sandboxtest.Must[*clerk.OrganizationInvitation](t)(b.Invitations.Create(t.Context(), &organizationinvitation.CreateParams{
		OrganizationID: "org_acme", EmailAddress: clerk.String("erin2@acme.test"), Role: clerk.String("org:member"),
	}))
	r.Want(t, "organizationInvitation.created")
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
		a := sandboxtest.Call(t, c.method, b.URL+"/sandbox"+c.path, c.body, c.status)
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") || !strings.HasSuffix(a.Body, ".\n") || strings.Contains(a.Body, "json:") {
			t.Errorf("%s %s %s: %q, want a sentence", c.method, c.path, c.body, a.Body)
		}
	}
	r.Want(t) // no refusal made anything
	if a := sandboxtest.Send(t, http.MethodGet, b.URL+"/sandbox/token?user=newone", ""); a.Status != http.StatusNotFound {
		t.Errorf("a refused request made a person: %d", a.Status)
	}
}

func TestResetRestoresThePeople(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{MetadataLimit: 1})
	sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_d2gamers", "user_bob", `{"isLicensed":false}`))
	sandboxtest.Call(t, http.MethodDelete, b.URL+"/sandbox/users/dana", "", 200)
	sandboxtest.Call(t, http.MethodDelete, b.URL+"/sandbox/organizations/acme", "", 200)
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/faults", `{"service":"clerk","status":500,"times":-1}`, 200)
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/reset", "", 200)
	kid := b.KeyID()

	for org, want := range map[string]string{"org_d2gamers": "charlie ben bob alice dana", "org_acme": "frank erin"} {
		list := sandboxtest.Must[*clerk.OrganizationMembershipList](t)(b.Members.List(t.Context(), &organizationmembership.ListParams{OrganizationID: org}))
		if got := sandboxtest.MemberIDs(list); got != want {
			t.Errorf("members of %s = %q, want %q", org, got, want)
		}
	}
	m := sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_d2gamers", "user_bob", `{}`)) // its limit is back too
	if string(m.PublicMetadata) != `{"isLicensed":true}` || b.KeyID() != kid {
		t.Errorf("bob after a reset = %s", m.PublicMetadata)
	}
}
