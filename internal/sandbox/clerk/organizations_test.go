package clerk_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organization"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestOrganizationsLiveAndDie(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
	ctx := t.Context()
	list := sandboxtest.Must[*clerk.OrganizationList](t)(b.Organizations.List(ctx, &organization.ListParams{
		OrderBy: clerk.String("name"), IncludeMembersCount: clerk.Bool(true), UserIDs: []string{"user_dana", "user_erin"},
	}))
	if list.TotalCount != 2 || list.Organizations[0].Slug != "acme" || *list.Organizations[1].MembersCount != 5 {
		t.Errorf("list = %+v", list)
	}
	list = sandboxtest.Must[*clerk.OrganizationList](t)(b.Organizations.List(ctx, &organization.ListParams{Query: clerk.String("gam"), UserIDs: []string{"-user_erin"}}))
	if list.TotalCount != 1 || list.Organizations[0].ID != "org_d2gamers" || list.Organizations[0].MembersCount != nil {
		t.Errorf("list = %+v", list)
	}

	made := sandboxtest.Must[*clerk.Organization](t)(b.Organizations.Create(ctx, &organization.CreateParams{
		Name: clerk.String("Zoo Keepers"), CreatedBy: clerk.String("user_frank"), PublicMetadata: clerk.JSONRawMessage(json.RawMessage(`{"a":1}`)),
	}))
	if !strings.HasPrefix(made.ID, "org_") || made.Slug != "zoo-keepers" || made.CreatedBy != "user_frank" || string(made.PublicMetadata) != `{"a":1}` {
		t.Errorf("made = %+v", made)
	}
	for _, key := range []string{made.ID, made.Slug} {
		if got := sandboxtest.Must[*clerk.Organization](t)(b.Organizations.Get(ctx, key)); got.ID != made.ID || got.MembersCount != nil {
			t.Errorf("get %s = %+v", key, got)
		}
	}
	members := sandboxtest.Must[*clerk.OrganizationMembershipList](t)(b.Members.List(ctx, &organizationmembership.ListParams{OrganizationID: made.ID}))
	if members.TotalCount != 1 || members.OrganizationMemberships[0].Role != "org:admin" {
		t.Errorf("members of the new organization = %+v", members)
	}
	changed := sandboxtest.Must[*clerk.Organization](t)(b.Organizations.Update(ctx, made.ID, &organization.UpdateParams{
		Name: clerk.String("Zoo"), Slug: clerk.String("zoo"), PublicMetadata: clerk.JSONRawMessage(json.RawMessage(`{"b":2}`)),
	}))
	if changed.Name != "Zoo" || changed.Slug != "zoo" || string(changed.PublicMetadata) != `{"b":2}` || changed.UpdatedAt < made.UpdatedAt {
		t.Errorf("changed = %+v", changed)
	}
	changed = sandboxtest.Must[*clerk.Organization](t)(b.Organizations.UpdateMetadata(ctx, made.ID, &organization.UpdateMetadataParams{
		PublicMetadata: clerk.JSONRawMessage(json.RawMessage(`{"c":3}`)), PrivateMetadata: clerk.JSONRawMessage(json.RawMessage(`{"d":{}}`)),
	}))
	if string(changed.PublicMetadata) != `{"b":2,"c":3}` || string(changed.PrivateMetadata) != `{"d":{}}` {
		t.Errorf("changed = %+v", changed)
	}

	for _, c := range []struct {
		name   string
		params organization.CreateParams
		status int
		code   string
	}{
		{"no name", organization.CreateParams{}, 422, "form_param_missing"},
		{"long name", organization.CreateParams{Name: clerk.String(strings.Repeat("é", 257))}, 422, "form_param_max_length_exceeded"},
		{"bad slug", organization.CreateParams{Name: clerk.String("a"), Slug: clerk.String("A b")}, 422, "form_param_format_invalid"},
		{"taken slug", organization.CreateParams{Name: clerk.String("a"), Slug: clerk.String("acme")}, 422, "form_identifier_exists"},
		{"unknown creator", organization.CreateParams{Name: clerk.String("a"), CreatedBy: clerk.String("user_zoe")}, 400, "organization_creator_not_found"},
	} {
		_, err := b.Organizations.Create(ctx, &c.params)
		sandboxtest.WantClerkError(t, c.name, err, c.status, c.code)
	}
	_, err := b.Organizations.Update(ctx, made.ID, &organization.UpdateParams{Slug: clerk.String("acme")})
	sandboxtest.WantClerkError(t, "change to a taken slug", err, 422, "form_identifier_exists")
	again := sandboxtest.Must[*clerk.Organization](t)(b.Organizations.Create(ctx, &organization.CreateParams{Name: clerk.String("acme")}))
	if !strings.HasPrefix(again.Slug, "acme-") {
		t.Errorf("slug of a second acme = %q", again.Slug)
	}

	deleted := sandboxtest.Must[*clerk.DeletedResource](t)(b.Organizations.Delete(ctx, made.ID))
	if deleted.ID != made.ID || deleted.Slug != "zoo" || !deleted.Deleted {
		t.Errorf("deleted = %+v", deleted)
	}
	_, err = b.Organizations.Get(ctx, made.ID)
	sandboxtest.WantClerkError(t, "get a deleted organization", err, 404, "resource_not_found")
	_, err = b.Members.List(ctx, &organizationmembership.ListParams{OrganizationID: made.ID})
	sandboxtest.WantClerkError(t, "members of a deleted organization", err, 404, "resource_not_found")
	_, err = b.Organizations.Delete(ctx, "acme")
	sandboxtest.WantClerkError(t, "delete by slug", err, 404, "resource_not_found")
	if _, err := b.Token(sandbox.TokenRequest{User: "frank", Org: made.ID}); err == nil {
		t.Error("a token for a deleted organization was made")
	}
}
