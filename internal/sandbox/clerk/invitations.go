package clerk

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
)

// invitationOf returns the invitation of a request's path. The caller holds s.mu.
func (s *Server) invitationOf(r *http.Request) (directory.Invitation, error) {
	o, err := s.organizationOf(r)
	if err != nil {
		return directory.Invitation{}, err
	}
	i, ok := s.dir.Invitations[r.PathValue("invitation")]
	if !ok || i.Organization != o.ID {
		return directory.Invitation{}, directory.NotFound("No invitation was found with id %s.", r.PathValue("invitation"))
	}
	return i, nil
}

func (s *Server) listInvitations(r *http.Request) (any, error) {
	q, at, err := readList(r, "status", "email_address", "order_by")
	if err != nil {
		return nil, err
	}
	for _, status := range q["status"] {
		if !slices.Contains([]string{directory.Pending, directory.Accepted, directory.Revoked, directory.Expired}, status) {
			return nil, directory.BadValue("status", status)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organizationOf(r)
	if err != nil {
		return nil, err
	}
	now := s.dir.Millis()
	email := strings.ToLower(q.Get("email_address"))
	var found []directory.Invitation
	for _, i := range s.dir.Invitations {
		wanted := !q.Has("status") || slices.Contains(q["status"], i.StatusAt(now))
		if i.Organization == o.ID && wanted && (email == "" || email == i.Email) {
			found = append(found, i)
		}
	}
	err = sortBy(found, q, "-created_at", map[string]func(a, b directory.Invitation) int{
		"created_at": func(a, b directory.Invitation) int { return cmp.Compare(a.Order, b.Order) },
		"email_address": func(a, b directory.Invitation) int {
			return cmp.Or(cmp.Compare(a.Email, b.Email), cmp.Compare(a.Order, b.Order))
		},
	})
	if err != nil {
		return nil, err
	}
	return listJSON(found, at, func(i directory.Invitation) directory.InvitationJSON { return i.JSON(s.baseURL, now) }), nil
}

func (s *Server) postInvitation(r *http.Request) (any, error) {
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
	i := directory.Invitation{Email: body.EmailAddress, Role: body.Role, Inviter: body.Inviter}
	var err error
	if i.PublicMetadata, i.PrivateMetadata, err = body.merged(nil, nil); err != nil {
		return nil, err
	}
	days := directory.InvitationDays
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
		return nil, directory.MissingParam("email_address")
	case body.Role == "":
		return nil, directory.MissingParam("role")
	}
	if u, err := url.Parse(body.RedirectURL); body.RedirectURL != "" && (err != nil || u.Scheme == "" || u.Host == "") {
		return nil, directory.BadParam("redirect_url", "form_param_format_invalid", "is invalid", "redirect_url must be a valid url.")
	}
	if err := checkAdmin(o, body.Inviter); err != nil {
		return nil, err
	}
	made, err := s.dir.Invite(o, i, days)
	if err != nil {
		return nil, err
	}
	return made.JSON(s.baseURL, made.Created), nil
}

// checkAdmin refuses a person who is not an admin of the organization. An empty user is not refused.
func checkAdmin(o *directory.Organization, user string) error {
	switch m, ok := o.Members[user]; {
	case user == "" || m.Role == directory.AdminRole:
		return nil
	case !ok:
		return &directory.Refusal{
			Status: http.StatusForbidden, Code: "not_a_member_in_organization", Short: "not a member",
			Message: "Current user is not a member of the organization. Only organization members can perform this action.",
		}
	default:
		return &directory.Refusal{
			Status: http.StatusForbidden, Code: "missing_organization_permission", Short: "missing permission",
			Message: "Current user is missing an organization permission.",
			Meta:    map[string]any{"permissions": []string{"org:sys_memberships:manage"}},
		}
	}
}

func (s *Server) getInvitation(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.invitationOf(r)
	if err != nil {
		return nil, err
	}
	return i.JSON(s.baseURL, s.dir.Millis()), nil
}

func (s *Server) revokeInvitation(r *http.Request) (any, error) {
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
	if err := checkAdmin(s.dir.Organizations[i.Organization], body.Requester); err != nil {
		return nil, err
	}
	if i, err = s.dir.Revoke(i); err != nil {
		return nil, err
	}
	return i.JSON(s.baseURL, s.dir.Millis()), nil
}
