package clerk_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestRolesCarryTheirPermissions(t *testing.T) {
	t.Parallel()
	b := sandboxtest.NewClerk(t, sandbox.Options{})
	a := sandboxtest.Send(t, http.MethodGet, b.URL+"/clerk/v1/organization_roles?limit=500&order_by=%2Bcreated_at", "Bearer "+b.SecretKey())
	var body struct {
		Data []struct {
			Object, ID, Key, Name, Description string
			Permissions                        []struct{ Object, ID, Key, Type string }
		}
		TotalCount int `json:"total_count"`
	}
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil || a.Status != http.StatusOK {
		t.Fatalf("%d %s (%v)", a.Status, a.Body, err)
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
