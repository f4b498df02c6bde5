package clerk

import (
	"cmp"
	"net/http"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
)

// organizationOf returns the organization of a request's path, by id alone. The caller holds s.mu.
func (s *Server) organizationOf(r *http.Request) (*directory.Organization, error) {
	o, ok := s.dir.Organizations[r.PathValue("organization")]
	if !ok {
		return nil, directory.OrganizationNotFound()
	}
	return o, nil
}

// counted returns an organization's shape with the numbers of its members and invitations. The caller holds s.mu.
func (s *Server) counted(o *directory.Organization) directory.OrganizationJSON {
	j := o.JSON()
	members, invitations := len(o.Members), s.dir.PendingFor(o.ID, "", s.dir.Millis())
	j.MembersCount, j.PendingInvitations = &members, &invitations
	return j
}

func (s *Server) listOrganizations(r *http.Request) (any, error) {
	q, at, err := readList(r, "include_members_count", "query", "user_id", "organization_id", "order_by")
	if err != nil {
		return nil, err
	}
	count, err := readFlag(q, "include_members_count")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*directory.Organization
	for _, o := range s.dir.Organizations {
		wanted := q.Get("query") == o.ID || contains(q.Get("query"), o.Name, o.Slug)
		hasMember := func(user string) bool { return o.Members[user].ID != "" }
		if wanted && passes(q["organization_id"], isID(o.ID)) && passes(q["user_id"], hasMember) {
			found = append(found, o)
		}
	}
	err = sortBy(found, q, "-created_at", map[string]func(a, b *directory.Organization) int{
		"created_at": func(a, b *directory.Organization) int { return cmp.Compare(a.Order, b.Order) },
		"name": func(a, b *directory.Organization) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Order, b.Order))
		},
		"members_count": func(a, b *directory.Organization) int {
			return cmp.Or(cmp.Compare(len(a.Members), len(b.Members)), cmp.Compare(a.Order, b.Order))
		},
	})
	if err != nil {
		return nil, err
	}
	if count {
		return listJSON(found, at, s.counted), nil
	}
	return listJSON(found, at, (*directory.Organization).JSON), nil
}

func (s *Server) postOrganization(r *http.Request) (any, error) {
	var body struct {
		metadataBody
		Name       string `json:"name"`
		Slug       string `json:"slug"`
		CreatedBy  string `json:"created_by"`
		MaxMembers *int64 `json:"max_allowed_memberships"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	o := directory.Organization{Name: body.Name, Slug: body.Slug}
	var err error
	if o.PublicMetadata, o.PrivateMetadata, err = body.merged(nil, nil); err != nil {
		return nil, err
	}
	if o.MaxMembers, err = readMaxMembers(body.MaxMembers, 0); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var creator *directory.Person
	if body.CreatedBy != "" {
		p, ok := s.dir.People[body.CreatedBy]
		if !ok {
			return nil, &directory.Refusal{
				Status: http.StatusBadRequest, Code: "organization_creator_not_found", Short: "creator not found",
				Message: "No users found with id " + body.CreatedBy + ".",
			}
		}
		creator = &p
	}
	made, err := s.dir.AddOrganization(o, creator)
	if err != nil {
		return nil, err
	}
	return made.JSON(), nil
}

func readMaxMembers(given *int64, absent int64) (int64, error) {
	if given == nil {
		return absent, nil
	}
	if *given < 0 {
		return 0, directory.BadParam("max_allowed_memberships", "form_param_value_invalid", "is invalid", "max_allowed_memberships must not be below 0.")
	}
	return *given, nil
}

// getOrganization serves GET /organizations/{organization}, by id or slug.
func (s *Server) getOrganization(r *http.Request) (any, error) {
	q, err := readQuery(r, "include_members_count")
	if err != nil {
		return nil, err
	}
	count, err := readFlag(q, "include_members_count")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.dir.OrganizationNamed(r.PathValue("organization"))
	if err != nil {
		return nil, directory.OrganizationNotFound()
	}
	if count {
		return s.counted(o), nil
	}
	return o.JSON(), nil
}

func (s *Server) patchOrganization(r *http.Request) (any, error) {
	var body struct {
		metadataBody
		Name        *string `json:"name"`
		Slug        *string `json:"slug"`
		MaxMembers  *int64  `json:"max_allowed_memberships"`
		AdminDelete *bool   `json:"admin_delete_enabled"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, err := s.organizationOf(r)
	if err != nil {
		return nil, err
	}
	o := *stored
	if body.Name != nil {
		o.Name = *body.Name
	}
	if body.Slug != nil {
		o.Slug = *body.Slug
	}
	if body.AdminDelete != nil {
		o.AdminDelete = *body.AdminDelete
	}
	if o.MaxMembers, err = readMaxMembers(body.MaxMembers, o.MaxMembers); err != nil {
		return nil, err
	}
	if o.PublicMetadata, o.PrivateMetadata, err = body.replaced(o.PublicMetadata, o.PrivateMetadata); err != nil {
		return nil, err
	}
	changed, err := s.dir.ChangeOrganization(o)
	if err != nil {
		return nil, err
	}
	return changed.JSON(), nil
}

func (s *Server) removeOrganization(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organizationOf(r)
	if err != nil {
		return nil, err
	}
	return s.dir.DeleteOrganization(o), nil
}

func (s *Server) patchOrganizationMetadata(r *http.Request) (any, error) {
	var body metadataBody
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, err := s.organizationOf(r)
	if err != nil {
		return nil, err
	}
	o := *stored
	if o.PublicMetadata, o.PrivateMetadata, err = body.merged(o.PublicMetadata, o.PrivateMetadata); err != nil {
		return nil, err
	}
	changed, err := s.dir.ChangeOrganization(o)
	if err != nil {
		return nil, err
	}
	return changed.JSON(), nil
}
