package sandbox

import (
	"errors"
	"net/http"
	"strings"
)

// Control returns the control requests for people and organizations.
func (s *clerkServer) Control() Control {
	return Control{
		"POST /sandbox/organizations":                                 s.makeOrganization,
		"DELETE /sandbox/organizations/{organization}":                s.dropOrganization,
		"POST /sandbox/organizations/{organization}/members":          s.makeMember,
		"PATCH /sandbox/organizations/{organization}/members/{user}":  s.switchMember,
		"DELETE /sandbox/organizations/{organization}/members/{user}": s.dropMember,
		"DELETE /sandbox/users/{user}":                                s.dropUser,
		"PATCH /sandbox/users/{user}":                                 s.barUser,
		"POST /sandbox/invitations/{invitation}/accept":               s.acceptInvitation,
	}
}

// personFor finds a person by id or name and makes one of the name where there is none, with this address or, where it is a
// slug, one of their own there. The caller holds s.mu.
func (s *clerkServer) personFor(user, place string) (person, error) {
	p, err := s.dir.personNamed(user)
	if refused, ok := errors.AsType[*Refusal](err); !ok || refused.Status != http.StatusNotFound {
		return p, err
	}
	name := strings.TrimPrefix(user, "user_")
	if strings.Contains(place, "@") {
		return s.dir.addPerson(name, place)
	}
	return s.dir.addPerson(name, name+"@"+place+".test")
}

// makeOrganization answers POST /sandbox/organizations {name, slug, admin}. The admin is a person, or a new one's name. One of
// name and slug may be left out.
func (s *clerkServer) makeOrganization(r *http.Request) (any, error) {
	var body struct {
		Name  string `json:"name"`
		Slug  string `json:"slug"`
		Admin string `json:"admin"`
	}
	if err := ReadControl(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if body.Name == "" {
		body.Name = body.Slug
	}
	if body.Slug == "" {
		body.Slug = s.dir.slugOf(body.Name)
	}
	if err := s.dir.checkOrganization("", body.Name, body.Slug); err != nil {
		return nil, err
	}
	admin, err := s.personFor(body.Admin, body.Slug)
	if err != nil {
		return nil, err
	}
	o, err := s.dir.addOrganization(organization{
		name: body.Name, slug: body.Slug, public: map[string]any{}, private: map[string]any{},
	}, &admin)
	if err != nil {
		return nil, err
	}
	return o.json(), nil
}

// dropOrganization answers DELETE /sandbox/organizations/{organization}.
func (s *clerkServer) dropOrganization(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.dir.organizationNamed(r.PathValue("organization"))
	if err != nil {
		return nil, err
	}
	return s.dir.deleteOrganization(o), nil
}

// makeMember answers POST /sandbox/organizations/{organization}/members {user, role}. Someone unknown is made.
func (s *clerkServer) makeMember(r *http.Request) (any, error) {
	var body struct {
		User string `json:"user"`
		Role string `json:"role"`
	}
	if err := ReadControl(r, &body); err != nil {
		return nil, err
	}
	if err := checkRole(body.Role); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.dir.organizationNamed(r.PathValue("organization"))
	if err != nil {
		return nil, err
	}
	if err := s.dir.checkQuota(o); err != nil {
		return nil, err
	}
	p, err := s.personFor(body.User, o.slug)
	if err != nil {
		return nil, err
	}
	m, err := s.dir.addMember(o, p, membership{role: body.Role})
	if err != nil {
		return nil, err
	}
	return m.json(o, p), nil
}

func checkRole(key string) error {
	if _, ok := roleNamed(key); !ok {
		return Refuse(http.StatusBadRequest, "There is no role %q: use org:admin, org:manager, org:member or org:viewer.", key)
	}
	return nil
}

// memberNamed is the member of a control request's path. The caller holds s.mu.
func (s *clerkServer) memberNamed(r *http.Request) (member, error) {
	o, err := s.dir.organizationNamed(r.PathValue("organization"))
	if err != nil {
		return member{}, err
	}
	p, err := s.dir.personNamed(r.PathValue("user"))
	if err != nil {
		return member{}, err
	}
	m, ok := o.members[p.id]
	if !ok {
		return member{}, Refuse(http.StatusNotFound, "%s is not a member of %s.", p.id, o.slug)
	}
	return member{membership: m, organization: o, person: p}, nil
}

// switchMember answers PATCH /sandbox/organizations/{organization}/members/{user} {role}.
func (s *clerkServer) switchMember(r *http.Request) (any, error) {
	var body struct {
		Role string `json:"role"`
	}
	if err := ReadControl(r, &body); err != nil {
		return nil, err
	}
	if err := checkRole(body.Role); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.memberNamed(r)
	if err != nil {
		return nil, err
	}
	m.role = body.Role
	return s.stored(m)
}

// dropMember answers DELETE /sandbox/organizations/{organization}/members/{user}.
func (s *clerkServer) dropMember(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.memberNamed(r)
	if err != nil {
		return nil, err
	}
	s.dir.removeMember(m.organization, m.person, m.membership)
	return m.json(), nil
}

// dropUser answers DELETE /sandbox/users/{user}.
func (s *clerkServer) dropUser(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.dir.personNamed(r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	return s.dir.deletePerson(p), nil
}

// barUser answers PATCH /sandbox/users/{user} {banned, locked, deprovisioned}; what is left out stays. Clerk tells of the person
// alone: they stay a member everywhere.
func (s *clerkServer) barUser(r *http.Request) (any, error) {
	var body struct {
		Banned        *bool `json:"banned"`
		Locked        *bool `json:"locked"`
		Deprovisioned *bool `json:"deprovisioned"`
	}
	if err := ReadControl(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.dir.personNamed(r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	for to, given := range map[*bool]*bool{&p.banned: body.Banned, &p.locked: body.Locked, &p.deprovisioned: body.Deprovisioned} {
		if given != nil {
			*to = *given
		}
	}
	return s.dir.changePerson(p).json(), nil
}

// acceptInvitation answers POST /sandbox/invitations/{invitation}/accept {user}. Someone unknown is made, with the invited
// address.
func (s *clerkServer) acceptInvitation(r *http.Request) (any, error) {
	var body struct {
		User string `json:"user"`
	}
	if err := ReadControl(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.dir.invitations[r.PathValue("invitation")]
	if !ok {
		return nil, Refuse(http.StatusNotFound, "There is no invitation %q.", r.PathValue("invitation"))
	}
	if err := s.dir.checkAcceptable(i); err != nil {
		return nil, err
	}
	p, err := s.personFor(body.User, i.email)
	if err != nil {
		return nil, err
	}
	m, err := s.dir.accept(i, p)
	if err != nil {
		return nil, err
	}
	return m.json(s.dir.organizations[i.organization], p), nil
}
