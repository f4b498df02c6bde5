package clerk

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
)

// listRoles serves GET /organization_roles.
func (s *Server) listRoles(r *http.Request) (any, error) {
	q, p, err := readList(r, "order_by", "query")
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(slices.Clone(directory.Roles), func(r directory.Role) bool {
		return s.plainRoles && !r.Standard() || !contains(q.Get("query"), r.Key, r.Name)
	})
	err = sortBy(found, q, "-created_at", map[string]func(a, b directory.Role) int{
		"created_at": func(a, b directory.Role) int {
			return slices.Index(directory.Roles, a) - slices.Index(directory.Roles, b)
		},
		"name": func(a, b directory.Role) int { return cmp.Compare(a.Name, b.Name) },
		"key":  func(a, b directory.Role) int { return cmp.Compare(a.Key, b.Key) },
	})
	if err != nil {
		return nil, err
	}
	return listJSON(found, p, func(r directory.Role) directory.RoleJSON { return r.JSON(s.dir.Started, s.plainRoles) }), nil
}
