package clerk

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// Role is a role that members may have.
type Role struct {
	Key         string // with "org:"
	Name        string
	Permissions []string // keys, system permissions included
}

type roleWire struct {
	Key         string `json:"key"`
	Name        string `json:"name"`
	Permissions []struct {
		Key string `json:"key"`
	} `json:"permissions"`
}

// roleKey returns the role's key with "org:", which instances from before 2023 leave out.
func roleKey(role string) string {
	const prefix = "org:"
	role = text(role)
	if role == "" || strings.HasPrefix(role, prefix) {
		return role
	}
	return prefix + role
}

func (w roleWire) role() (Role, bool) {
	r := Role{Key: roleKey(w.Key), Name: text(w.Name), Permissions: make([]string, 0, len(w.Permissions))}
	for _, permission := range w.Permissions {
		if permission.Key == "" {
			return Role{}, false
		}
		r.Permissions = append(r.Permissions, permission.Key)
	}
	return r, w.Key != ""
}

// Roles asks for all roles of the instance. Where the instance or its plan has no such
// list (401 apart, anything that says it is not there or not for us) the error is
// NotOffered; otherwise the errors of every call.
func (c *Client) Roles(ctx context.Context) ([]Role, error) {
	q := request{name: "Roles", verb: http.MethodGet, path: path("organization_roles")}
	var roles []Role
	for role, err := range list(ctx, c, q, func(r Role) string { return r.Key }, roleWire.role) {
		if err == nil {
			roles = append(roles, role)
			continue
		}
		if e, ok := errors.AsType[*Error](err); ok {
			switch e.Status {
			case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
				return nil, &Error{Provider: provider, Kind: NotOffered, Method: e.Method, Status: e.Status, Code: e.Code}
			}
		}
		return nil, err
	}
	return roles, nil
}
