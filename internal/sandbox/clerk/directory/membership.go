package directory

import (
	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

// AddMember makes a person a member.
func (d *Directory) AddMember(o *Organization, p Person, m Membership) (Membership, error) {
	if _, ok := RoleNamed(m.Role); !ok {
		return Membership{}, roleNotFound()
	}
	if _, ok := o.Members[p.ID]; ok {
		return Membership{}, alreadyMember(p.ID)
	}
	if err := d.CheckQuota(o); err != nil {
		return Membership{}, err
	}
	return d.join(o, p, m), nil
}

// join makes a person a member and checks nothing.
func (d *Directory) join(o *Organization, p Person, m Membership) Membership {
	now := d.Millis()
	m.ID, m.Order, m.created, m.updated = kit.FreshID("orgmem_"), d.NextOrder(), now, now
	if m.PublicMetadata == nil {
		m.PublicMetadata, m.PrivateMetadata = map[string]any{}, map[string]any{}
	}
	o.Members[p.ID] = m
	d.emit("organizationMembership.created", m.JSON(o, p))
	return m
}

// ChangeMember stores a changed membership.
func (d *Directory) ChangeMember(o *Organization, p Person, m Membership) (Membership, error) {
	if _, ok := RoleNamed(m.Role); !ok {
		return Membership{}, roleNotFound()
	}
	m.updated = d.Millis()
	o.Members[p.ID] = m
	d.emit("organizationMembership.updated", m.JSON(o, p))
	return m, nil
}

// RemoveMember removes a member, the last admin too.
func (d *Directory) RemoveMember(o *Organization, p Person, m Membership) {
	delete(o.Members, p.ID)
	d.emit("organizationMembership.deleted", m.JSON(o, p))
}

// Membership is a person's place in one organization.
type Membership struct {
	ID                              string
	Role                            string         // with "org:"
	PublicMetadata, PrivateMetadata map[string]any // public is the claim org_metadata
	created, updated                int64
	Order                           int
}
