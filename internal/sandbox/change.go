package sandbox

import (
	"crypto/rand"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Every change of the directory is made here, whoever asked for it, and tells what Clerk would tell. The caller of each
// function holds s.mu. A change that is refused changes nothing and tells nothing.

const (
	nameMax           = 256 // characters of an organization's name
	invitationDays    = 30
	invitationDaysMax = 365
	day               = 24 * time.Hour
)

var (
	slugForm   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	personForm = regexp.MustCompile(`^[a-z0-9]{1,60}$`)
	noSlug     = regexp.MustCompile(`[^a-z0-9]+`)
)

func (s *Sandbox) ms() int64 { return s.now().UnixMilli() }

// freshID is an id that was never given before.
func freshID(prefix string) string { return prefix + rand.Text() }

// addPerson makes someone known by a name, with an email address.
func (s *Sandbox) addPerson(name, email string) (person, error) {
	if !personForm.MatchString(name) {
		return person{}, refuse(http.StatusBadRequest, "%q is no name for a person: use up to 60 small letters and digits.", name)
	}
	if s.dir.gone["user_"+name] {
		return person{}, refuse(http.StatusConflict, "There was a person %q, who does not come back: use another name.", name)
	}
	if other, ok := s.dir.personAt(email); ok {
		return person{}, refuse(http.StatusConflict, "The address %s is that of %s.", email, other.id)
	}
	return s.storePerson(newPerson(name, email, s.ms(), s.dir.next())), nil
}

// storePerson stores someone new.
func (s *Sandbox) storePerson(p person) person {
	s.dir.people[p.id] = p
	s.tell("user.created", p.json())
	return p
}

// changePerson stores a changed person.
func (s *Sandbox) changePerson(p person) person {
	p.updated = s.ms()
	s.dir.people[p.id] = p
	s.tell("user.updated", p.json())
	return p
}

// deletePerson takes someone out of everything. Clerk tells of the person alone, not of the memberships.
func (s *Sandbox) deletePerson(p person) deletedJSON {
	for _, o := range s.dir.organizations {
		delete(o.members, p.id)
	}
	delete(s.dir.people, p.id)
	s.dir.gone[p.id] = true
	deleted := deletedJSON{Object: "user", ID: p.id, Deleted: true}
	s.tell("user.deleted", deleted)
	return deleted
}

// addOrganization makes an organization, with its creator as admin where there is one. An empty slug is made of the name.
func (s *Sandbox) addOrganization(o organization, creator *person) (*organization, error) {
	if o.slug == "" {
		o.slug = s.slugOf(o.name)
	}
	if err := s.checkOrganization("", o.name, o.slug); err != nil {
		return nil, err
	}
	now := s.ms()
	o.id, o.order, o.created, o.updated = freshID("org_"), s.dir.next(), now, now
	o.adminDelete, o.members = true, map[string]membership{}
	if creator != nil {
		o.creator = creator.id
	}
	s.dir.organizations[o.id] = &o
	s.tell("organization.created", o.json())
	if creator != nil {
		s.join(&o, *creator, membership{role: adminRole})
	}
	return &o, nil
}

// changeOrganization stores a changed organization; o is a copy of it.
func (s *Sandbox) changeOrganization(o organization) (*organization, error) {
	if err := s.checkOrganization(o.id, o.name, o.slug); err != nil {
		return nil, err
	}
	o.updated = s.ms()
	s.dir.organizations[o.id] = &o
	s.tell("organization.updated", o.json())
	return &o, nil
}

// checkOrganization checks a name and a slug; id is whose they are to be, empty for a new organization.
func (s *Sandbox) checkOrganization(id, name, slug string) error {
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
	for _, o := range s.dir.organizations {
		if o.slug == slug && o.id != id {
			return badParam("slug", "form_identifier_exists", "already exists", "That slug is taken. Please try another.")
		}
	}
	return nil
}

// slugOf makes a slug of a name that nobody has yet.
func (s *Sandbox) slugOf(name string) string {
	slug := strings.Trim(noSlug.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if slug == "" {
		slug = "org"
	}
	for s.checkOrganization("", name, slug) != nil && strings.TrimSpace(name) != "" && len([]rune(name)) <= nameMax {
		slug += "-" + strings.ToLower(rand.Text()[:6])
	}
	return slug
}

// deleteOrganization takes an organization away with its members and invitations. Clerk tells of the organization alone.
func (s *Sandbox) deleteOrganization(o *organization) deletedJSON {
	delete(s.dir.organizations, o.id)
	maps.DeleteFunc(s.dir.invitations, func(_ string, i invitation) bool { return i.organization == o.id })
	deleted := deletedJSON{Object: "organization", ID: o.id, Slug: o.slug, Deleted: true}
	s.tell("organization.deleted", deleted)
	return deleted
}

// addMember makes someone a member.
func (s *Sandbox) addMember(o *organization, p person, m membership) (membership, error) {
	if _, ok := roleNamed(m.role); !ok {
		return membership{}, roleNotFound()
	}
	if _, ok := o.members[p.id]; ok {
		return membership{}, alreadyMember(p.id)
	}
	if err := s.checkQuota(o); err != nil {
		return membership{}, err
	}
	return s.join(o, p, m), nil
}

// join makes someone a member without asking whether that may be.
func (s *Sandbox) join(o *organization, p person, m membership) membership {
	now := s.ms()
	m.id, m.order, m.created, m.updated = freshID("orgmem_"), s.dir.next(), now, now
	if m.public == nil {
		m.public, m.private = map[string]any{}, map[string]any{}
	}
	o.members[p.id] = m
	s.tell("organizationMembership.created", m.json(o, p))
	return m
}

// checkQuota refuses one more member or invitation where the organization is full.
func (s *Sandbox) checkQuota(o *organization) error {
	if o.maxMembers == 0 || int64(len(o.members)+s.dir.pendingFor(o.id, "", s.ms())) < o.maxMembers {
		return nil
	}
	return &refusal{
		status: http.StatusForbidden, code: "organization_membership_quota_exceeded", short: "organization membership quota exceeded",
		words: "You have reached your limit of organization memberships, including outstanding invitations.",
	}
}

// changeMember stores a changed membership.
func (s *Sandbox) changeMember(o *organization, p person, m membership) (membership, error) {
	if _, ok := roleNamed(m.role); !ok {
		return membership{}, roleNotFound()
	}
	m.updated = s.ms()
	o.members[p.id] = m
	s.tell("organizationMembership.updated", m.json(o, p))
	return m, nil
}

// removeMember takes someone out of an organization, the last admin too.
func (s *Sandbox) removeMember(o *organization, p person, m membership) {
	delete(o.members, p.id)
	s.tell("organizationMembership.deleted", m.json(o, p))
}

// invite makes an invitation that stands for a number of days.
func (s *Sandbox) invite(o *organization, i invitation, days int) (invitation, error) {
	now := s.ms()
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
	if p, ok := s.dir.personAt(i.email); ok {
		if _, ok := o.members[p.id]; ok {
			return invitation{}, alreadyMember(p.id)
		}
	}
	if s.dir.pendingFor(o.id, i.email, now) > 0 {
		return invitation{}, &refusal{
			status: http.StatusBadRequest, code: "duplicate_record", short: "duplicate invitation",
			words: "There are already pending invitations for the following email addresses: " + i.email,
			meta:  map[string]any{"email_addresses": []string{i.email}},
		}
	}
	if err := s.checkQuota(o); err != nil {
		return invitation{}, err
	}
	i.id, i.organization, i.status, i.order = freshID("orginv_"), o.id, pending, s.dir.next()
	i.created, i.updated, i.expires = now, now, now+int64(days)*day.Milliseconds()
	s.dir.invitations[i.id] = i
	s.tell("organizationInvitation.created", i.json(s.baseURL, now))
	return i, nil
}

// revoke takes a pending invitation back.
func (s *Sandbox) revoke(i invitation) (invitation, error) {
	now := s.ms()
	if i.statusAt(now) != pending {
		return invitation{}, &refusal{
			status: http.StatusNotFound, code: "organization_invitation_not_pending", short: "not pending",
			words: "The organization invitation is not in the 'pending' status.",
		}
	}
	i.status, i.updated = revoked, now
	s.dir.invitations[i.id] = i
	s.tell("organizationInvitation.revoked", i.json(s.baseURL, now))
	return i, nil
}

// accept makes a person a member by an invitation, whose metadata goes to the membership. Someone who had other addresses
// has the invited one too from then on.
func (s *Sandbox) accept(i invitation, p person) (membership, error) {
	if err := s.checkAcceptable(i); err != nil {
		return membership{}, err
	}
	now := s.ms()
	o := s.dir.organizations[i.organization]
	if _, ok := o.members[p.id]; ok {
		return membership{}, alreadyMember(p.id)
	}
	if other, ok := s.dir.personAt(i.email); ok && other.id != p.id {
		return membership{}, refuse(http.StatusBadRequest, "The invitation is for %s, which is the address of %s.", i.email, other.id)
	}
	if !p.has(i.email) {
		p.addresses = append(slices.Clone(p.addresses), address{id: freshID("idn_"), email: i.email})
		p = s.changePerson(p)
	}
	i.status, i.updated = accepted, now
	s.dir.invitations[i.id] = i
	told := i.json(s.baseURL, now)
	told.UserID = p.id
	s.tell("organizationInvitation.accepted", told)
	return s.join(o, p, membership{role: i.role, public: i.public, private: i.private}), nil
}

// checkAcceptable refuses an invitation that is not pending any more.
func (s *Sandbox) checkAcceptable(i invitation) error {
	if status := i.statusAt(s.ms()); status != pending {
		return refuse(http.StatusBadRequest, "The invitation %s is %s.", i.id, status)
	}
	return nil
}
