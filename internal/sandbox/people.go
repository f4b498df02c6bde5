package sandbox

import (
	"net/http"
	"slices"
)

// person is a Clerk user.
type person struct {
	id      string
	name    string
	email   string
	session string // one session each, the sid of every token
}

// organization is a Clerk organization with its members.
type organization struct {
	id, slug, name string
	members        map[string]membership // by user id
}

// membership is a person's place in one organization.
type membership struct {
	role     string         // with "org:"
	metadata map[string]any // public metadata, the claim org_metadata; never nil
}

// rolePermissions are the custom permissions of each role, sorted. The admin role has none here: what it holds in Clerk are
// system permissions, and Clerk puts those into no token.
var rolePermissions = map[string][]string{
	"org:admin":   nil,
	"org:manager": {"org:members:view", "org:tasks:edit", "org:tasks:manage", "org:tasks:view"},
	"org:member":  {"org:members:view", "org:tasks:edit", "org:tasks:view"},
	"org:viewer":  {"org:members:view", "org:tasks:view"},
}

// cast is who is there at the start, people by user id and organizations by organization id.
func cast() (map[string]person, map[string]*organization) {
	people := map[string]person{}
	organizations := map[string]*organization{
		"org_d2gamers": {id: "org_d2gamers", slug: "d2-gamers", name: "D2 Gamers", members: map[string]membership{}},
		"org_acme":     {id: "org_acme", slug: "acme", name: "Acme", members: map[string]membership{}},
	}
	for _, m := range []struct {
		name, org, role string
		licensed        bool
	}{
		{"dana", "org_d2gamers", "org:admin", true},
		{"alice", "org_d2gamers", "org:manager", true},
		{"bob", "org_d2gamers", "org:member", true},
		{"ben", "org_d2gamers", "org:member", false},
		{"charlie", "org_d2gamers", "org:viewer", true},
		{"erin", "org_acme", "org:admin", false},
		{"frank", "org_acme", "org:member", false},
	} {
		o := organizations[m.org]
		p := person{id: "user_" + m.name, name: m.name, email: m.name + "@" + o.slug + ".test", session: "sess_" + m.name}
		metadata := map[string]any{}
		if m.licensed {
			metadata["isLicensed"] = true
		}
		people[p.id] = p
		o.members[p.id] = membership{role: m.role, metadata: metadata}
	}
	return people, organizations
}

// findPerson finds someone by user id or by the name behind "user_". The caller holds s.mu.
func (s *Sandbox) findPerson(user string) (person, error) {
	if user == "" {
		return person{}, refuse(http.StatusBadRequest, "The user is missing.")
	}
	if p, ok := s.people[user]; ok {
		return p, nil
	}
	if p, ok := s.people["user_"+user]; ok {
		return p, nil
	}
	return person{}, refuse(http.StatusNotFound, "There is no person %q.", user)
}

// findOrganization finds an organization by id or slug. The caller holds s.mu.
func (s *Sandbox) findOrganization(org string) (*organization, error) {
	for _, o := range s.organizations {
		if o.id == org || o.slug == org {
			return o, nil
		}
	}
	return nil, refuse(http.StatusNotFound, "There is no organization %q.", org)
}

// findMembership finds a person's place in an organization. The caller holds s.mu.
func (o *organization) findMembership(p person) (membership, error) {
	m, ok := o.members[p.id]
	if !ok {
		return membership{}, refuse(http.StatusForbidden, "%s is not a member of %s.", p.id, o.slug)
	}
	return m, nil
}

// permissions are those of the member's role, the caller's to change.
func (m membership) permissions() []string { return slices.Clone(rolePermissions[m.role]) }
