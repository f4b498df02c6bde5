package clerk_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestMetadataMergesDeeplyAndNullRemoves(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{MetadataLimit: -1})
	for _, c := range []struct{ patch, want string }{
		{`{"a":{"b":1,"c":{"d":true}},"n":9007199254740993}`, `{"a":{"b":1,"c":{"d":true}},"isLicensed":true,"n":9007199254740993}`},
		{`{"a":{"c":{"e":"x"}}}`, `{"a":{"b":1,"c":{"d":true,"e":"x"}},"isLicensed":true,"n":9007199254740993}`},
		{`{"a":{"c":{"d":null}},"n":null}`, `{"a":{"b":1,"c":{"e":"x"}},"isLicensed":true}`},
		{`{"a":[1,{"k":null}]}`, `{"a":[1,{"k":null}],"isLicensed":true}`},
		{`{"a":{"z":null,"y":{}}}`, `{"a":{"y":{}},"isLicensed":true}`},
		{`{"a":null,"zz":null,"isLicensed":null}`, `{}`},
		{`{}`, `{}`},
	} {
		m := sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_d2gamers", "user_bob", c.patch))
		if string(m.PublicMetadata) != c.want {
			t.Errorf("after %s: %s, want %s", c.patch, m.PublicMetadata, c.want)
		}
		_, claims := sandboxtest.TokenParts(t, sandboxtest.Token(t, b.Sandbox, sandbox.TokenRequest{User: "bob", Org: "d2-gamers"}))
		var want map[string]any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if !sameJSON(claims["org_metadata"], want) {
			t.Errorf("after %s: the token has %v", c.patch, claims["org_metadata"])
		}
	}
	for _, bad := range []string{`"text"`, `[1]`, `5`} {
		_, err := b.SetMetadata(t, "org_d2gamers", "user_bob", bad)
		sandboxtest.WantClerkError(t, bad, err, 422, "form_param_value_invalid")
	}
	half := `{"%":"` + strings.Repeat("x", 5000) + `"}`
	sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_d2gamers", "user_bob", strings.Replace(half, "%", "a", 1)))
	_, err := b.SetMetadata(t, "org_d2gamers", "user_bob", strings.Replace(half, "%", "b", 1))
	sandboxtest.WantClerkError(t, "more than 8 KB in all", err, 422, "form_param_exceeds_allowed_size")
	_, err = b.SetMetadata(t, "org_d2gamers", "user_erin", `{}`)
	sandboxtest.WantClerkError(t, "a stranger", err, 404, "resource_not_found")

	u := sandboxtest.Must[*clerk.User](t)(b.Users.UpdateMetadata(t.Context(), "user_bob", &user.UpdateMetadataParams{
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
