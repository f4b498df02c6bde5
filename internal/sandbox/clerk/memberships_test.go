package clerk_test

import (
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organization"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestMembershipsAreListedWithFilters(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
	for _, c := range []struct {
		name   string
		params organizationmembership.ListParams
		ids    string
		total  int64
	}{
		{"all, newest first", organizationmembership.ListParams{}, "charlie ben bob alice dana", 5},
		{"oldest first", organizationmembership.ListParams{OrderBy: clerk.String("created_at")}, "dana alice bob ben charlie", 5},
		{"a page", organizationmembership.ListParams{ListParams: clerk.ListParams{Limit: clerk.Int64(2), Offset: clerk.Int64(1)}}, "ben bob", 5},
		{"roles", organizationmembership.ListParams{Roles: []string{"org:member", "org:nothing"}}, "ben bob", 2},
		{"an unknown role", organizationmembership.ListParams{Roles: []string{"org:nothing"}}, "", 0},
		{"users", organizationmembership.ListParams{UserIDs: []string{"user_dana", "user_erin"}}, "dana", 1},
		{"but one", organizationmembership.ListParams{UserIDs: []string{"-user_dana"}}, "charlie ben bob alice", 4},
		{"query", organizationmembership.ListParams{Query: clerk.String("LIE")}, "charlie", 1},
		{"address", organizationmembership.ListParams{EmailAddressQuery: clerk.String("ce@")}, "alice", 1},
	} {
		c.params.OrganizationID = "org_d2gamers"
		list, err := b.Members.List(t.Context(), &c.params)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := sandboxtest.MemberIDs(list); got != c.ids || list.TotalCount != c.total {
			t.Errorf("%s: got %q of %d, want %q of %d", c.name, got, list.TotalCount, c.ids, c.total)
		}
	}
	of := sandboxtest.Must[*clerk.OrganizationMembershipList](t)(b.Users.ListOrganizationMemberships(t.Context(), "user_alice", &user.ListOrganizationMembershipsParams{}))
	if of.TotalCount != 1 || of.OrganizationMemberships[0].Organization.ID != "org_d2gamers" {
		t.Errorf("alice's memberships = %+v", of)
	}
	m := of.OrganizationMemberships[0]
	if m.Role != "org:manager" || m.RoleName != "Manager" || !strings.HasPrefix(m.ID, "orgmem_") || m.Object != "organization_membership" ||
		*m.PublicUserData.FirstName != "Alice" || m.PublicUserData.Identifier != "alice@d2-gamers.test" || m.CreatedAt < 1e12 ||
		strings.Join(m.Permissions, " ") != "org:sys_memberships:read org:members:view org:tasks:edit org:tasks:manage org:tasks:view" {
		t.Errorf("alice's membership = %+v %+v", m, m.PublicUserData)
	}
}

func TestMembersComeChangeAndGo(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
	ctx := t.Context()
	add := func(org, user, role string) (*clerk.OrganizationMembership, error) {
		return b.Members.Create(ctx, &organizationmembership.CreateParams{OrganizationID: org, UserID: &user, Role: &role})
	}
	m := sandboxtest.Must[*clerk.OrganizationMembership](t)(add("org_acme", "user_alice", "org:viewer"))
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
		sandboxtest.WantClerkError(t, c.name, err, c.status, c.code)
	}

	role := "org:manager"
	changed := sandboxtest.Must[*clerk.OrganizationMembership](t)(b.Members.Update(ctx, &organizationmembership.UpdateParams{OrganizationID: "org_acme", UserID: "user_alice", Role: &role}))
	if changed.ID != m.ID || changed.Role != role || changed.UpdatedAt < m.UpdatedAt {
		t.Errorf("changed = %+v", changed)
	}
	_, claims := sandboxtest.TokenParts(t, sandboxtest.Token(t, b.Sandbox, sandbox.TokenRequest{User: "alice", Org: "acme", Version: 1}))
	if claims["org_role"] != role || len(claims["org_permissions"].([]any)) != 4 {
		t.Errorf("claims after the change = %v", claims)
	}
	role = "org:king"
	_, err := b.Members.Update(ctx, &organizationmembership.UpdateParams{OrganizationID: "org_acme", UserID: "user_alice", Role: &role})
	sandboxtest.WantClerkError(t, "change to an unknown role", err, 404, "resource_not_found")
	_, err = b.Members.Update(ctx, &organizationmembership.UpdateParams{OrganizationID: "org_acme", UserID: "user_alice"})
	sandboxtest.WantClerkError(t, "change to no role", err, 422, "form_param_missing")
	_, err = b.Members.Update(ctx, &organizationmembership.UpdateParams{OrganizationID: "org_acme", UserID: "user_bob", Role: &role})
	sandboxtest.WantClerkError(t, "change of a stranger", err, 404, "resource_not_found")

	gone := sandboxtest.Must[*clerk.OrganizationMembership](t)(b.Members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: "org_acme", UserID: "user_alice"}))
	if gone.ID != m.ID || gone.PublicUserData.UserID != "user_alice" {
		t.Errorf("removed = %+v", gone)
	}
	_, err = b.Members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: "org_acme", UserID: "user_alice"})
	sandboxtest.WantClerkError(t, "remove again", err, 404, "resource_not_found")
	_, err = b.Members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: "org_acme"})
	sandboxtest.WantClerkError(t, "remove nobody", err, 405, "method_not_allowed")
	if _, err := b.Token(sandbox.TokenRequest{User: "alice", Org: "acme"}); err == nil {
		t.Error("a token for a removed member was made")
	}
	if back := sandboxtest.Must[*clerk.OrganizationMembership](t)(add("org_acme", "user_alice", "org:viewer")); back.ID == m.ID {
		t.Error("a new membership has the id of an old one")
	}
}

func TestFullOrganizationTakesNobody(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
	sandboxtest.Must[*clerk.Organization](t)(b.Organizations.Update(t.Context(), "org_acme", &organization.UpdateParams{MaxAllowedMemberships: clerk.Int64(3)}))
	sandboxtest.Must[*clerk.OrganizationInvitation](t)(b.Invitations.Create(t.Context(), &organizationinvitation.CreateParams{
		OrganizationID: "org_acme", EmailAddress: clerk.String("zoe@acme.test"), Role: clerk.String("org:member"),
	}))
	_, err := b.Members.Create(t.Context(), &organizationmembership.CreateParams{
		OrganizationID: "org_acme", UserID: clerk.String("user_bob"), Role: clerk.String("org:member"),
	})
	sandboxtest.WantClerkError(t, "a fourth", err, 403, "organization_membership_quota_exceeded")
}
