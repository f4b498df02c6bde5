package server

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// ordinary is what members hold by default.
const ordinary = tenancy.TasksEdit | tenancy.TasksView | tenancy.MembersView

func TestAWarningWhereNoOrdinaryRoleHoldsAnything(t *testing.T) {
	t.Parallel()
	member := map[string]tenancy.Permissions{"org:member": ordinary}
	plain := []clerk.Role{{Key: "org:admin"}, {Key: "org:member", Permissions: []string{"org:sys_memberships:read"}}}
	for name, c := range map[string]struct {
		listed []clerk.Role
		err    error
		roles  rbac.Roles
		want   bool
	}{
		"a new instance, by default":         {plain, nil, rbac.Roles{Admin: []string{"org:admin"}, Adds: member}, false},
		"a new instance, nothing added":      {plain, nil, rbac.Roles{Admin: []string{"org:admin"}}, true},
		"a new instance, added to another":   {plain, nil, rbac.Roles{Admin: []string{"org:admin"}, Adds: map[string]tenancy.Permissions{"org:guest": ordinary}}, true},
		"only to one that administers":       {plain, nil, rbac.Roles{Admin: []string{"org:admin", "org:member"}, Adds: member}, true},
		"an instance from before 2023":       {[]clerk.Role{{Key: "org:admin"}, {Key: "org:basic_member"}}, nil, rbac.Roles{Admin: []string{"org:admin"}, Adds: member}, true},
		"custom permissions":                 {[]clerk.Role{{Key: "org:viewer", Permissions: []string{"org:tasks:view"}}}, nil, rbac.Roles{}, false},
		"permissions of others alone":        {[]clerk.Role{{Key: "org:viewer", Permissions: []string{"org:invoices:view"}}}, nil, rbac.Roles{}, true},
		"Clerk does not offer its list":      {nil, clerk.NotOffered, rbac.Roles{}, false},
		"Clerk answers the third time alone": {plain, nil, rbac.Roles{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log, asked := &logged{}, 0
				warnOfRoles(t.Context(), func(context.Context) ([]clerk.Role, error) {
					if asked++; strings.Contains(name, "third") && asked < 3 {
						return nil, fault.ProviderUnavailable
					}
					return c.listed, c.err
				}, c.roles, log.logger())
				if got := strings.Contains(log.String(), "ROLE_PERMISSIONS"); got != c.want {
					t.Errorf("warned: %v, want %v: %s", got, c.want, log)
				}
			})
		})
	}
}

// A Clerk that never answers is asked until the server ends, and no longer.
func TestTheRolesAreAskedForUntilTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		asked := 0
		warnOfRoles(ctx, func(context.Context) ([]clerk.Role, error) { asked++; return nil, fault.ProviderUnavailable }, rbac.Roles{}, (&logged{}).logger())
		if asked < 5 || asked > 20 {
			t.Errorf("asked %d times in 10 minutes", asked)
		}
	})
}

// The sandbox's list as a new instance has it warns, once nothing is added.
func TestTheWarningComesForANewInstance(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	box, err := sandbox.New(sandbox.Options{BaseURL: base, PlainRoles: true})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = box.Handler()
	server.Start()
	t.Cleanup(server.Close)
	client, err := newClerk(clerk.Options{URL: base + "/clerk/v1", SecretKey: box.SecretKey()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		adds tenancy.Permissions
		want bool
	}{{0, true}, {tenancy.TasksView, false}} {
		adds, want := c.adds, c.want
		roles := rbac.Roles{Admin: []string{"org:admin"}, Adds: map[string]tenancy.Permissions{"org:member": adds}}
		log := &logged{}
		warnOfRoles(t.Context(), client.Roles, roles, log.logger())
		if got := strings.Contains(log.String(), "ROLE_PERMISSIONS"); got != want {
			t.Errorf("%v: warned %v, want %v: %s", adds, got, want, log)
		}
	}
}
