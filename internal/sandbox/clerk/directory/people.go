package directory

import (
	"strings"
	"time"
)

// age is how long before the start or the reset the first person joined.
const age = 24 * time.Hour

// New returns the directory of the start, whose people joined one second apart, a day before now.
func New(now func() time.Time, baseURL string) *Directory {
	d := &Directory{
		now: now, baseURL: baseURL,
		People: map[string]Person{}, Organizations: map[string]*Organization{}, Invitations: map[string]Invitation{}, gone: map[string]bool{},
	}
	start := now().Add(-age)
	d.Started = start.UnixMilli()
	tick := func() (int, int64) { // order and time
		order := d.NextOrder()
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
		d.Organizations[o.id] = &Organization{
			ID: o.id, Slug: o.slug, Name: o.name, creator: o.creator, AdminDelete: true, Plain: o.plain, Members: map[string]Membership{},
			PublicMetadata: map[string]any{}, PrivateMetadata: map[string]any{}, created: at, updated: at, Order: order,
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
		{"nina", "org_newco", AdminRole, false},
		{"nils", "org_newco", memberRole, false},
	} {
		o := d.Organizations[c.org]
		order, at := tick()
		p := newPerson(c.name, c.name+"@"+o.Slug+".test", at, order)
		d.People[p.ID] = p

		public := map[string]any{}
		if c.licensed {
			public["isLicensed"] = true
		}
		order, at = tick()
		o.Members[p.ID] = Membership{
			ID: "orgmem_" + strings.TrimPrefix(c.org, "org_") + c.name, Role: c.role,
			PublicMetadata: public, PrivateMetadata: map[string]any{}, created: at, updated: at, Order: order,
		}
	}
	return d
}
