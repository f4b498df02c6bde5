package clerk_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organization"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestUsersAreListedCountedReadAndDeleted(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
	for _, c := range []struct {
		name   string
		params user.ListParams
		ids    string
		total  int64
	}{
		{"all, newest first", user.ListParams{}, "nils nina frank erin charlie ben bob alice dana", 9},
		{"oldest first", user.ListParams{OrderBy: clerk.String("+created_at")}, "dana alice bob ben charlie erin frank nina nils", 9},
		{"by address", user.ListParams{OrderBy: clerk.String("email_address")}, "alice ben bob charlie dana erin frank nils nina", 9},
		{"a page", user.ListParams{ListParams: clerk.ListParams{Limit: clerk.Int64(2), Offset: clerk.Int64(5)}}, "ben bob", 9},
		{"beyond the end", user.ListParams{ListParams: clerk.ListParams{Offset: clerk.Int64(70)}}, "", 9},
		{"some", user.ListParams{UserIDs: []string{"user_bob", "+user_dana", "user_zoe"}}, "bob dana", 2},
		{"but one", user.ListParams{UserIDs: []string{"-user_bob"}}, "nils nina frank erin charlie ben alice dana", 8},
		{"of one organization", user.ListParams{OrganizationIDs: []string{"org_acme"}}, "frank erin", 2},
		{"of no organization of that name", user.ListParams{OrganizationIDs: []string{"org_zoo"}}, "", 0},
		{"query", user.ListParams{Query: clerk.String("BO")}, "bob", 1},
		{"address", user.ListParams{EmailAddresses: []string{"Ben@d2-gamers.test"}}, "ben", 1},
	} {
		list, err := b.Users.List(t.Context(), &c.params)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var ids []string
		for _, u := range list.Users {
			ids = append(ids, strings.TrimPrefix(u.ID, "user_"))
		}
		if got := strings.Join(ids, " "); got != c.ids || list.TotalCount != c.total {
			t.Errorf("%s: got %q of %d, want %q of %d", c.name, got, list.TotalCount, c.ids, c.total)
		}
	}
	if a := sandboxtest.Send(t, http.MethodGet, b.URL+"/clerk/v1/users?limit=1", "Bearer "+b.SecretKey()); !strings.HasPrefix(a.Body, "[{") {
		t.Errorf("users = %.40s, want a bare array", a.Body)
	}

	u := sandboxtest.Must[*clerk.User](t)(b.Users.Get(t.Context(), "user_alice"))
	if u.Object != "user" || *u.FirstName != "Alice" || u.LastName != nil || len(u.EmailAddresses) != 1 || u.CreatedAt < 1e12 || u.UpdatedAt != u.CreatedAt {
		t.Errorf("alice = %+v", u)
	}
	e := u.EmailAddresses[0]
	if *u.PrimaryEmailAddressID != e.ID || e.EmailAddress != "alice@d2-gamers.test" || e.Verification.Status != "verified" {
		t.Errorf("alice's address = %+v", e)
	}
	u = sandboxtest.Must[*clerk.User](t)(b.Users.Update(t.Context(), "user_alice", &user.UpdateParams{LastName: clerk.String("Liddell")}))
	if *u.FirstName != "Alice" || *u.LastName != "Liddell" {
		t.Errorf("alice = %+v", u)
	}

	deleted := sandboxtest.Must[*clerk.DeletedResource](t)(b.Users.Delete(t.Context(), "user_bob"))
	if deleted.ID != "user_bob" || !deleted.Deleted || deleted.Object != "user" {
		t.Errorf("deleted = %+v", deleted)
	}
	_, err := b.Users.Get(t.Context(), "user_bob")
	sandboxtest.WantClerkError(t, "get a deleted user", err, 404, "resource_not_found")
	_, err = b.Users.Delete(t.Context(), "user_bob")
	sandboxtest.WantClerkError(t, "delete again", err, 404, "resource_not_found")
	_, err = b.Users.Delete(t.Context(), "")
	sandboxtest.WantClerkError(t, "delete without an id", err, 405, "method_not_allowed")
	list := sandboxtest.Must[*clerk.OrganizationMembershipList](t)(b.Members.List(t.Context(), &organizationmembership.ListParams{OrganizationID: "org_d2gamers"}))
	if got := sandboxtest.MemberIDs(list); got != "charlie ben alice dana" {
		t.Errorf("members after the deletion = %q", got)
	}
	o := sandboxtest.Must[*clerk.Organization](t)(b.Organizations.GetWithParams(t.Context(), "d2-gamers", &organization.GetParams{IncludeMembersCount: clerk.Bool(true)}))
	if *o.MembersCount != 4 {
		t.Errorf("members after the deletion = %d, want 4", *o.MembersCount)
	}
}

func TestUsersAreMade(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	ctx := t.Context()
	made := sandboxtest.Must[*clerk.User](t)(b.Users.Create(ctx, &user.CreateParams{
		EmailAddresses: &[]string{"Zoe@zoo.test", "zoe@two.test"}, FirstName: clerk.String("Zoe"), SkipPasswordRequirement: clerk.Bool(true),
		PublicMetadata: clerk.JSONRawMessage(json.RawMessage(`{"a":1}`)),
	}))
	if !strings.HasPrefix(made.ID, "user_") || *made.FirstName != "Zoe" || len(made.EmailAddresses) != 2 || string(made.PublicMetadata) != `{"a":1}` ||
		*made.PrimaryEmailAddressID != made.EmailAddresses[0].ID || made.EmailAddresses[0].EmailAddress != "zoe@zoo.test" {
		t.Errorf("made = %+v", made)
	}
	if e := r.Want(t, "user.created")[0]; e.Data["id"] != made.ID {
		t.Errorf("told = %s", e.Raw)
	}
	if _, claims := sandboxtest.TokenParts(t, sandboxtest.Token(t, b.Sandbox, sandbox.TokenRequest{User: made.ID})); claims["sub"] != made.ID || claims["sid"] == "" {
		t.Errorf("claims = %v", claims)
	}
	for _, c := range []struct {
		name   string
		emails []string
		code   string
	}{
		{"no address", nil, "form_param_missing"},
		{"bad address", []string{"zoe"}, "form_param_format_invalid"},
		{"taken address", []string{"yan@zoo.test", "BOB@d2-gamers.test"}, "form_identifier_exists"},
		{"an address twice", []string{"yan@zoo.test", "Yan@zoo.test"}, "form_identifier_exists"},
	} {
		_, err := b.Users.Create(ctx, &user.CreateParams{EmailAddresses: &c.emails})
		sandboxtest.WantClerkError(t, c.name, err, 422, c.code)
	}
	r.Want(t)
	if got := sandboxtest.Must[*clerk.UserList](t)(b.Users.List(ctx, &user.ListParams{})).TotalCount; got != 10 {
		t.Errorf("users = %d, want 10", got)
	}
}
