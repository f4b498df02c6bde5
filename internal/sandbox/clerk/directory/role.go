package directory

import (
	"slices"
	"strings"
)

// Role is a role of the instance; every organization has the same ones.
type Role struct{ Key, Name, description string }

// AdminRole may manage an organization; its creator gets it.
const AdminRole = "org:admin"

// memberRole is what Clerk gives members of a new instance.
const memberRole = "org:member"

// Roles are the roles of the instance, in the order of their creation.
var Roles = []Role{
	{AdminRole, "Admin", "Manages the organization and its members"},
	{"org:manager", "Manager", "Works on everybody's tasks"},
	{memberRole, "Member", "Works on tasks"},
	{"org:viewer", "Viewer", "Reads tasks"},
}

// rolePermissions are the custom permissions of each role, sorted. The admin role has none here: what it holds in Clerk are
// system permissions, and Clerk puts those into no token.
var rolePermissions = map[string][]string{
	AdminRole:     nil,
	"org:manager": {"org:members:view", "org:tasks:edit", "org:tasks:manage", "org:tasks:view"},
	memberRole:    {"org:members:view", "org:tasks:edit", "org:tasks:view"},
	"org:viewer":  {"org:members:view", "org:tasks:view"},
}

// systemPermissions are what Clerk gives its two own roles; all but the admin have those of a member here.
var (
	systemPermissions = []string{
		"org:sys_domains:manage", "org:sys_domains:read", "org:sys_memberships:manage", "org:sys_memberships:read",
		"org:sys_profile:delete", "org:sys_profile:manage",
	}
	memberPermissions = []string{"org:sys_memberships:read"}
)

// Standard reports whether a new instance has the role.
func (r Role) Standard() bool { return r.Key == AdminRole || r.Key == memberRole }

// RoleNamed returns the role with a key and reports whether there is one.
func RoleNamed(key string) (Role, bool) {
	i := slices.IndexFunc(Roles, func(r Role) bool { return r.Key == key })
	if i < 0 {
		return Role{}, false
	}
	return Roles[i], true
}

// permissions returns all permissions of the role, the system's first; plain leaves out the custom ones.
func (r Role) permissions(plain bool) []string {
	switch {
	case plain && r.Key == AdminRole:
		return slices.Clone(systemPermissions)
	case plain:
		return slices.Clone(memberPermissions)
	}
	if r.Key == AdminRole {
		return slices.Concat(systemPermissions, rolePermissions[r.Key])
	}
	return slices.Concat(memberPermissions, rolePermissions[r.Key])
}

// RoleJSON is the shape of a role.
type RoleJSON struct {
	Object      string           `json:"object"`
	ID          string           `json:"id"`
	Name        string           `json:"name"`
	Key         string           `json:"key"`
	Description string           `json:"description"`
	Creator     bool             `json:"is_creator_eligible"`
	Permissions []permissionJSON `json:"permissions"`
	CreatedAt   int64            `json:"created_at"`
	UpdatedAt   int64            `json:"updated_at"`
}

type permissionJSON struct {
	Object      string `json:"object"`
	ID          string `json:"id"`
	Name        string `json:"name"`
	Key         string `json:"key"`
	Description string `json:"description"`
	Type        string `json:"type"` // system or user
	CreatedAt   int64  `json:"created_at"`
	UpdatedAt   int64  `json:"updated_at"`
}

// JSON returns the shape of a role that was created at a time.
func (r Role) JSON(at int64, plain bool) RoleJSON {
	id := strings.NewReplacer("org:", "", ":", "", "_", "")
	j := RoleJSON{
		Object: "role", ID: "role_" + id.Replace(r.Key), Name: r.Name, Key: r.Key, Description: r.description,
		Creator: r.Key == AdminRole, Permissions: []permissionJSON{}, CreatedAt: at, UpdatedAt: at,
	}
	for _, key := range r.permissions(plain) {
		kind := "user"
		if strings.HasPrefix(key, "org:sys_") {
			kind = "system"
		}
		j.Permissions = append(j.Permissions, permissionJSON{
			Object: "permission", ID: "perm_" + id.Replace(key), Name: strings.TrimPrefix(key, "org:"), Key: key, Type: kind,
			CreatedAt: at, UpdatedAt: at,
		})
	}
	return j
}
