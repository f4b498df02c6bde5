package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/teamtask/teamtask/internal/env"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// memberRole is the role that Clerk gives to members of a new instance. It carries no
// permission of ours there, and other roles need a paid plan of Clerk's.
const memberRole = "org:member"

// memberHolds is what memberRole holds where ROLE_PERMISSIONS is not set.
const memberHolds = tenancy.TasksEdit | tenancy.TasksView | tenancy.MembersView

// readRoles reads what roles hold. Roles are the same with and without "org:".
func readRoles(vars *env.Reader) rbac.Roles {
	admins := vars.List("ADMIN_ROLES", []string{"org:admin"}, isRole)
	for i, role := range admins {
		admins[i] = tenancy.RoleKey(role)
	}
	return rbac.Roles{Admin: admins, Adds: readAdds(vars)}
}

// readAdds reads ROLE_PERMISSIONS, for instance
// "org:member=org:tasks:edit,org:members:view;org:guest=org:tasks:view". A role with nothing
// behind the sign holds nothing beside what Clerk gave it. The variable replaces the default.
func readAdds(vars *env.Reader) map[string]tenancy.Permissions {
	const name = "ROLE_PERMISSIONS"
	value := vars.Optional(name, "")
	if value == "" {
		return map[string]tenancy.Permissions{memberRole: memberHolds}
	}
	adds := map[string]tenancy.Permissions{}
	entry := 0
	for text := range strings.SplitSeq(value, ";") {
		entry++
		role, permissions, err := readRole(text)
		if err == nil {
			if _, twice := adds[role]; twice {
				err = errors.New("names a role that an entry before it names")
			}
		}
		if err != nil {
			vars.Refuse(name, fmt.Sprintf("entry %d of those between ';' %v", entry, err))
			continue
		}
		adds[role] = permissions
	}
	return adds
}

// readRole reads one role with its permissions. Its error says what is wrong with the entry
// and quotes nothing of it.
func readRole(entry string) (string, tenancy.Permissions, error) {
	role, list, ok := strings.Cut(entry, "=")
	role = strings.TrimSpace(role)
	switch {
	case strings.TrimSpace(entry) == "":
		return "", 0, errors.New("is empty")
	case !ok:
		return "", 0, errors.New("is not of the form role=permission,permission")
	}
	if err := isRole(role); err != nil {
		return "", 0, fmt.Errorf("names what %w", err)
	}
	var all tenancy.Permissions
	if strings.TrimSpace(list) == "" {
		return tenancy.RoleKey(role), 0, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		p, known := tenancy.PermissionOf(strings.TrimSpace(name))
		if !known {
			return "", 0, fmt.Errorf("has a permission that is not one of %s", strings.Join(permissionNames(), ", "))
		}
		all |= p
	}
	return tenancy.RoleKey(role), all, nil
}

func permissionNames() []string {
	var all []string
	for name := range tenancy.AllPermissions.Names() {
		all = append(all, name)
	}
	return all
}

// roleMax is how many bytes the name of a role may have.
const roleMax = 100

func isRole(s string) error {
	name := strings.TrimPrefix(s, "org:")
	if name == "" || len(s) > roleMax || strings.Trim(name, roleCharacters) != "" {
		return errors.New("is not a role such as org:admin")
	}
	return nil
}

// roleCharacters may stand in the name of a role, behind "org:".
const roleCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
