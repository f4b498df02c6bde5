package sandbox

import (
	"cmp"
	"net/http"
	"slices"
)

// member is a membership with both its ends, as lists need it.
type member struct {
	membership
	organization *organization
	person       person
}

func (m member) json() membershipJSON { return m.membership.json(m.organization, m.person) }

// membershipOf is the membership of a request's path. The caller holds s.mu.
func (s *clerkServer) membershipOf(r *http.Request) (member, error) {
	o, err := s.organizationOf(r)
	if err != nil {
		return member{}, err
	}
	user := r.PathValue("user")
	m, ok := o.members[user]
	if !ok {
		return member{}, notFound("No membership of %s was found in the organization.", user)
	}
	return member{membership: m, organization: o, person: s.dir.people[user]}, nil
}

func (s *clerkServer) listMemberships(r *http.Request) (any, error) {
	q, at, err := readList(r, append([]string{"role"}, userFilters...)...)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organizationOf(r)
	if err != nil {
		return nil, err
	}
	var found []member
	for user, m := range o.members {
		p := s.dir.people[user]
		if p.matches(q) && (!q.Has("role") || slices.Contains(q["role"], m.role)) {
			found = append(found, member{membership: m, organization: o, person: p})
		}
	}
	byTime := func(a, b member) int { return cmp.Compare(a.order, b.order) }
	err = sortBy(found, q, "-created_at", map[string]func(a, b member) int{
		"created_at":    byTime,
		"email_address": func(a, b member) int { return cmp.Compare(a.person.email(), b.person.email()) },
		"first_name": func(a, b member) int {
			return cmp.Or(cmp.Compare(a.person.firstName, b.person.firstName), byTime(a, b))
		},
		"last_name":    func(a, b member) int { return cmp.Or(cmp.Compare(a.person.lastName, b.person.lastName), byTime(a, b)) },
		"phone_number": byTime, // nobody has one
		"username":     byTime,
	})
	if err != nil {
		return nil, err
	}
	return listJSON(found, at, member.json), nil
}

func (s *clerkServer) listUserMemberships(r *http.Request) (any, error) {
	_, at, err := readList(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.personOf(r)
	if err != nil {
		return nil, err
	}
	var found []member
	for _, o := range s.dir.organizations {
		if m, ok := o.members[p.id]; ok {
			found = append(found, member{membership: m, organization: o, person: p})
		}
	}
	slices.SortFunc(found, func(a, b member) int { return cmp.Compare(b.order, a.order) })
	return listJSON(found, at, member.json), nil
}

func (s *clerkServer) postMembership(r *http.Request) (any, error) {
	var body struct {
		UserID string `json:"user_id"`
		Role   string `json:"role"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organizationOf(r)
	switch {
	case err != nil:
		return nil, err
	case body.UserID == "":
		return nil, missingParam("user_id")
	case body.Role == "":
		return nil, missingParam("role")
	}
	p, ok := s.dir.people[body.UserID]
	if !ok {
		return nil, notFound("No user was found with id %s.", body.UserID)
	}
	m, err := s.dir.addMember(o, p, membership{role: body.Role})
	if err != nil {
		return nil, err
	}
	return m.json(o, p), nil
}

func (s *clerkServer) patchMembership(r *http.Request) (any, error) {
	var body struct {
		Role string `json:"role"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.membershipOf(r)
	if err != nil {
		return nil, err
	}
	if body.Role == "" {
		return nil, missingParam("role")
	}
	m.role = body.Role
	return s.stored(m)
}

func (s *clerkServer) patchMembershipMetadata(r *http.Request) (any, error) {
	var body metadataBody
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.membershipOf(r)
	if err != nil {
		return nil, err
	}
	if m.public, m.private, err = body.merged(m.public, m.private); err != nil {
		return nil, err
	}
	return s.stored(m)
}

// stored stores a changed membership and answers its shape. The caller holds s.mu.
func (s *clerkServer) stored(m member) (any, error) {
	changed, err := s.dir.changeMember(m.organization, m.person, m.membership)
	if err != nil {
		return nil, err
	}
	return changed.json(m.organization, m.person), nil
}

func (s *clerkServer) removeMembership(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.membershipOf(r)
	if err != nil {
		return nil, err
	}
	s.dir.removeMember(m.organization, m.person, m.membership)
	return m.json(), nil
}
