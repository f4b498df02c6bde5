package sandbox

import (
	"crypto/rand"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Every change of the directory is made here, whoever asked for it, and tells what Clerk would tell. The caller of each
// function holds d.mu. A change that is refused changes nothing and tells nothing.

const (
	nameMax           = 256 // characters of an organization's name
	invitationDays    = 30
	invitationDaysMax = 365
)

var (
	slugForm   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	personForm = regexp.MustCompile(`^[a-z0-9]{1,60}$`)
	noSlug     = regexp.MustCompile(`[^a-z0-9]+`)
)

// ms returns the time now, in milliseconds.
func (d *directory) ms() int64 { return d.now().UnixMilli() }

// tell passes on an event of a kind such as user.created, with the data as it is now.
func (d *directory) tell(kind string, data any) {
	if d.emit != nil {
		d.emit(kind, data)
	}
}

// addPerson makes someone known by a name, with an email address.
func (d *directory) addPerson(name, email string) (person, error) {
	if !personForm.MatchString(name) {
		return person{}, Refuse(http.StatusBadRequest, "%q is no name for a person: use up to 60 small letters and digits.", name)
	}
	if d.gone["user_"+name] {
		return person{}, Refuse(http.StatusConflict, "There was a person %q, who does not come back: use another name.", name)
	}
	if other, ok := d.personAt(email); ok {
		return person{}, Refuse(http.StatusConflict, "The address %s is that of %s.", email, other.id)
	}
	return d.storePerson(newPerson(name, email, d.ms(), d.next())), nil
}

// storePerson stores someone new.
func (d *directory) storePerson(p person) person {
	d.people[p.id] = p
	d.tell("user.created", p.json())
	return p
}

// changePerson stores a changed person.
func (d *directory) changePerson(p person) person {
	p.updated = d.ms()
	d.people[p.id] = p
	d.tell("user.updated", p.json())
	return p
}

// deletePerson takes someone out of everything. Clerk tells of the person alone, not of the memberships.
func (d *directory) deletePerson(p person) deletedJSON {
	for _, o := range d.organizations {
		delete(o.members, p.id)
	}
	delete(d.people, p.id)
	d.gone[p.id] = true
	deleted := deletedJSON{Object: "user", ID: p.id, Deleted: true}
	d.tell("user.deleted", deleted)
	return deleted
}

// addOrganization makes an organization, with its creator as admin where there is one. An empty slug is made of the name.
func (d *directory) addOrganization(o organization, creator *person) (*organization, error) {
	if o.slug == "" {
		o.slug = d.slugOf(o.name)
	}
	if err := d.checkOrganization("", o.name, o.slug); err != nil {
		return nil, err
	}
	now := d.ms()
	o.id, o.order, o.created, o.updated = FreshID("org_"), d.next(), now, now
	o.adminDelete, o.members = true, map[string]membership{}
	if creator != nil {
		o.creator = creator.id
	}
	d.organizations[o.id] = &o
	d.tell("organization.created", o.json())
	if creator != nil {
		d.join(&o, *creator, membership{role: adminRole})
	}
	return &o, nil
}

// changeOrganization stores a changed organization; o is a copy of it.
func (d *directory) changeOrganization(o organization) (*organization, error) {
	if err := d.checkOrganization(o.id, o.name, o.slug); err != nil {
		return nil, err
	}
	o.updated = d.ms()
	d.organizations[o.id] = &o
	d.tell("organization.updated", o.json())
	return &o, nil
}

// checkOrganization checks a name and a slug; id is whose they are to be, empty for a new organization.
func (d *directory) checkOrganization(id, name, slug string) error {
	if strings.TrimSpace(name) == "" {
		return missingParam("name")
	}
	if len([]rune(name)) > nameMax {
		return badParam("name", "form_param_max_length_exceeded", "exceeds maximum length", "name should not exceed %d characters.", nameMax)
	}
	if !slugForm.MatchString(slug) {
		return badParam("slug", "form_param_format_invalid", "is invalid",
			`slug can contain only lowercase alphanumeric characters and the dash "-".`)
	}
	for _, o := range d.organizations {
		if o.slug == slug && o.id != id {
			return badParam("slug", "form_identifier_exists", "already exists", "That slug is taken. Please try another.")
		}
	}
	return nil
}

// slugOf makes a slug of a name that nobody has yet.
func (d *directory) slugOf(name string) string {
	slug := strings.Trim(noSlug.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if slug == "" {
		slug = "org"
	}
	for d.checkOrganization("", name, slug) != nil && strings.TrimSpace(name) != "" && len([]rune(name)) <= nameMax {
		slug += "-" + strings.ToLower(rand.Text()[:6])
	}
	return slug
}

// deleteOrganization takes an organization away with its members and invitations. Clerk tells of the organization alone.
func (d *directory) deleteOrganization(o *organization) deletedJSON {
	delete(d.organizations, o.id)
	maps.DeleteFunc(d.invitations, func(_ string, i invitation) bool { return i.organization == o.id })
	deleted := deletedJSON{Object: "organization", ID: o.id, Slug: o.slug, Deleted: true}
	d.tell("organization.deleted", deleted)
	return deleted
}

// addMember makes someone a member.
func (d *directory) addMember(o *organization, p person, m membership) (membership, error) {
	if _, ok := roleNamed(m.role); !ok {
		return membership{}, roleNotFound()
	}
	if _, ok := o.members[p.id]; ok {
		return membership{}, alreadyMember(p.id)
	}
	if err := d.checkQuota(o); err != nil {
		return membership{}, err
	}
	return d.join(o, p, m), nil
}

// join makes someone a member without asking whether that may be.
func (d *directory) join(o *organization, p person, m membership) membership {
	now := d.ms()
	m.id, m.order, m.created, m.updated = FreshID("orgmem_"), d.next(), now, now
	if m.public == nil {
		m.public, m.private = map[string]any{}, map[string]any{}
	}
	o.members[p.id] = m
	d.tell("organizationMembership.created", m.json(o, p))
	return m
}

// checkQuota refuses one more member or invitation where the organization is full.
func (d *directory) checkQuota(o *organization) error {
	if o.maxMembers == 0 || int64(len(o.members)+d.pendingFor(o.id, "", d.ms())) < o.maxMembers {
		return nil
	}
	return &clerkRefusal{
		status: http.StatusForbidden, code: "organization_membership_quota_exceeded", short: "organization membership quota exceeded",
		words: "You have reached your limit of organization memberships, including outstanding invitations.",
	}
}

// changeMember stores a changed membership.
func (d *directory) changeMember(o *organization, p person, m membership) (membership, error) {
	if _, ok := roleNamed(m.role); !ok {
		return membership{}, roleNotFound()
	}
	m.updated = d.ms()
	o.members[p.id] = m
	d.tell("organizationMembership.updated", m.json(o, p))
	return m, nil
}

// removeMember takes someone out of an organization, the last admin too.
func (d *directory) removeMember(o *organization, p person, m membership) {
	delete(o.members, p.id)
	d.tell("organizationMembership.deleted", m.json(o, p))
}

// invite makes an invitation that stands for a number of days.
func (d *directory) invite(o *organization, i invitation, days int) (invitation, error) {
	now := d.ms()
	var err error
	if i.email, err = readEmail(i.email); err != nil {
		return invitation{}, err
	}
	if _, ok := roleNamed(i.role); !ok {
		return invitation{}, roleNotFound()
	}
	if days < 1 || days > invitationDaysMax {
		return invitation{}, badParam("expires_in_days", "form_param_value_invalid", "is invalid", "expires_in_days must be from 1 to %d.", invitationDaysMax)
	}
	if p, ok := d.personAt(i.email); ok {
		if _, ok := o.members[p.id]; ok {
			return invitation{}, alreadyMember(p.id)
		}
	}
	if d.pendingFor(o.id, i.email, now) > 0 {
		return invitation{}, &clerkRefusal{
			status: http.StatusBadRequest, code: "duplicate_record", short: "duplicate invitation",
			words: "There are already pending invitations for the following email addresses: " + i.email,
			meta:  map[string]any{"email_addresses": []string{i.email}},
		}
	}
	if err := d.checkQuota(o); err != nil {
		return invitation{}, err
	}
	i.id, i.organization, i.status, i.order = FreshID("orginv_"), o.id, pending, d.next()
	i.created, i.updated, i.expires = now, now, now+int64(days)*Day.Milliseconds()
	d.invitations[i.id] = i
	d.tell("organizationInvitation.created", i.json(d.baseURL, now))
	return i, nil
}

// revoke takes a pending invitation back.
func (d *directory) revoke(i invitation) (invitation, error) {
	now := d.ms()
	if i.statusAt(now) != pending {
		return invitation{}, &clerkRefusal{
			status: http.StatusNotFound, code: "organization_invitation_not_pending", short: "not pending",
			words: "The organization invitation is not in the 'pending' status.",
		}
	}
	i.status, i.updated = revoked, now
	d.invitations[i.id] = i
	d.tell("organizationInvitation.revoked", i.json(d.baseURL, now))
	return i, nil
}

// accept makes a person a member by an invitation, whose metadata goes to the membership. Someone who had other addresses
// has the invited one too from then on.
func (d *directory) accept(i invitation, p person) (membership, error) {
	if err := d.checkAcceptable(i); err != nil {
		return membership{}, err
	}
	now := d.ms()
	o := d.organizations[i.organization]
	if _, ok := o.members[p.id]; ok {
		return membership{}, alreadyMember(p.id)
	}
	if other, ok := d.personAt(i.email); ok && other.id != p.id {
		return membership{}, Refuse(http.StatusBadRequest, "The invitation is for %s, which is the address of %s.", i.email, other.id)
	}
	if !p.has(i.email) {
		p.addresses = append(slices.Clone(p.addresses), address{id: FreshID("idn_"), email: i.email})
		p = d.changePerson(p)
	}
	i.status, i.updated = accepted, now
	d.invitations[i.id] = i
	told := i.json(d.baseURL, now)
	told.UserID = p.id
	d.tell("organizationInvitation.accepted", told)
	return d.join(o, p, membership{role: i.role, public: i.public, private: i.private}), nil
}

// checkAcceptable refuses an invitation that is not pending any more.
func (d *directory) checkAcceptable(i invitation) error {
	if status := i.statusAt(d.ms()); status != pending {
		return Refuse(http.StatusBadRequest, "The invitation %s is %s.", i.id, status)
	}
	return nil
}
