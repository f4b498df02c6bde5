package settings_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/tenancy"
)

func TestWhatRolesHoldIsReadFromTheEnvironment(t *testing.T) {
	t.Parallel()
	const view, edit = tenancy.TasksView, tenancy.TasksEdit
	for name, c := range map[string]struct {
		env  map[string]string
		want map[string]tenancy.Permissions
	}{
		"not set":              {nil, map[string]tenancy.Permissions{"org:member": edit | view | tenancy.MembersView}},
		"one role":             {map[string]string{"ROLE_PERMISSIONS": "org:member=org:tasks:edit"}, map[string]tenancy.Permissions{"org:member": edit}},
		"it replaces":          {map[string]string{"ROLE_PERMISSIONS": "org:guest=org:tasks:view"}, map[string]tenancy.Permissions{"org:guest": view}},
		"nothing":              {map[string]string{"ROLE_PERMISSIONS": "org:member="}, map[string]tenancy.Permissions{"org:member": 0}},
		"several":              {map[string]string{"ROLE_PERMISSIONS": "org:member=org:tasks:edit,org:members:view;org:guest=org:tasks:view"}, map[string]tenancy.Permissions{"org:member": edit | tenancy.MembersView, "org:guest": view}},
		"without the prefix":   {map[string]string{"ROLE_PERMISSIONS": "basic_member=org:tasks:edit"}, map[string]tenancy.Permissions{"org:basic_member": edit}},
		"with spaces":          {map[string]string{"ROLE_PERMISSIONS": " member = org:tasks:edit , org:tasks:view ; guest = "}, map[string]tenancy.Permissions{"org:member": edit | view, "org:guest": 0}},
		"the same twice":       {map[string]string{"ROLE_PERMISSIONS": "org:member=org:tasks:edit,org:tasks:edit"}, map[string]tenancy.Permissions{"org:member": edit}},
		"an administrator too": {map[string]string{"ROLE_PERMISSIONS": "admin=org:tasks:view"}, map[string]tenancy.Permissions{"org:admin": view}},
	} {
		got, err := read(t, c.env)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, got.Roles.Adds); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	got, err := read(t, map[string]string{"ADMIN_ROLES": "admin, org:owner"})
	if diff := cmp.Diff([]string{"org:admin", "org:owner"}, got.Roles.Admin); diff != "" || err != nil {
		t.Errorf("ADMIN_ROLES without the prefix: %v (-want +got):\n%s", err, diff)
	}
}

// What is wrong is told with the place where it is and what may stand there.
func TestAWrongRoleIsToldByItsPlace(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"org:member=org:tasks:view;org:guest=org:task:view": "ROLE_PERMISSIONS: entry 2 of those between ';' has a permission that is not one of org:tasks:view, org:tasks:edit, org:tasks:manage, " +
			"org:members:view, org:members:manage, org:licensing:view, org:licensing:manage, org:audit:view",
		"org:member=org:tasks:view;":                   "ROLE_PERMISSIONS: entry 2 of those between ';' is empty",
		"org:tasks:view":                               "ROLE_PERMISSIONS: entry 1 of those between ';' is not of the form role=permission,permission",
		"org:tasks:view=org:member":                    "ROLE_PERMISSIONS: entry 1 of those between ';' names what is not a role such as org:admin",
		"org:a=org:tasks:view;org:b=;a=org:audit:view": "ROLE_PERMISSIONS: entry 3 of those between ';' names a role that an entry before it names",
		" ": "ROLE_PERMISSIONS: is set but empty; give it a value or do not set it",
	} {
		_, err := read(t, map[string]string{"ROLE_PERMISSIONS": value})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", value, err, want)
		}
	}
}
