package sandbox

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// handleControl serves the addresses under /sandbox that stand for what people do in a browser and for what goes wrong. They
// ask for no key. Bodies are JSON objects, answers too; a refusal is one sentence of text, 400 for a bad body.
func (s *Sandbox) handleControl(mux *http.ServeMux) {
	for pattern, method := range map[string]func(*http.Request) (any, error){
		"POST /sandbox/organizations":                                 s.makeOrganization,
		"DELETE /sandbox/organizations/{organization}":                s.dropOrganization,
		"POST /sandbox/organizations/{organization}/members":          s.makeMember,
		"PATCH /sandbox/organizations/{organization}/members/{user}":  s.switchMember,
		"DELETE /sandbox/organizations/{organization}/members/{user}": s.dropMember,
		"DELETE /sandbox/users/{user}":                                s.dropUser,
		"PATCH /sandbox/users/{user}":                                 s.barUser,
		"POST /sandbox/invitations/{invitation}/accept":               s.acceptInvitation,
		"POST /sandbox/checkout/{session}/complete":                   s.completeCheckout,
		"POST /sandbox/checkout/{session}/settle":                     s.settleCheckout,
		"POST /sandbox/portal/{session}":                              s.usePortal,
		"POST /sandbox/subscriptions/{subscription}/advance":          s.advanceSubscription,
		"POST /sandbox/subscriptions/{subscription}/refund":           s.refundSubscription,
		"POST /sandbox/subscriptions/{subscription}/dispute":          s.disputeSubscription,
		"POST /sandbox/subscriptions/{subscription}/pause":            s.pauseSubscription,
		"POST /sandbox/subscriptions/{subscription}/resume":           s.unpauseSubscription,
		"POST /sandbox/faults":                                        s.makeFault,
		"GET /sandbox/webhooks":                                       s.serveWebhooks,
		"POST /sandbox/webhooks":                                      s.setWebhooks,
		"POST /sandbox/reset":                                         s.serveReset,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, err := method(r)
			if err != nil {
				writeRefusal(w, err)
				return
			}
			writeJSON(w, http.StatusOK, body)
		})
	}
}

// readControl reads the JSON object of a control request, whatever its Content-Type, so that curl -d will do.
func readControl(r *http.Request, into any) error {
	raw, err := io.ReadAll(io.LimitReader(r.Body, bodyMax+1))
	if err != nil || len(raw) > bodyMax {
		return refuse(http.StatusBadRequest, "The body is too long or did not arrive.")
	}
	if !strings.HasPrefix(strings.TrimSpace(string(raw)), "{") {
		return refuse(http.StatusBadRequest, "The body is a JSON object.")
	}
	err = decode(raw, into)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.code == "request_body_invalid" {
		return refuse(http.StatusBadRequest, "The body is not a JSON object.")
	}
	return err
}

// personFor finds a person by id or name and makes one of the name where there is none, with this address or, where it is a
// slug, one of their own there. The caller holds s.mu.
func (s *Sandbox) personFor(user, place string) (person, error) {
	p, err := s.dir.personNamed(user)
	if refused, ok := errors.AsType[*refusal](err); !ok || refused.status != http.StatusNotFound {
		return p, err
	}
	name := strings.TrimPrefix(user, "user_")
	if strings.Contains(place, "@") {
		return s.addPerson(name, place)
	}
	return s.addPerson(name, name+"@"+place+".test")
}

