package sandbox

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// invitationOf is the invitation of a request's path. The caller holds s.mu.
func (s *clerkServer) invitationOf(r *http.Request) (invitation, error) {
	o, err := s.organizationOf(r)
	if err != nil {
		return invitation{}, err
	}
	i, ok := s.dir.invitations[r.PathValue("invitation")]
	if !ok || i.organization != o.id {
		return invitation{}, notFound("No invitation was found with id %s.", r.PathValue("invitation"))
	}
	return i, nil
}

func (s *clerkServer) listInvitations(r *http.Request) (any, error) {
	q, at, err := readList(r, "status", "email_address", "order_by")
	if err != nil {
		return nil, err
	}
	for _, status := range q["status"] {
		if !slices.Contains([]string{pending, accepted, revoked, expired}, status) {
			return nil, badValue("status", status)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organizationOf(r)
	if err != nil {
		return nil, err
	}
	now := s.dir.ms()
	email := strings.ToLower(q.Get("email_address"))
	var found []invitation
	for _, i := range s.dir.invitations {
		wanted := !q.Has("status") || slices.Contains(q["status"], i.statusAt(now))
		if i.organization == o.id && wanted && (email == "" || email == i.email) {
			found = append(found, i)
		}
	}
	err = sortBy(found, q, "-created_at", map[string]func(a, b invitation) int{
		"created_at":    func(a, b invitation) int { return cmp.Compare(a.order, b.order) },
		"email_address": func(a, b invitation) int { return cmp.Or(cmp.Compare(a.email, b.email), cmp.Compare(a.order, b.order)) },
	})
	if err != nil {
		return nil, err
	}
	return listJSON(found, at, func(i invitation) invitationJSON { return i.json(s.baseURL, now) }), nil
}

func (s *clerkServer) postInvitation(r *http.Request) (any, error) {
	var body struct {
		EmailAddress string `json:"email_address"`
		Role         string `json:"role"`
		Inviter      string `json:"inviter_user_id"`
		RedirectURL  string `json:"redirect_url"`
		Days         *int   `json:"expires_in_days"`
		metadataBody
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	i := invitation{email: body.EmailAddress, role: body.Role, inviter: body.Inviter}
	var err error
	if i.public, i.private, err = body.merged(nil, nil); err != nil {
		return nil, err
	}
	days := invitationDays
	if body.Days != nil {
		days = *body.Days
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organizationOf(r)
	switch {
	case err != nil:
		return nil, err
	case body.EmailAddress == "":
		return nil, missingParam("email_address")
	case body.Role == "":
		return nil, missingParam("role")
	}
	if u, err := url.Parse(body.RedirectURL); body.RedirectURL != "" && (err != nil || u.Scheme == "" || u.Host == "") {
		return nil, badParam("redirect_url", "form_param_format_invalid", "is invalid", "redirect_url must be a valid url.")
	}
	if err := checkAdmin(o, body.Inviter); err != nil {
		return nil, err
	}
	made, err := s.dir.invite(o, i, days)
	if err != nil {
		return nil, err
	}
	return made.json(s.baseURL, made.created), nil
}

// checkAdmin refuses someone who is not an admin of the organization. Nobody is no refusal.
func checkAdmin(o *organization, user string) error {
	switch m, ok := o.members[user]; {
	case user == "" || m.role == adminRole:
		return nil
	case !ok:
		return &clerkRefusal{
			status: http.StatusForbidden, code: "not_a_member_in_organization", short: "not a member",
			words: "Current user is not a member of the organization. Only organization members can perform this action.",
		}
	default:
		return &clerkRefusal{
			status: http.StatusForbidden, code: "missing_organization_permission", short: "missing permission",
			words: "Current user is missing an organization permission.",
			meta:  map[string]any{"permissions": []string{"org:sys_memberships:manage"}},
		}
	}
}

func (s *clerkServer) getInvitation(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.invitationOf(r)
	if err != nil {
		return nil, err
	}
	return i.json(s.baseURL, s.dir.ms()), nil
}

func (s *clerkServer) revokeInvitation(r *http.Request) (any, error) {
	var body struct {
		Requester string `json:"requesting_user_id"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.invitationOf(r)
	if err != nil {
		return nil, err
	}
	if err := checkAdmin(s.dir.organizations[i.organization], body.Requester); err != nil {
		return nil, err
	}
	if i, err = s.dir.revoke(i); err != nil {
		return nil, err
	}
	return i.json(s.baseURL, s.dir.ms()), nil
}
