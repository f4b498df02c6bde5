package rbac

import (
	"slices"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// personal is what everybody holds in their own workspace: their tasks. There are no
// seats, members or audit there.
const personal = tenancy.TasksView | tenancy.TasksEdit | tenancy.TasksManage

// Holds is what the actor really holds: everything in a role that administers, the
// token's permissions and what they imply in any other, one's own tasks in a personal
// workspace.
func Holds(a tenancy.Actor, adminRoles []string) tenancy.Permissions {
	if a.Personal() {
		return personal
	}
	return OfRole(a.Role, a.Permissions, adminRoles)
}

// OfRole is what a role in an organization really holds that was given those
// permissions.
func OfRole(role string, given tenancy.Permissions, adminRoles []string) tenancy.Permissions {
	if slices.Contains(adminRoles, role) {
		return tenancy.AllPermissions
	}
	return withImplied(given)
}

// withImplied adds what a permission implies: manage implies edit, edit implies view.
func withImplied(p tenancy.Permissions) tenancy.Permissions {
	if p.Has(tenancy.TasksManage) {
		p |= tenancy.TasksEdit
	}
	if p.Has(tenancy.TasksEdit) {
		p |= tenancy.TasksView
	}
	if p.Has(tenancy.MembersManage) {
		p |= tenancy.MembersView
	}
	if p.Has(tenancy.LicensingManage) {
		p |= tenancy.LicensingView
	}
	return p
}
