package sandbox

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// directory is all that Clerk keeps of people and organizations. Times are milliseconds since 1970. Metadata is never changed
// in place but replaced, so that copies may share it.
type directory struct {
	now     func() time.Time
	baseURL string                      // of the addresses at which invitations are accepted
	emit    func(kind string, data any) // called with every event; nil: there are none
	started int64                       // in milliseconds

	people        map[string]person        // by user id
	organizations map[string]*organization // by organization id
	invitations   map[string]invitation    // by invitation id
	gone          map[string]bool          // ids of deleted people, which never come back
	made          int                      // how many things were made: the order in which they were
}

// person is a Clerk user.
type person struct {
	id                  string
	firstName, lastName string    // empty: null
	addresses           []address // the first is the primary one; never empty
	session             string    // one session each, the sid of every token
	banned              bool      // by hand, until somebody takes it back
	locked              bool      // after too many wrong passwords, for an hour by default; here until it is taken back
	deprovisioned       bool      // taken away by the directory of their company
	public, private     map[string]any
	created, updated    int64
	order               int
}

// address is an email address, always a verified one.
type address struct{ id, email string }

// organization is a Clerk organization with its members.
type organization struct {
	id, slug, name   string
	creator          string                // user id, or empty
	maxMembers       int64                 // invitations that are pending included; 0: no limit
	adminDelete      bool                  // its admins may delete it
	plain            bool                  // its roles carry no custom permissions, as in a new instance
	members          map[string]membership // by user id
	public, private  map[string]any
	created, updated int64
	order            int
}

// membership is a person's place in one organization.
type membership struct {
	id               string
	role             string         // with "org:"
	public, private  map[string]any // public is the claim org_metadata
	created, updated int64
	order            int
}

// The states of an invitation. It is never stored as expired: that is a pending one that is past its time.
const (
	pending  = "pending"
	accepted = "accepted"
	revoked  = "revoked"
	expired  = "expired"
)

// invitation is an invitation to an organization by email.
type invitation struct {
	id, organization, email, role, inviter string // inviter is a user id, or empty
	status                                 string
	public, private                        map[string]any
	created, updated, expires              int64
	order                                  int
}

// statusAt is the state at a time.
func (i invitation) statusAt(now int64) string {
	if i.status == pending && now >= i.expires {
		return expired
	}
	return i.status
}

// next numbers the things that are made.
func (d *directory) next() int {
	d.made++
	return d.made
}

// clone returns a copy without events.
func (d *directory) clone() *directory {
	c := &directory{
		now: d.now, baseURL: d.baseURL, started: d.started,
		people: maps.Clone(d.people), organizations: map[string]*organization{},
		invitations: maps.Clone(d.invitations), gone: maps.Clone(d.gone), made: d.made,
	}
	for id, o := range d.organizations {
		copied := *o
		copied.members = maps.Clone(o.members)
		c.organizations[id] = &copied
	}
	return c
}

// personNamed finds someone by user id or by the name behind "user_", as people write it.
func (d *directory) personNamed(user string) (person, error) {
	if user == "" {
		return person{}, Refuse(http.StatusBadRequest, "The user is missing.")
	}
	for _, id := range []string{user, "user_" + user} {
		if p, ok := d.people[id]; ok {
			return p, nil
		}
	}
	return person{}, Refuse(http.StatusNotFound, "There is no person %q.", user)
}

// organizationNamed finds an organization by id or slug, as people write it.
func (d *directory) organizationNamed(org string) (*organization, error) {
	for _, o := range d.organizations {
		if o.id == org || o.slug == org {
			return o, nil
		}
	}
	return nil, Refuse(http.StatusNotFound, "There is no organization %q.", org)
}

// personAt finds whoever has an email address, if anyone.
func (d *directory) personAt(email string) (person, bool) {
	for _, p := range d.people {
		if p.has(email) {
			return p, true
		}
	}
	return person{}, false
}

// pendingFor counts the invitations of an organization that can still be accepted, all of them or those for one address.
func (d *directory) pendingFor(org, email string, now int64) int {
	n := 0
	for _, i := range d.invitations {
		if i.organization == org && i.statusAt(now) == pending && (email == "" || i.email == email) {
			n++
		}
	}
	return n
}

func (p person) email() string { return p.addresses[0].email }

func (p person) has(email string) bool {
	return slices.ContainsFunc(p.addresses, func(a address) bool { return a.email == email })
}

// findMembership finds a person's place in an organization.
func (o *organization) findMembership(p person) (membership, error) {
	m, ok := o.members[p.id]
	if !ok {
		return membership{}, Refuse(http.StatusForbidden, "%s is not a member of %s.", p.id, o.slug)
	}
	return m, nil
}

// permissions are those of the member's role that a token may carry, the caller's to change.
func (o *organization) permissions(m membership) []string {
	if o.plain {
		return nil
	}
	return slices.Clone(rolePermissions[m.role])
}
