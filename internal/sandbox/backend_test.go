package sandbox_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organization"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
)

// backend is the SDK, pointed at a sandbox.
type backend struct {
	*sandbox.Sandbox
	url           string
	api           clerk.Backend
	users         *user.Client
	organizations *organization.Client
	members       *organizationmembership.Client
	invitations   *organizationinvitation.Client
}

func newBackend(t *testing.T, o sandbox.Options) backend {
	t.Helper()
	s, base := serve(t, o)
	t.Cleanup(s.Close)
	url, key := base+"/clerk/v1", s.SecretKey()
	config := &clerk.ClientConfig{BackendConfig: clerk.BackendConfig{URL: &url, Key: &key}}
	return backend{
		Sandbox: s, url: base, api: clerk.NewBackend(&config.BackendConfig), users: user.NewClient(config),
		organizations: organization.NewClient(config), members: organizationmembership.NewClient(config),
		invitations: organizationinvitation.NewClient(config),
	}
}

type metadataParams struct {
	clerk.APIParams
	PublicMetadata  json.RawMessage `json:"public_metadata,omitempty"`
	PrivateMetadata json.RawMessage `json:"private_metadata,omitempty"`
}

// setMetadata changes a membership's metadata, for which the SDK has no function of its own.
func (b backend) setMetadata(t *testing.T, org, user, public string) (*clerk.OrganizationMembership, error) {
	t.Helper()
	request := clerk.NewAPIRequest(http.MethodPatch, "/organizations/"+org+"/memberships/"+user+"/metadata")
	request.SetParams(&metadataParams{PublicMetadata: json.RawMessage(public)})
	var m clerk.OrganizationMembership
	err := b.api.Call(t.Context(), request, &m)
	return &m, err
}

// refused checks the status and the code of an answer of the API.
func refused(t *testing.T, what string, err error, status int, code string) *clerk.APIErrorResponse {
	t.Helper()
	e, ok := errors.AsType[*clerk.APIErrorResponse](err)
	if !ok || e.HTTPStatusCode != status || len(e.Errors) != 1 || e.Errors[0].Code != code {
		t.Errorf("%s: got %v, want %d %s", what, err, status, code)
		return &clerk.APIErrorResponse{}
	}
	if e.TraceID == "" || e.Errors[0].Message == "" || e.Errors[0].LongMessage == "" || code != strings.ToLower(code) {
		t.Errorf("%s: the error is not whole: %v", what, err)
	}
	return e
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(got T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
}

func memberIDs(list *clerk.OrganizationMembershipList) string {
	var ids []string
	for _, m := range list.OrganizationMemberships {
		ids = append(ids, strings.TrimPrefix(m.PublicUserData.UserID, "user_"))
	}
	return strings.Join(ids, " ")
}

func TestMembershipsAreListedWithFilters(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{})
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
		list, err := b.members.List(t.Context(), &c.params)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := memberIDs(list); got != c.ids || list.TotalCount != c.total {
			t.Errorf("%s: got %q of %d, want %q of %d", c.name, got, list.TotalCount, c.ids, c.total)
		}
	}
	of := must[*clerk.OrganizationMembershipList](t)(b.users.ListOrganizationMemberships(t.Context(), "user_alice", &user.ListOrganizationMembershipsParams{}))
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

func TestListsHaveTenEntriesUnlessAskedAndFiveHundredAtMost(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{RequestLimit: -1})
	for i := range 12 {
		order(t, http.MethodPost, b.url+"/sandbox/organizations/acme/members", `{"user":"guest`+string(rune('a'+i))+`","role":"org:viewer"}`, 200)
	}
	list := must[*clerk.OrganizationMembershipList](t)(b.members.List(t.Context(), &organizationmembership.ListParams{OrganizationID: "org_acme"}))
	if len(list.OrganizationMemberships) != 10 || list.TotalCount != 14 {
		t.Errorf("got %d of %d, want 10 of 14", len(list.OrganizationMemberships), list.TotalCount)
	}
	for query, code := range map[string]string{
		"limit=500": "", "limit=501": "form_param_value_invalid", "limit=0": "form_param_value_invalid", "limit=x": "form_param_type_invalid",
		"offset=-1": "form_param_value_invalid", "order_by=age": "form_param_value_invalid", "web3_wallet=a": "form_param_unknown",
		"limit=%zz": "malformed_request_parameters",
	} {
		a := send(t, http.MethodGet, b.url+"/clerk/v1/organizations/org_acme/memberships?"+query, "Bearer "+b.SecretKey())
		switch {
		case code == "" && a.status == http.StatusOK:
		case code == "malformed_request_parameters" && a.status == http.StatusBadRequest && strings.Contains(a.body, code):
		case a.status == http.StatusUnprocessableEntity && strings.Contains(a.body, code) && code != "":
		default:
			t.Errorf("%s: %d %s, want %s", query, a.status, a.body, code)
		}
	}
}

func TestUnknownAddressesAnswerJSON(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{})
	for _, c := range []struct {
		method, path, authorization string
		status                      int
		code                        string
	}{
		{"GET", "/domains", "Bearer " + b.SecretKey(), 404, "resource_not_found"},
		{"GET", "/organizations/org_acme/roles", "Bearer " + b.SecretKey(), 404, "resource_not_found"},
		{"PUT", "/users/user_bob", "Bearer " + b.SecretKey(), 405, "method_not_allowed"},
		{"GET", "/domains", "", 401, "authorization_header_format_invalid"},
		{"GET", "/users", "Bearer sk_test_other", 401, "clerk_key_invalid"},
		{"DELETE", "/users/user_bob", "", 401, "authorization_header_format_invalid"},
	} {
		a := send(t, c.method, b.url+"/clerk/v1"+c.path, c.authorization)
		var body struct {
			Errors  []struct{ Code string }
			TraceID string `json:"clerk_trace_id"`
		}
		if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != c.status || len(body.Errors) != 1 || body.Errors[0].Code != c.code || body.TraceID == "" {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, a.status, a.body, c.status, c.code)
		}
		if got := a.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s %s: Content-Type = %q", c.method, c.path, got)
		}
	}
}

func TestRolesCarryTheirPermissions(t *testing.T) {
	t.Parallel()
	b := newBackend(t, sandbox.Options{})
	a := send(t, http.MethodGet, b.url+"/clerk/v1/organization_roles?limit=500&order_by=%2Bcreated_at", "Bearer "+b.SecretKey())
	var body struct {
		Data []struct {
			Object, ID, Key, Name, Description string
			Permissions                        []struct{ Object, ID, Key, Type string }
		}
		TotalCount int `json:"total_count"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s (%v)", a.status, a.body, err)
	}
	var got []string
	for _, r := range body.Data {
		line := r.Key
		for _, p := range r.Permissions {
			if (p.Type == "system") != strings.HasPrefix(p.Key, "org:sys_") || p.Object != "permission" {
				t.Errorf("permission = %+v", p)
			}
			if p.Type == "user" {
				line += " " + p.Key
			}
		}
		if r.Object != "role" || !strings.HasPrefix(r.ID, "role_") || r.Name == "" || r.Description == "" || len(r.Permissions) == 0 {
			t.Errorf("role = %+v", r)
		}
		got = append(got, line)
	}
	want := []string{
		"org:admin", "org:manager org:members:view org:tasks:edit org:tasks:manage org:tasks:view",
		"org:member org:members:view org:tasks:edit org:tasks:view", "org:viewer org:members:view org:tasks:view",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || body.TotalCount != 4 {
		t.Errorf("got %q of %d, want %q", got, body.TotalCount, want)
	}
}
