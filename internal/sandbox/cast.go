package sandbox

import (
	"strings"
	"time"
)

// castAge is how long before the sandbox was started or reset the first of the cast came.
const castAge = 24 * time.Hour

// cast is who is there at the start. They came one after the other, a second apart, a day before now.
func cast(now func() time.Time, baseURL string) *directory {
	d := &directory{
		now: now, baseURL: baseURL,
		people: map[string]person{}, organizations: map[string]*organization{}, invitations: map[string]invitation{}, gone: map[string]bool{},
	}
	start := now().Add(-castAge)
	d.started = start.UnixMilli()
	tick := func() (int, int64) { // order and time
		order := d.next()
		return order, start.Add(time.Duration(order) * time.Second).UnixMilli()
	}
	for _, o := range []struct {
		id, slug, name, creator string
		plain                   bool
	}{
		{"org_d2gamers", "d2-gamers", "D2 Gamers", "user_dana", false},
		{"org_acme", "acme", "Acme", "user_erin", false},
		{"org_newco", "newco", "NewCo", "user_nina", true},
	} {
		order, at := tick()
		d.organizations[o.id] = &organization{
			id: o.id, slug: o.slug, name: o.name, creator: o.creator, adminDelete: true, plain: o.plain, members: map[string]membership{},
			public: map[string]any{}, private: map[string]any{}, created: at, updated: at, order: order,
		}
	}
	for _, c := range []struct {
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
		{"nina", "org_newco", adminRole, false},
		{"nils", "org_newco", memberRole, false},
	} {
		o := d.organizations[c.org]
		order, at := tick()
		p := newPerson(c.name, c.name+"@"+o.slug+".test", at, order)
		d.people[p.id] = p

		public := map[string]any{}
		if c.licensed {
			public["isLicensed"] = true
		}
		order, at = tick()
		o.members[p.id] = membership{
			id: "orgmem_" + strings.TrimPrefix(c.org, "org_") + c.name, role: c.role,
			public: public, private: map[string]any{}, created: at, updated: at, order: order,
		}
	}
	return d
}

// newPerson is someone known by a name in lower case.
func newPerson(name, email string, at int64, order int) person {
	return person{
		id: "user_" + name, firstName: strings.ToUpper(name[:1]) + name[1:], session: "sess_" + name,
		addresses: []address{{id: "idn_" + name, email: email}},
		public:    map[string]any{}, private: map[string]any{}, created: at, updated: at, order: order,
	}
}