// makeOrganization answers POST /sandbox/organizations {name, slug, admin}. The admin is a person, or a new one's name. One of
// name and slug may be left out.
func (s *Sandbox) makeOrganization(r *http.Request) (any, error) {
	var body struct {
		Name  string `json:"name"`
		Slug  string `json:"slug"`
		Admin string `json:"admin"`
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if body.Name == "" {
		body.Name = body.Slug
	}
	if body.Slug == "" {
		body.Slug = s.slugOf(body.Name)
	}
	if err := s.checkOrganization("", body.Name, body.Slug); err != nil {
		return nil, err
	}
	admin, err := s.personFor(body.Admin, body.Slug)
	if err != nil {
		return nil, err
	}
	o, err := s.addOrganization(organization{
		name: body.Name, slug: body.Slug, public: map[string]any{}, private: map[string]any{},
	}, &admin)
	if err != nil {
		return nil, err
	}
	return o.json(), nil
}

// dropOrganization answers DELETE /sandbox/organizations/{organization}.
func (s *Sandbox) dropOrganization(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.dir.organizationNamed(r.PathValue("organization"))
	if err != nil {
		return nil, err
	}
	return s.deleteOrganization(o), nil
}

// makeMember answers POST /sandbox/organizations/{organization}/members {user, role}. Someone unknown is made.
func (s *Sandbox) makeMember(r *http.Request) (any, error) {
	var body struct {
		User string `json:"user"`
		Role string `json:"role"`
	}
	if err := readControl(r, &body); err != nil {
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
	if err := s.checkQuota(o); err != nil {
		return nil, err
	}
	p, err := s.personFor(body.User, o.slug)
	if err != nil {
		return nil, err
	}
	m, err := s.addMember(o, p, membership{role: body.Role})
	if err != nil {
		return nil, err
	}
	return m.json(o, p), nil
}

func checkRole(key string) error {
	if _, ok := roleNamed(key); !ok {
		return refuse(http.StatusBadRequest, "There is no role %q: use org:admin, org:manager, org:member or org:viewer.", key)
	}
	return nil
}

// memberNamed is the member of a control request's path. The caller holds s.mu.
func (s *Sandbox) memberNamed(r *http.Request) (member, error) {
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
		return member{}, refuse(http.StatusNotFound, "%s is not a member of %s.", p.id, o.slug)
	}
	return member{membership: m, organization: o, person: p}, nil
}

// switchMember answers PATCH /sandbox/organizations/{organization}/members/{user} {role}.
func (s *Sandbox) switchMember(r *http.Request) (any, error) {
	var body struct {
		Role string `json:"role"`
	}
	if err := readControl(r, &body); err != nil {
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
func (s *Sandbox) dropMember(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.memberNamed(r)
	if err != nil {
		return nil, err
	}
	s.removeMember(m.organization, m.person, m.membership)
	return m.json(), nil
}

// dropUser answers DELETE /sandbox/users/{user}.
func (s *Sandbox) dropUser(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.dir.personNamed(r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	return s.deletePerson(p), nil
}

// barUser answers PATCH /sandbox/users/{user} {banned, locked, deprovisioned}; what is left out stays. Clerk tells of the person
// alone: they stay a member everywhere.
func (s *Sandbox) barUser(r *http.Request) (any, error) {
	var body struct {
		Banned        *bool `json:"banned"`
		Locked        *bool `json:"locked"`
		Deprovisioned *bool `json:"deprovisioned"`
	}
	if err := readControl(r, &body); err != nil {
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
	return s.changePerson(p).json(), nil
}

// acceptInvitation answers POST /sandbox/invitations/{invitation}/accept {user}. Someone unknown is made, with the invited
// address.
func (s *Sandbox) acceptInvitation(r *http.Request) (any, error) {
	var body struct {
		User string `json:"user"`
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.dir.invitations[r.PathValue("invitation")]
	if !ok {
		return nil, refuse(http.StatusNotFound, "There is no invitation %q.", r.PathValue("invitation"))
	}
	if err := s.checkAcceptable(i); err != nil {
		return nil, err
	}
	p, err := s.personFor(body.User, i.email)
	if err != nil {
		return nil, err
	}
	m, err := s.accept(i, p)
	if err != nil {
		return nil, err
	}
	return m.json(s.dir.organizations[i.organization], p), nil
}

// makeFault answers POST /sandbox/faults; see fault.
func (s *Sandbox) makeFault(r *http.Request) (any, error) {
	var body fault
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	s.faults.add(body)
	return body, nil
}

// serveReset answers POST /sandbox/reset; see Reset.
func (s *Sandbox) serveReset(*http.Request) (any, error) {
	s.Reset()
	return map[string]bool{"reset": true}, nil
}
