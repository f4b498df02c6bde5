package directory_test

import (
	"net/http"
	"testing"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

// The people of the start have the same ids, order and times in every sandbox, also after a reset.
func TestPeopleAreTheSameInEverySandbox(t *testing.T) {
	t.Parallel()
	clock := sandboxtest.NewClock()
	one, other := sandboxtest.NewClerk(t, sandbox.Options{Now: clock.Now}), sandboxtest.NewClerk(t, sandbox.Options{Now: clock.Now})
	one.AddMembers(t, 3)
	sandboxtest.Call(t, http.MethodDelete, one.URL+"/sandbox/users/bob", "", 200)
	sandboxtest.Call(t, http.MethodPost, one.URL+"/sandbox/reset", "", 200)
	for _, path := range []string{
		"/users", "/organizations", "/organization_roles", "/organizations/org_acme/memberships", "/organizations/org_d2gamers/memberships",
		"/organizations/org_d2gamers/invitations",
	} {
		got := sandboxtest.Send(t, http.MethodGet, one.URL+"/clerk/v1"+path, "Bearer "+one.SecretKey())
		want := sandboxtest.Send(t, http.MethodGet, other.URL+"/clerk/v1"+path, "Bearer "+other.SecretKey())
		if got.Status != http.StatusOK || got.Body != want.Body {
			t.Errorf("%s: %d %s\nand %d %s", path, got.Status, got.Body, want.Status, want.Body)
		}
	}
}
