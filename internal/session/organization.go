package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// organization reads the active organization as the token's version writes it. The claims of
// the other version are ignored: a version 2 token without `o` is personal, whatever custom
// claims it carries.
func (c *claims) organization(a *tenancy.Actor) error {
	switch version, err := c.version(); {
	case err != nil:
		return err
	case version == 1:
		return c.organizationV1(a)
	default:
		return c.organizationV2(a)
	}
}

func (c *claims) version() (int, error) {
	if len(c.Version) == 0 {
		return 1, nil
	}
	v, err := strconv.Atoi(string(c.Version))
	if err != nil || v < 1 || v > 2 {
		return 0, errors.New("v is not a known version")
	}
	return v, nil
}

func (c *claims) organizationV1(a *tenancy.Actor) error {
	if absent(c.OrgID) {
		return nil
	}
	var ok bool
	if a.Organization.ID, ok = text(c.OrgID); !ok || !isID(a.Organization.ID, "org_") {
		return errors.New("org_id is not an organization")
	}
	a.Organization.Slug, _ = text(c.OrgSlug)
	role, _ := text(c.OrgRole)
	if a.Role, ok = roleOf(role); !ok {
		return errors.New("org_role is missing")
	}
	if absent(c.OrgPermissions) {
		return nil
	}
	var names []string
	if err := json.Unmarshal(c.OrgPermissions, &names); err != nil {
		return errors.New("org_permissions is not a list of names")
	}
	for _, name := range names {
		p, _ := tenancy.PermissionOf(name)
		a.Permissions |= p
	}
	return nil
}

func (c *claims) organizationV2(a *tenancy.Actor) error {
	if absent(c.Org) {
		return nil
	}
	var o struct {
		ID          string `json:"id"`
		Slug        string `json:"slg"`
		Role        string `json:"rol"`
		Permissions string `json:"per"`
		Masks       string `json:"fpm"`
	}
	if err := json.Unmarshal(c.Org, &o); err != nil {
		return errors.New("o cannot be read")
	}
	if !isID(o.ID, "org_") {
		return errors.New("o.id is not an organization")
	}
	var ok bool
	if a.Role, ok = roleOf(o.Role); !ok {
		return errors.New("o.rol is missing")
	}
	features, _ := text(c.Features)
	a.Organization = tenancy.Organization{ID: o.ID, Slug: o.Slug}
	a.Permissions = decodePermissions(features, o.Permissions, o.Masks)
	return nil
}

// roleOf returns the key of a token's role, or false if the token names none.
func roleOf(claim string) (string, bool) {
	key := tenancy.RoleKey(claim)
	return key, len(key) > len(tenancy.RolePrefix) && len(claim) <= idMax
}

// decodePermissions decodes a version 2 token's permissions as Clerk documents it: the i-th
// mask belongs to the i-th feature, and bit j of a mask, from the lowest, grants the j-th
// permission on it. Features without the scope of an organization and masks that are not
// numbers grant nothing.
func decodePermissions(features, permissions, masks string) tenancy.Permissions {
	var granted tenancy.Permissions
	names := strings.Split(permissions, ",")
	numbers := strings.Split(masks, ",")
	for i, feature := range strings.Split(features, ",") {
		if i >= len(numbers) {
			break
		}
		scope, name, ok := strings.Cut(strings.TrimSpace(feature), ":")
		if !ok || (scope != "o" && scope != "ou" && scope != "uo") {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(numbers[i]), 10, 64)
		if err != nil {
			continue
		}
		for j, permission := range names[:min(len(names), 64)] {
			if mask&(1<<j) != 0 {
				p, _ := tenancy.PermissionOf(fmt.Sprintf("org:%s:%s", name, strings.TrimSpace(permission)))
				granted |= p
			}
		}
	}
	return granted
}
