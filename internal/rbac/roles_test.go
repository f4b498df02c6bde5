package rbac

import (
	"testing"

	"github.com/teamtask/teamtask/internal/tenancy"
)

func TestWhatARoleHolds(t *testing.T) {
	t.Parallel()
	org := tenancy.Organization{ID: "org_1"}
	admins := []string{"org:admin", "org:owner"}
	const alone = tenancy.TasksView | tenancy.TasksEdit | tenancy.TasksManage
	for name, c := range map[string]struct {
		actor  tenancy.Actor
		admins []string
		want   tenancy.Permissions
	}{
		"nothing":                {tenancy.Actor{Organization: org, Role: "org:guest"}, admins, 0},
		"view":                   {tenancy.Actor{Organization: org, Role: "org:viewer", Permissions: tenancy.TasksView}, admins, tenancy.TasksView},
		"edit implies view":      {tenancy.Actor{Organization: org, Role: "org:member", Permissions: tenancy.TasksEdit}, admins, tenancy.TasksEdit | tenancy.TasksView},
		"manage implies both":    {tenancy.Actor{Organization: org, Role: "org:manager", Permissions: tenancy.TasksManage}, admins, alone},
		"members":                {tenancy.Actor{Organization: org, Permissions: tenancy.MembersManage}, admins, tenancy.MembersManage | tenancy.MembersView},
		"licensing":              {tenancy.Actor{Organization: org, Permissions: tenancy.LicensingManage}, admins, tenancy.LicensingManage | tenancy.LicensingView},
		"audit implies nothing":  {tenancy.Actor{Organization: org, Permissions: tenancy.AuditView}, admins, tenancy.AuditView},
		"view implies no edit":   {tenancy.Actor{Organization: org, Permissions: tenancy.MembersView | tenancy.LicensingView}, admins, tenancy.MembersView | tenancy.LicensingView},
		"an admin":               {tenancy.Actor{Organization: org, Role: "org:admin"}, admins, tenancy.AllPermissions},
		"another admin role":     {tenancy.Actor{Organization: org, Role: "org:owner"}, admins, tenancy.AllPermissions},
		"admin is configured":    {tenancy.Actor{Organization: org, Role: "org:admin"}, []string{"org:owner"}, 0},
		"no admin role":          {tenancy.Actor{Organization: org, Role: "org:admin", Permissions: tenancy.TasksView}, nil, tenancy.TasksView},
		"in other letters":       {tenancy.Actor{Organization: org, Role: "org:Admin"}, admins, 0},
		"a longer name":          {tenancy.Actor{Organization: org, Role: "org:admin2"}, admins, 0},
		"without its prefix":     {tenancy.Actor{Organization: org, Role: "admin"}, admins, 0},
		"alone":                  {tenancy.Actor{}, admins, alone},
		"alone, as an admin":     {tenancy.Actor{Role: "org:admin"}, admins, alone},
		"alone, with a claim":    {tenancy.Actor{Permissions: tenancy.AllPermissions}, admins, alone},
		"an empty role, matched": {tenancy.Actor{Organization: org}, nil, 0},
	} {
		if got := (Roles{Admin: c.admins}).Holds(c.actor); got != c.want {
			t.Errorf("%s: %v, want %v", name, names(got), names(c.want))
		}
	}
}

// What the configuration adds to a role counts as if Clerk had said it, and only in an
// organization.
func TestTheConfigurationAddsToARole(t *testing.T) {
	t.Parallel()
	org := tenancy.Organization{ID: "org_1"}
	roles := Roles{
		Admin: []string{"org:admin"},
		Adds: map[string]tenancy.Permissions{
			"org:member": tenancy.TasksEdit | tenancy.MembersView, "org:boss": tenancy.LicensingManage, "org:admin": tenancy.TasksView, "org:none": 0,
		},
	}
	const alone = tenancy.TasksView | tenancy.TasksEdit | tenancy.TasksManage
	for name, c := range map[string]struct {
		actor tenancy.Actor
		want  tenancy.Permissions
	}{
		"a role without any":           {tenancy.Actor{Organization: org, Role: "org:member"}, tenancy.TasksView | tenancy.TasksEdit | tenancy.MembersView},
		"beside what the token says":   {tenancy.Actor{Organization: org, Role: "org:member", Permissions: tenancy.AuditView}, tenancy.TasksView | tenancy.TasksEdit | tenancy.MembersView | tenancy.AuditView},
		"with what it implies":         {tenancy.Actor{Organization: org, Role: "org:boss"}, tenancy.LicensingManage | tenancy.LicensingView},
		"nothing":                      {tenancy.Actor{Organization: org, Role: "org:none"}, 0},
		"another role":                 {tenancy.Actor{Organization: org, Role: "org:guest", Permissions: tenancy.TasksView}, tenancy.TasksView},
		"an admin loses nothing":       {tenancy.Actor{Organization: org, Role: "org:admin"}, tenancy.AllPermissions},
		"a workspace of one's own":     {tenancy.Actor{Role: "org:boss"}, alone},
		"in other letters":             {tenancy.Actor{Organization: org, Role: "org:Member"}, 0},
		"the system's actor, no role":  {tenancy.Actor{Organization: org}, 0},
		"what a role before it begins": {tenancy.Actor{Organization: org, Role: "org:members"}, 0},
	} {
		if got := roles.Holds(c.actor); got != c.want {
			t.Errorf("%s: %v, want %v", name, names(got), names(c.want))
		}
	}
}

func names(p tenancy.Permissions) []string {
	var all []string
	for name := range p.Names() {
		all = append(all, name)
	}
	return all
}
