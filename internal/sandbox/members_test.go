package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organization"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestMembersComeChangeAndGo(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{})
	ctx := t.Context()
	add := func(org, user, role string) (*clerk.OrganizationMembership, error) {
		return b.members.Create(ctx, &organizationmembership.CreateParams{OrganizationID: org, UserID: &user, Role: &role})
	}
	m := must[*clerk.OrganizationMembership](t)(add("org_acme", "user_alice", "org:viewer"))
	if m.Role != "org:viewer" || m.Organization.Slug != "acme" || m.PublicUserData.UserID != "user_alice" || string(m.PublicMetadata) != "{}" {
		t.Errorf("made = %+v", m)
	}
	for _, c := range []struct {
		name, org, user, role string
		status                int
		code                  string
	}{
		{"again", "org_acme", "user_alice", "org:member", 400, "already_a_member_in_organization"},
		{"unknown user", "org_acme", "user_zoe", "org:member", 404, "resource_not_found"},
		{"unknown organization", "org_zoo", "user_bob", "org:member", 404, "resource_not_found"},
		{"slug", "acme", "user_bob", "org:member", 404, "resource_not_found"},
		{"unknown role", "org_acme", "user_bob", "org:king", 404, "resource_not_found"},
		{"no role", "org_acme", "user_bob", "", 422, "form_param_missing"},
		{"no user", "org_acme", "", "org:member", 422, "form_param_missing"},
	} {
		_, err := add(c.org, c.user, c.role)
		refused(t, c.name, err, c.status, c.code)
	}

	role := "org:manager"
	changed := must[*clerk.OrganizationMembership](t)(b.members.Update(ctx, &organizationmembership.UpdateParams{OrganizationID: "org_acme", UserID: "user_alice", Role: &role}))
	if changed.ID != m.ID || changed.Role != role || changed.UpdatedAt < m.UpdatedAt {
		t.Errorf("changed = %+v", changed)
	}
	_, claims := parts(t, token(t, b.Sandbox, sandbox.TokenRequest{User: "alice", Org: "acme", Version: 1}))
	if claims["org_role"] != role || len(claims["org_permissions"].([]any)) != 4 {
		t.Errorf("claims after the change = %v", claims)
	}
	role = "org:king"
	_, err := b.members.Update(ctx, &organizationmembership.UpdateParams{OrganizationID: "org_acme", UserID: "user_alice", Role: &role})
	refused(t, "change to an unknown role", err, 404, "resource_not_found")
	_, err = b.members.Update(ctx, &organizationmembership.UpdateParams{OrganizationID: "org_acme", UserID: "user_alice"})
	refused(t, "change to no role", err, 422, "form_param_missing")
	_, err = b.members.Update(ctx, &organizationmembership.UpdateParams{OrganizationID: "org_acme", UserID: "user_bob", Role: &role})
	refused(t, "change of a stranger", err, 404, "resource_not_found")

	gone := must[*clerk.OrganizationMembership](t)(b.members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: "org_acme", UserID: "user_alice"}))
	if gone.ID != m.ID || gone.PublicUserData.UserID != "user_alice" {
		t.Errorf("removed = %+v", gone)
	}
	_, err = b.members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: "org_acme", UserID: "user_alice"})
	refused(t, "remove again", err, 404, "resource_not_found")
	_, err = b.members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: "org_acme"})
	refused(t, "remove nobody", err, 405, "method_not_allowed")
	if _, err := b.Token(sandbox.TokenRequest{User: "alice", Org: "acme"}); err == nil {
		t.Error("a token for a removed member was made")
	}
	if back := must[*clerk.OrganizationMembership](t)(add("org_acme", "user_alice", "org:viewer")); back.ID == m.ID {
		t.Error("a new membership has the id of an old one")
	}
}

func TestFullOrganizationTakesNobody(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{})
	must[*clerk.Organization](t)(b.organizations.Update(t.Context(), "org_acme", &organization.UpdateParams{MaxAllowedMemberships: clerk.Int64(3)}))
	must[*clerk.OrganizationInvitation](t)(b.invitations.Create(t.Context(), &organizationinvitation.CreateParams{
		OrganizationID: "org_acme", EmailAddress: clerk.String("zoe@acme.test"), Role: clerk.String("org:member"),
	}))
	_, err := b.members.Create(t.Context(), &organizationmembership.CreateParams{
		OrganizationID: "org_acme", UserID: clerk.String("user_bob"), Role: clerk.String("org:member"),
	})
	refused(t, "a fourth", err, 403, "organization_membership_quota_exceeded")
}

