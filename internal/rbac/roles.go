package rbac

import (
	"slices"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// personal is what everybody holds in their own workspace: their tasks. There are no
// seats, members or audit there.
const personal = tenancy.TasksView | tenancy.TasksEdit | tenancy.TasksManage

// Roles is what the configuration says of the roles of organizations. Roles are named as
// tenancy.RoleKey writes them.
type Roles struct {
	Admin []string                       // hold every permission
	Adds  map[string]tenancy.Permissions // what a role holds beside what Clerk gave it
}

// Holds returns what the actor holds: what their role does in an organization, their own
// tasks in a personal workspace.
func (r Roles) Holds(a tenancy.Actor) tenancy.Permissions {
	if a.Personal() {
		return personal
	}
	return r.Of(a.Role, a.Permissions)
}

// Of returns what a role of an organization holds that Clerk gave those permissions:
// everything where it administers, else these, what the configuration adds, and what both
// imply.
func (r Roles) Of(role string, given tenancy.Permissions) tenancy.Permissions {
	if slices.Contains(r.Admin, role) {
		return tenancy.AllPermissions
	}
	return withImplied(given | r.Adds[role])
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
