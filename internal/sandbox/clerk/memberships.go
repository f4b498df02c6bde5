package clerk

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
)

// member is a membership with both its ends, as lists need it.
type member struct {
	directory.Membership
	organization *directory.Organization
	person       directory.Person
}

func (m member) json() directory.MembershipJSON { return m.JSON(m.organization, m.person) }

// membershipOf returns the membership of a request's path. The caller holds s.mu.
func (s *Server) membershipOf(r *http.Request) (member, error) {
	o, err := s.organizationOf(r)
	if err != nil {
		return member{}, err
	}
	user := r.PathValue("user")
	m, ok := o.Members[user]
	if !ok {
		return member{}, directory.NotFound("No membership of %s was found in the organization.", user)
	}
	return member{Membership: m, organization: o, person: s.dir.People[user]}, nil
}

func (s *Server) listMemberships(r *http.Request) (any, error) {
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
	for user, m := range o.Members {
		p := s.dir.People[user]
		if matches(p, q) && (!q.Has("role") || slices.Contains(q["role"], m.Role)) {
			found = append(found, member{Membership: m, organization: o, person: p})
		}
	}
	byTime := func(a, b member) int { return cmp.Compare(a.Order, b.Order) }
	err = sortBy(found, q, "-created_at", map[string]func(a, b member) int{
		"created_at":    byTime,
		"email_address": func(a, b member) int { return cmp.Compare(a.person.Email(), b.person.Email()) },
		"first_name": func(a, b member) int {
			return cmp.Or(cmp.Compare(a.person.FirstName, b.person.FirstName), byTime(a, b))
		},
		"last_name":    func(a, b member) int { return cmp.Or(cmp.Compare(a.person.LastName, b.person.LastName), byTime(a, b)) },
		"phone_number": byTime, // no person has one
		"username":     byTime,
	})
	if err != nil {
		return nil, err
	}
	return listJSON(found, at, member.json), nil
}

func (s *Server) listUserMemberships(r *http.Request) (any, error) {
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
	for _, o := range s.dir.Organizations {
		if m, ok := o.Members[p.ID]; ok {
			found = append(found, member{Membership: m, organization: o, person: p})
		}
	}
	slices.SortFunc(found, func(a, b member) int { return cmp.Compare(b.Order, a.Order) })
	return listJSON(found, at, member.json), nil
}

func (s *Server) postMembership(r *http.Request) (any, error) {
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
		return nil, directory.MissingParam("user_id")
	case body.Role == "":
		return nil, directory.MissingParam("role")
	}
	p, ok := s.dir.People[body.UserID]
	if !ok {
		return nil, directory.NotFound("No user was found with id %s.", body.UserID)
	}
	m, err := s.dir.AddMember(o, p, directory.Membership{Role: body.Role})
	if err != nil {
		return nil, err
	}
	return m.JSON(o, p), nil
}

func (s *Server) patchMembership(r *http.Request) (any, error) {
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
		return nil, directory.MissingParam("role")
	}
	m.Role = body.Role
	return s.stored(m)
}

func (s *Server) patchMembershipMetadata(r *http.Request) (any, error) {
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
	if m.PublicMetadata, m.PrivateMetadata, err = body.merged(m.PublicMetadata, m.PrivateMetadata); err != nil {
		return nil, err
	}
	return s.stored(m)
}

// stored stores a changed membership and returns its shape. The caller holds s.mu.
func (s *Server) stored(m member) (any, error) {
	changed, err := s.dir.ChangeMember(m.organization, m.person, m.Membership)
	if err != nil {
		return nil, err
	}
	return changed.JSON(m.organization, m.person), nil
}

func (s *Server) removeMembership(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.membershipOf(r)
	if err != nil {
		return nil, err
	}
	s.dir.RemoveMember(m.organization, m.person, m.Membership)
	return m.json(), nil
}
