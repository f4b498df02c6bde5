package sandbox

import (
	"cmp"
	"net/http"
)

// organizationOf is the organization of a request's path, by id alone. The caller holds s.mu.
func (s *clerkServer) organizationOf(r *http.Request) (*organization, error) {
	o, ok := s.dir.organizations[r.PathValue("organization")]
	if !ok {
		return nil, organizationNotFound()
	}
	return o, nil
}

// counted is an organization's shape with the numbers of its members and invitations. The caller holds s.mu.
func (s *clerkServer) counted(o *organization) organizationJSON {
	j := o.json()
	members, invitations := len(o.members), s.dir.pendingFor(o.id, "", s.dir.ms())
	j.MembersCount, j.PendingInvitations = &members, &invitations
	return j
}

func (s *clerkServer) listOrganizations(r *http.Request) (any, error) {
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
	var found []*organization
	for _, o := range s.dir.organizations {
		wanted := q.Get("query") == o.id || contains(q.Get("query"), o.name, o.slug)
		hasMember := func(user string) bool { return o.members[user].id != "" }
		if wanted && passes(q["organization_id"], isID(o.id)) && passes(q["user_id"], hasMember) {
			found = append(found, o)
		}
	}
	err = sortBy(found, q, "-created_at", map[string]func(a, b *organization) int{
		"created_at": func(a, b *organization) int { return cmp.Compare(a.order, b.order) },
		"name": func(a, b *organization) int {
			return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.order, b.order))
		},
		"members_count": func(a, b *organization) int {
			return cmp.Or(cmp.Compare(len(a.members), len(b.members)), cmp.Compare(a.order, b.order))
		},
	})
	if err != nil {
		return nil, err
	}
	if count {
		return listJSON(found, at, s.counted), nil
	}
	return listJSON(found, at, (*organization).json), nil
}

func (s *clerkServer) postOrganization(r *http.Request) (any, error) {
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
	o := organization{name: body.Name, slug: body.Slug}
	var err error
	if o.public, o.private, err = body.merged(nil, nil); err != nil {
		return nil, err
	}
	if o.maxMembers, err = readMaxMembers(body.MaxMembers, 0); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var creator *person
	if body.CreatedBy != "" {
		p, ok := s.dir.people[body.CreatedBy]
		if !ok {
			return nil, &clerkRefusal{
				status: http.StatusBadRequest, code: "organization_creator_not_found", short: "creator not found",
				words: "No users found with id " + body.CreatedBy + ".",
			}
		}
		creator = &p
	}
	made, err := s.dir.addOrganization(o, creator)
	if err != nil {
		return nil, err
	}
	return made.json(), nil
}

func readMaxMembers(given *int64, absent int64) (int64, error) {
	if given == nil {
		return absent, nil
	}
	if *given < 0 {
		return 0, badParam("max_allowed_memberships", "form_param_value_invalid", "is invalid", "max_allowed_memberships must not be below 0.")
	}
	return *given, nil
}

// getOrganization answers GET /organizations/{organization}, by id or slug.
func (s *clerkServer) getOrganization(r *http.Request) (any, error) {
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
	o, err := s.dir.organizationNamed(r.PathValue("organization"))
	if err != nil {
		return nil, organizationNotFound()
	}
	if count {
		return s.counted(o), nil
	}
	return o.json(), nil
}

func (s *clerkServer) patchOrganization(r *http.Request) (any, error) {
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
		o.name = *body.Name
	}
	if body.Slug != nil {
		o.slug = *body.Slug
	}
	if body.AdminDelete != nil {
		o.adminDelete = *body.AdminDelete
	}
	if o.maxMembers, err = readMaxMembers(body.MaxMembers, o.maxMembers); err != nil {
		return nil, err
	}
	if o.public, o.private, err = body.replaced(o.public, o.private); err != nil {
		return nil, err
	}
	changed, err := s.dir.changeOrganization(o)
	if err != nil {
		return nil, err
	}
	return changed.json(), nil
}

func (s *clerkServer) removeOrganization(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organizationOf(r)
	if err != nil {
		return nil, err
	}
	return s.dir.deleteOrganization(o), nil
}

func (s *clerkServer) patchOrganizationMetadata(r *http.Request) (any, error) {
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
	if o.public, o.private, err = body.merged(o.public, o.private); err != nil {
		return nil, err
	}
	changed, err := s.dir.changeOrganization(o)
	if err != nil {
		return nil, err
	}
	return changed.json(), nil
}