func TestMetadataMergesDeeplyAndNullRemoves(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{MetadataLimit: -1})
	for _, c := range []struct{ patch, want string }{
		{`{"a":{"b":1,"c":{"d":true}},"n":9007199254740993}`, `{"a":{"b":1,"c":{"d":true}},"isLicensed":true,"n":9007199254740993}`},
		{`{"a":{"c":{"e":"x"}}}`, `{"a":{"b":1,"c":{"d":true,"e":"x"}},"isLicensed":true,"n":9007199254740993}`},
		{`{"a":{"c":{"d":null}},"n":null}`, `{"a":{"b":1,"c":{"e":"x"}},"isLicensed":true}`},
		{`{"a":[1,{"k":null}]}`, `{"a":[1,{"k":null}],"isLicensed":true}`},
		{`{"a":{"z":null,"y":{}}}`, `{"a":{"y":{}},"isLicensed":true}`},
		{`{"a":null,"zz":null,"isLicensed":null}`, `{}`},
		{`{}`, `{}`},
	} {
		m := must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_d2gamers", "user_bob", c.patch))
		if string(m.PublicMetadata) != c.want {
			t.Errorf("after %s: %s, want %s", c.patch, m.PublicMetadata, c.want)
		}
		_, claims := parts(t, token(t, b.Sandbox, sandbox.TokenRequest{User: "bob", Org: "d2-gamers"}))
		var want map[string]any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if !sameJSON(claims["org_metadata"], want) {
			t.Errorf("after %s: the token has %v", c.patch, claims["org_metadata"])
		}
	}
	for _, bad := range []string{`"text"`, `[1]`, `5`} {
		_, err := b.setMetadata(t, "org_d2gamers", "user_bob", bad)
		refused(t, bad, err, 422, "form_param_value_invalid")
	}
	half := `{"%":"` + strings.Repeat("x", 5000) + `"}`
	must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_d2gamers", "user_bob", strings.Replace(half, "%", "a", 1)))
	_, err := b.setMetadata(t, "org_d2gamers", "user_bob", strings.Replace(half, "%", "b", 1))
	refused(t, "more than 8 KB in all", err, 422, "form_param_exceeds_allowed_size")
	_, err = b.setMetadata(t, "org_d2gamers", "user_erin", `{}`)
	refused(t, "a stranger", err, 404, "resource_not_found")

	u := must[*clerk.User](t)(b.users.UpdateMetadata(t.Context(), "user_bob", &user.UpdateMetadataParams{
		PublicMetadata: clerk.JSONRawMessage(json.RawMessage(`{"a":1}`)), PrivateMetadata: clerk.JSONRawMessage(json.RawMessage(`{"b":2}`)),
	}))
	if string(u.PublicMetadata) != `{"a":1}` || string(u.PrivateMetadata) != `{"b":2}` {
		t.Errorf("bob = %s %s", u.PublicMetadata, u.PrivateMetadata)
	}
}

func sameJSON(a, b any) bool {
	one, err1 := json.Marshal(a)
	two, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(one) == string(two)
}

func TestClaimsShareNoMetadata(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{})
	must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_acme", "user_frank", `{"a":{"b":[{"c":1}]}}`))
	claims, err := b.Claims(sandbox.TokenRequest{User: "frank", Org: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	claims["org_metadata"].(map[string]any)["a"].(map[string]any)["b"].([]any)[0].(map[string]any)["c"] = 2
	m := must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_acme", "user_frank", `{}`))
	if string(m.PublicMetadata) != `{"a":{"b":[{"c":1}]}}` {
		t.Errorf("a change of claims reached the sandbox: %s", m.PublicMetadata)
	}
}

func TestBodiesAreRead(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{})
	for _, c := range []struct {
		kind, body string
		status     int
		code       string
	}{
		{"application/json", `{"name":"A","colour":"red"}`, 422, "form_param_unknown"},
		{"application/json", `{"name":5}`, 422, "form_param_type_invalid"},
		{"application/json", `{"name":"A"} {}`, 400, "request_body_invalid"},
		{"application/json", `{"name":`, 400, "request_body_invalid"},
		{"application/json", `[]`, 400, "request_body_invalid"},
		{"application/json", `null`, 422, "form_param_missing"},
		{"application/json", ``, 422, "form_param_missing"},
		{"application/x-www-form-urlencoded", `name=A`, 415, "unsupported_content_type"},
		{"application/json", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, 400, "request_body_invalid"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/clerk/v1/organizations", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", c.kind)
		r.Header.Set("Authorization", "Bearer "+b.SecretKey())
		if a := do(t, r); a.status != c.status || !strings.Contains(a.body, `"`+c.code+`"`) {
			t.Errorf("%.40s: %d %s, want %d %s", c.body, a.status, a.body, c.status, c.code)
		}
	}
}

