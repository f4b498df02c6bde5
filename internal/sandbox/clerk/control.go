package clerk

import (
	"errors"
	"net/http"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

// Control returns the control requests for people and organizations.
func (s *Server) Control() kit.Control {
	return kit.Control{
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
func (s *Server) personFor(user, place string) (directory.Person, error) {
	p, err := s.dir.PersonNamed(user)
	if refused, ok := errors.AsType[*kit.Refusal](err); !ok || refused.Status != http.StatusNotFound {
		return p, err
	}
	name := strings.TrimPrefix(user, "user_")
	if strings.Contains(place, "@") {
		return s.dir.AddPerson(name, place)
	}
	return s.dir.AddPerson(name, name+"@"+place+".test")
}

// makeOrganization serves POST /sandbox/organizations {name, slug, admin}. The admin is a person, or a new one's name. One of
// name and slug may be left out.
func (s *Server) makeOrganization(r *http.Request) (any, error) {
	var body struct {
		Name  string `json:"name"`
		Slug  string `json:"slug"`
		Admin string `json:"admin"`
	}
	if err := kit.ReadControl(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if body.Name == "" {
		body.Name = body.Slug
	}
	if body.Slug == "" {
		body.Slug = s.dir.SlugOf(body.Name)
	}
	if err := s.dir.CheckOrganization("", body.Name, body.Slug); err != nil {
		return nil, err
	}
	admin, err := s.personFor(body.Admin, body.Slug)
	if err != nil {
		return nil, err
	}
	o, err := s.dir.AddOrganization(directory.Organization{
		Name: body.Name, Slug: body.Slug, PublicMetadata: map[string]any{}, PrivateMetadata: map[string]any{},
	}, &admin)
	if err != nil {
		return nil, err
	}
	return o.JSON(), nil
}

// dropOrganization serves DELETE /sandbox/organizations/{organization}.
func (s *Server) dropOrganization(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.dir.OrganizationNamed(r.PathValue("organization"))
	if err != nil {
		return nil, err
	}
	return s.dir.DeleteOrganization(o), nil
}

// makeMember serves POST /sandbox/organizations/{organization}/members {user, role}. Someone unknown is made.
func (s *Server) makeMember(r *http.Request) (any, error) {
	var body struct {
		User string `json:"user"`
		Role string `json:"role"`
	}
	if err := kit.ReadControl(r, &body); err != nil {
		return nil, err
	}
	if err := checkRole(body.Role); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.dir.OrganizationNamed(r.PathValue("organization"))
	if err != nil {
		return nil, err
	}
	if err := s.dir.CheckQuota(o); err != nil {
		return nil, err
	}
	p, err := s.personFor(body.User, o.Slug)
	if err != nil {
		return nil, err
	}
	m, err := s.dir.AddMember(o, p, directory.Membership{Role: body.Role})
	if err != nil {
		return nil, err
	}
	return m.JSON(o, p), nil
}

func checkRole(key string) error {
	if _, ok := directory.RoleNamed(key); !ok {
		return kit.Refuse(http.StatusBadRequest, "There is no role %q: use org:admin, org:manager, org:member or org:viewer.", key)
	}
	return nil
}

// memberNamed returns the member of a control request's path. The caller holds s.mu.
func (s *Server) memberNamed(r *http.Request) (member, error) {
	o, err := s.dir.OrganizationNamed(r.PathValue("organization"))
	if err != nil {
		return member{}, err
	}
	p, err := s.dir.PersonNamed(r.PathValue("user"))
	if err != nil {
		return member{}, err
	}
	m, ok := o.Members[p.ID]
	if !ok {
		return member{}, kit.Refuse(http.StatusNotFound, "%s is not a member of %s.", p.ID, o.Slug)
	}
	return member{Membership: m, organization: o, person: p}, nil
}

// switchMember serves PATCH /sandbox/organizations/{organization}/members/{user} {role}.
func (s *Server) switchMember(r *http.Request) (any, error) {
	var body struct {
		Role string `json:"role"`
	}
	if err := kit.ReadControl(r, &body); err != nil {
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
	m.Role = body.Role
	return s.stored(m)
}

// dropMember serves DELETE /sandbox/organizations/{organization}/members/{user}.
func (s *Server) dropMember(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.memberNamed(r)
	if err != nil {
		return nil, err
	}
	s.dir.RemoveMember(m.organization, m.person, m.Membership)
	return m.json(), nil
}

// dropUser serves DELETE /sandbox/users/{user}.
func (s *Server) dropUser(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.dir.PersonNamed(r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	return s.dir.DeletePerson(p), nil
}

// barUser serves PATCH /sandbox/users/{user} {banned, locked, deprovisioned}; what is left out stays. Clerk sends
// user.updated alone: the person stays a member everywhere.
func (s *Server) barUser(r *http.Request) (any, error) {
	var body struct {
		Banned        *bool `json:"banned"`
		Locked        *bool `json:"locked"`
		Deprovisioned *bool `json:"deprovisioned"`
	}
	if err := kit.ReadControl(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.dir.PersonNamed(r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	for to, given := range map[*bool]*bool{&p.Banned: body.Banned, &p.Locked: body.Locked, &p.Deprovisioned: body.Deprovisioned} {
		if given != nil {
			*to = *given
		}
	}
	return s.dir.ChangePerson(p).JSON(), nil
}

// acceptInvitation serves POST /sandbox/invitations/{invitation}/accept {user}. Someone unknown is made, with the invited
// address.
func (s *Server) acceptInvitation(r *http.Request) (any, error) {
	var body struct {
		User string `json:"user"`
	}
	if err := kit.ReadControl(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.dir.Invitations[r.PathValue("invitation")]
	if !ok {
		return nil, kit.Refuse(http.StatusNotFound, "There is no invitation %q.", r.PathValue("invitation"))
	}
	if err := s.dir.CheckAcceptable(i); err != nil {
		return nil, err
	}
	p, err := s.personFor(body.User, i.Email)
	if err != nil {
		return nil, err
	}
	m, err := s.dir.Accept(i, p)
	if err != nil {
		return nil, err
	}
	return m.JSON(s.dir.Organizations[i.Organization], p), nil
}
