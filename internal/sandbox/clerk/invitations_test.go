package clerk_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestInvitationsAreMadeFoundRevokedAndExpire(t *testing.T) {
	t.Parallel()
	clock := sandboxtest.NewClock()
	b := sandboxtest.NewClerk(t, sandbox.Options{Now: clock.Now})
	ctx := t.Context()
	invite := func(email, role string, change func(*organizationinvitation.CreateParams)) (*clerk.OrganizationInvitation, error) {
		params := &organizationinvitation.CreateParams{OrganizationID: "org_acme", EmailAddress: &email, Role: &role}
		if change != nil {
			change(params)
		}
		return b.Invitations.Create(ctx, params)
	}
	find := func(statuses ...string) string {
		list := sandboxtest.Must[*clerk.OrganizationInvitationList](t)(b.Invitations.List(ctx, &organizationinvitation.ListParams{OrganizationID: "org_acme", Statuses: &statuses}))
		var found []string
		for _, i := range list.OrganizationInvitations {
			found = append(found, i.EmailAddress+" "+i.Status)
		}
		return strings.Join(found, ", ")
	}
	first := sandboxtest.Must[*clerk.OrganizationInvitation](t)(invite("Zoe@Acme.test", "org:member", nil))
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
		sandboxtest.WantClerkError(t, c.name, err, c.status, c.code)
	}
	short := sandboxtest.Must[*clerk.OrganizationInvitation](t)(invite("yan@acme.test", "org:viewer", func(p *organizationinvitation.CreateParams) {
		p.ExpiresInDays, p.InviterUserID = clerk.Int64(1), clerk.String("user_erin")
	}))
	if got := find(); got != "yan@acme.test pending, zoe@acme.test pending" {
		t.Errorf("all = %q", got)
	}
	clock.Advance(24*time.Hour - time.Millisecond)
	if got := find("expired"); got != "" {
		t.Errorf("expired too early: %q", got)
	}
	clock.Advance(time.Millisecond)
	if got, still := find("expired"), find("pending"); got != "yan@acme.test expired" || still != "zoe@acme.test pending" {
		t.Errorf("expired = %q, pending = %q", got, still)
	}
	_, err := b.Invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: "org_acme", ID: short.ID})
	sandboxtest.WantClerkError(t, "revoke an expired one", err, 404, "organization_invitation_not_pending")
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/invitations/"+short.ID+"/accept", `{"user":"yan"}`, 400)
	sandboxtest.Must[*clerk.OrganizationInvitation](t)(invite("yan@acme.test", "org:viewer", nil))

	_, err = b.Invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: "org_acme", ID: first.ID, RequestingUserID: clerk.String("user_frank")})
	sandboxtest.WantClerkError(t, "revoke as no admin", err, 403, "missing_organization_permission")
	back := sandboxtest.Must[*clerk.OrganizationInvitation](t)(b.Invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: "org_acme", ID: first.ID}))
	if back.Status != "revoked" || back.URL != "" {
		t.Errorf("revoked = %+v", back)
	}
	_, err = b.Invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: "org_acme", ID: first.ID})
	sandboxtest.WantClerkError(t, "revoke again", err, 404, "organization_invitation_not_pending")
	got := sandboxtest.Must[*clerk.OrganizationInvitation](t)(b.Invitations.Get(ctx, &organizationinvitation.GetParams{OrganizationID: "org_acme", ID: first.ID}))
	if got.Status != "revoked" {
		t.Errorf("got = %+v", got)
	}
	_, err = b.Invitations.Get(ctx, &organizationinvitation.GetParams{OrganizationID: "org_d2gamers", ID: first.ID})
	sandboxtest.WantClerkError(t, "get through another organization", err, 404, "resource_not_found")
	_, err = b.Invitations.List(ctx, &organizationinvitation.ListParams{OrganizationID: "org_acme", Statuses: &[]string{"lost"}})
	sandboxtest.WantClerkError(t, "an unknown status", err, 422, "form_param_value_invalid")
}