func TestInvitationsAreMadeFoundRevokedAndExpire(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	b := newBackend(t, sandbox.Options{Now: clock.Now})
	ctx := t.Context()
	invite := func(email, role string, change func(*organizationinvitation.CreateParams)) (*clerk.OrganizationInvitation, error) {
		params := &organizationinvitation.CreateParams{OrganizationID: "org_acme", EmailAddress: &email, Role: &role}
		if change != nil {
			change(params)
		}
		return b.invitations.Create(ctx, params)
	}
	find := func(statuses ...string) string {
		list := must[*clerk.OrganizationInvitationList](t)(b.invitations.List(ctx, &organizationinvitation.ListParams{OrganizationID: "org_acme", Statuses: &statuses}))
		var found []string
		for _, i := range list.OrganizationInvitations {
			found = append(found, i.EmailAddress+" "+i.Status)
		}
		return strings.Join(found, ", ")
	}
	first := must[*clerk.OrganizationInvitation](t)(invite("Zoe@Acme.test", "org:member", nil))
	if !strings.HasPrefix(first.ID, "orginv_") || first.EmailAddress != "zoe@acme.test" || first.Status != "pending" || first.OrganizationID != "org_acme" ||
		*first.ExpiresAt != clock.Now().Add(30*24*time.Hour).UnixMilli() || first.URL == "" || first.RoleName != "Member" {
		t.Errorf("invitation = %+v", first)
	}
	for _, c := range []struct {
		name, email, role string
		change            func(*organizationinvitation.CreateParams)
		status            int
		code              string
	}{
		{"again", "ZOE@acme.test", "org:viewer", nil, 400, "duplicate_record"},
		{"a member", "frank@acme.test", "org:viewer", nil, 400, "already_a_member_in_organization"},
		{"no address", "zoe", "org:viewer", nil, 422, "form_param_format_invalid"},
		{"a name too", "Zoe <z@acme.test>", "org:viewer", nil, 422, "form_param_format_invalid"},
		{"empty address", "", "org:viewer", nil, 422, "form_param_missing"},
		{"no role", "y@acme.test", "", nil, 422, "form_param_missing"},
		{"unknown role", "y@acme.test", "org:king", nil, 404, "resource_not_found"},
		{"no days", "y@acme.test", "org:viewer", func(p *organizationinvitation.CreateParams) { p.ExpiresInDays = clerk.Int64(0) }, 422, "form_param_value_invalid"},
		{"days", "y@acme.test", "org:viewer", func(p *organizationinvitation.CreateParams) { p.ExpiresInDays = clerk.Int64(366) }, 422, "form_param_value_invalid"},
		{"inviter no admin", "y@acme.test", "org:viewer", func(p *organizationinvitation.CreateParams) { p.InviterUserID = clerk.String("user_frank") }, 403, "missing_organization_permission"},
		{"inviter a stranger", "y@acme.test", "org:viewer", func(p *organizationinvitation.CreateParams) { p.InviterUserID = clerk.String("user_dana") }, 403, "not_a_member_in_organization"},
		{"redirect", "y@acme.test", "org:viewer", func(p *organizationinvitation.CreateParams) { p.RedirectURL = clerk.String("/x") }, 422, "form_param_format_invalid"},
		{"organization", "y@acme.test", "org:viewer", func(p *organizationinvitation.CreateParams) { p.OrganizationID = "org_zoo" }, 404, "resource_not_found"},
	} {
		_, err := invite(c.email, c.role, c.change)
		refused(t, c.name, err, c.status, c.code)
	}
	short := must[*clerk.OrganizationInvitation](t)(invite("yan@acme.test", "org:viewer", func(p *organizationinvitation.CreateParams) {
		p.ExpiresInDays, p.InviterUserID = clerk.Int64(1), clerk.String("user_erin")
	}))
	if got := find(); got != "yan@acme.test pending, zoe@acme.test pending" {
		t.Errorf("all = %q", got)
	}
	clock.add(24*time.Hour - time.Millisecond)
	if got := find("expired"); got != "" {
		t.Errorf("expired too early: %q", got)
	}
	clock.add(time.Millisecond)
	if got, still := find("expired"), find("pending"); got != "yan@acme.test expired" || still != "zoe@acme.test pending" {
		t.Errorf("expired = %q, pending = %q", got, still)
	}
	_, err := b.invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: "org_acme", ID: short.ID})
	refused(t, "revoke an expired one", err, 404, "organization_invitation_not_pending")
	order(t, http.MethodPost, b.url+"/sandbox/invitations/"+short.ID+"/accept", `{"user":"yan"}`, 400)
	must[*clerk.OrganizationInvitation](t)(invite("yan@acme.test", "org:viewer", nil))

	_, err = b.invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: "org_acme", ID: first.ID, RequestingUserID: clerk.String("user_frank")})
	refused(t, "revoke as no admin", err, 403, "missing_organization_permission")
	back := must[*clerk.OrganizationInvitation](t)(b.invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: "org_acme", ID: first.ID}))
	if back.Status != "revoked" || back.URL != "" {
		t.Errorf("revoked = %+v", back)
	}
	_, err = b.invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: "org_acme", ID: first.ID})
	refused(t, "revoke again", err, 404, "organization_invitation_not_pending")
	got := must[*clerk.OrganizationInvitation](t)(b.invitations.Get(ctx, &organizationinvitation.GetParams{OrganizationID: "org_acme", ID: first.ID}))
	if got.Status != "revoked" {
		t.Errorf("got = %+v", got)
	}
	_, err = b.invitations.Get(ctx, &organizationinvitation.GetParams{OrganizationID: "org_d2gamers", ID: first.ID})
	refused(t, "get through another organization", err, 404, "resource_not_found")
	_, err = b.invitations.List(ctx, &organizationinvitation.ListParams{OrganizationID: "org_acme", Statuses: &[]string{"lost"}})
	refused(t, "an unknown status", err, 422, "form_param_value_invalid")
}
