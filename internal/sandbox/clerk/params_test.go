package clerk_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestListsHaveTenEntriesUnlessAskedAndFiveHundredAtMost(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{RequestLimit: -1})
	for i := range 12 {
		sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/organizations/acme/members", `{"user":"guest`+string(rune('a'+i))+`","role":"org:viewer"}`, 200)
	}
	list := sandboxtest.Must[*clerk.OrganizationMembershipList](t)(b.Members.List(t.Context(), &organizationmembership.ListParams{OrganizationID: "org_acme"}))
	if len(list.OrganizationMemberships) != 10 || list.TotalCount != 14 {
		t.Errorf("got %d of %d, want 10 of 14", len(list.OrganizationMemberships), list.TotalCount)
	}
	for query, code := range map[string]string{
		"limit=500": "", "limit=501": "form_param_value_invalid", "limit=0": "form_param_value_invalid", "limit=x": "form_param_type_invalid",
		"offset=-1": "form_param_value_invalid", "order_by=age": "form_param_value_invalid", "web3_wallet=a": "form_param_unknown",
		"limit=%zz": "malformed_request_parameters",
	} {
		a := sandboxtest.Send(t, http.MethodGet, b.URL+"/clerk/v1/organizations/org_acme/memberships?"+query, "Bearer "+b.SecretKey())
		switch {
		case code == "" && a.Status == http.StatusOK:
		case code == "malformed_request_parameters" && a.Status == http.StatusBadRequest && strings.Contains(a.Body, code):
		case a.Status == http.StatusUnprocessableEntity && strings.Contains(a.Body, code) && code != "":
		default:
			t.Errorf("%s: %d %s, want %s", query, a.Status, a.Body, code)
		}
	}
}

func TestBodiesAreRead(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
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
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL+"/clerk/v1/organizations", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", c.kind)
		r.Header.Set("Authorization", "Bearer "+b.SecretKey())
		if a := sandboxtest.Do(t, r); a.Status != c.status || !strings.Contains(a.Body, `"`+c.code+`"`) {
			t.Errorf("%.40s: %d %s, want %d %s", c.body, a.Status, a.Body, c.status, c.code)
		}
	}
}
