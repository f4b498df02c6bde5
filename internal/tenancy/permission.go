package tenancy

import (
	"iter"
	"math/bits"
	"strings"
)

// Permissions is a set of the permissions that this system knows.
type Permissions uint16

// The permissions, as they stand in tokens and in the rules of methods.
const (
	TasksView       Permissions = 1 << iota // org:tasks:view
	TasksEdit                               // org:tasks:edit: one's own tasks
	TasksManage                             // org:tasks:manage: all tasks
	MembersView                             // org:members:view
	MembersManage                           // org:members:manage
	LicensingView                           // org:licensing:view
	LicensingManage                         // org:licensing:manage
	AuditView                               // org:audit:view

	permissionsEnd
	AllPermissions = permissionsEnd - 1
)

var permissionNames = [...]string{
	"org:tasks:view", "org:tasks:edit", "org:tasks:manage",
	"org:members:view", "org:members:manage",
	"org:licensing:view", "org:licensing:manage",
	"org:audit:view",
}

// PermissionOf returns the permission of that name, or false if there is none.
func PermissionOf(name string) (Permissions, bool) {
	for i, n := range permissionNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// RolePrefix begins the key of every role of an organization.
const RolePrefix = "org:"

// RoleKey returns the role's key with the prefix "org:". Tokens of version 2 leave the prefix
// out, and instances from before 2023 leave it out everywhere: with and without it, it is one
// role. For "" it returns "".
func RoleKey(role string) string {
	if role == "" || strings.HasPrefix(role, RolePrefix) {
		return role
	}
	return RolePrefix + role
}

// Has reports whether every permission of q is in p.
func (p Permissions) Has(q Permissions) bool { return p&q == q }

// Names yields the names of the permissions in p.
func (p Permissions) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := p & AllPermissions; rest != 0; rest &= rest - 1 {
			if !yield(permissionNames[bits.TrailingZeros16(uint16(rest))]) {
				return
			}
		}
	}
}
