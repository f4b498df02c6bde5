package membership

import (
	"context"
	"slices"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// role is a role as it is listed.
type role struct {
	key       string
	name      string
	holds     tenancy.Permissions // of ours
	grantable bool                // by the actor
}

// Roles returns the roles that there are. Where Clerk does not offer its list, they are
// those that members of the organization have, and those that administer.
//
// Faults: fault.DirectoryNotConfigured, fault.ProviderUnavailable.
func (m *Membership) Roles(ctx context.Context, actor tenancy.Actor) ([]role, error) {
	if err := m.configured(); err != nil {
		return nil, err
	}
	// Roles are not the organization's, but a person who has left it does not get them.
	err := m.db.Once(ctx, actor, func(tx *tenancy.Tx) error { return selectStanding(ctx, tx) })
	if err != nil {
		return nil, err
	}
	listed, err := readRoles(ctx, m.roles)
	if err != nil {
		return nil, err
	}
	if listed.offered {
		return m.listed(actor, listed.roles), nil
	}
	var inUse []string
	err = m.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		inUse, err = selectRolesInUse(ctx, tx, actor)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m.guessed(actor, inUse), nil
}

// listed are the roles that Clerk lists. A role is above the actor's own, and not theirs
// to give, where it holds a permission that they lack.
func (m *Membership) listed(actor tenancy.Actor, listed []clerk.Role) []role {
	all := make([]role, len(listed))
	for i, l := range listed {
		var given tenancy.Permissions
		for _, name := range l.Permissions {
			p, _ := tenancy.PermissionOf(name)
			given |= p
		}
		holds := m.holds(l.Key, given)
		all[i] = role{
			key: l.Key, name: l.Name, holds: holds,
			grantable: actor.Permissions.Has(tenancy.MembersManage | holds),
		}
	}
	return all
}

// guessed are the roles that are known of although Clerk lists none, by key. Of what they
// hold only what the configuration says is known, so that one that administers is granted by
// one that does.
func (m *Membership) guessed(actor tenancy.Actor, inUse []string) []role {
	keys := slices.Concat(inUse, m.adminRoles)
	for i, key := range keys {
		keys[i] = tenancy.RoleKey(key)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	all := make([]role, len(keys))
	for i, key := range keys {
		r := role{key: key, name: key, holds: m.holds(key, 0)}
		r.grantable = actor.Permissions.Has(tenancy.MembersManage | r.holds)
		if slices.Contains(m.adminRoles, key) {
			r.grantable = r.grantable && slices.Contains(m.adminRoles, actor.Role)
		}
		all[i] = r
	}
	return all
}
