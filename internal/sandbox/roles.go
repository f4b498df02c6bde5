package sandbox

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// role is a role of the instance; every organization has the same ones.
type role struct{ key, name, description string }

// adminRole may manage an organization; whoever makes one gets it.
const adminRole = "org:admin"

// memberRole is what Clerk gives members of a new instance.
const memberRole = "org:member"

var roles = []role{
	{adminRole, "Admin", "Manages the organization and its members"},
	{"org:manager", "Manager", "Works on everybody's tasks"},
	{memberRole, "Member", "Works on tasks"},
	{"org:viewer", "Viewer", "Reads tasks"},
}

// rolePermissions are the custom permissions of each role, sorted. The admin role has none here: what it holds in Clerk are
// system permissions, and Clerk puts those into no token.
var rolePermissions = map[string][]string{
	adminRole:     nil,
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

// standard reports whether a new instance has the role.
func (r role) standard() bool { return r.key == adminRole || r.key == memberRole }

func roleNamed(key string) (role, bool) {
	i := slices.IndexFunc(roles, func(r role) bool { return r.key == key })
	if i < 0 {
		return role{}, false
	}
	return roles[i], true
}

// permissions are all of the role's, those of the system first; plain leaves out the custom ones.
func (r role) permissions(plain bool) []string {
	switch {
	case plain && r.key == adminRole:
		return slices.Clone(systemPermissions)
	case plain:
		return slices.Clone(memberPermissions)
	}
	if r.key == adminRole {
		return slices.Concat(systemPermissions, rolePermissions[r.key])
	}
	return slices.Concat(memberPermissions, rolePermissions[r.key])
}

type roleJSON struct {
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

func (r role) json(at int64, plain bool) roleJSON {
	id := strings.NewReplacer("org:", "", ":", "", "_", "")
	j := roleJSON{
		Object: "role", ID: "role_" + id.Replace(r.key), Name: r.name, Key: r.key, Description: r.description,
		Creator: r.key == adminRole, Permissions: []permissionJSON{}, CreatedAt: at, UpdatedAt: at,
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

// listRoles answers GET /organization_roles.
func (s *clerkServer) listRoles(r *http.Request) (any, error) {
	q, p, err := readList(r, "order_by", "query")
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(slices.Clone(roles), func(r role) bool {
		return s.plainRoles && !r.standard() || !contains(q.Get("query"), r.key, r.name)
	})
	err = sortBy(found, q, "-created_at", map[string]func(a, b role) int{
		"created_at": func(a, b role) int { return slices.Index(roles, a) - slices.Index(roles, b) },
		"name":       func(a, b role) int { return cmp.Compare(a.name, b.name) },
		"key":        func(a, b role) int { return cmp.Compare(a.key, b.key) },
	})
	if err != nil {
		return nil, err
	}
	return listJSON(found, p, func(r role) roleJSON { return r.json(s.dir.started, s.plainRoles) }), nil
}
