package sandbox

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// userFilters are the parameters of lists that look at people.
var userFilters = []string{"query", "email_address_query", "name_query", "user_id", "email_address", "order_by"}

// matches says whether someone passes the filters that lists of people and of members share.
func (p person) matches(q url.Values) bool {
	name := strings.TrimSpace(p.firstName + " " + p.lastName)
	emails := make([]string, 0, len(p.addresses))
	for _, a := range p.addresses {
		emails = append(emails, a.email)
	}
	wanted := q["email_address"]
	return contains(q.Get("query"), append(emails, name, p.id)...) &&
		contains(q.Get("email_address_query"), emails...) &&
		contains(q.Get("name_query"), name) &&
		passes(q["user_id"], isID(p.id)) &&
		(len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool { return p.has(strings.ToLower(w)) }))
}

// personOf is the person of a request's path. The caller holds s.mu.
func (s *clerkServer) personOf(r *http.Request) (person, error) {
	p, ok := s.dir.people[r.PathValue("user")]
	if !ok {
		return person{}, notFound("No user was found with id %s.", r.PathValue("user"))
	}
	return p, nil
}

func (s *clerkServer) findUsers(r *http.Request) ([]person, page, error) {
	q, at, err := readList(r, append([]string{"organization_id"}, userFilters...)...)
	if err != nil {
		return nil, page{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []person
	for _, p := range s.dir.people {
		isIn := func(org string) bool {
			o, ok := s.dir.organizations[org]
			return ok && o.members[p.id].id != ""
		}
		if p.matches(q) && passes(q["organization_id"], isIn) {
			found = append(found, p)
		}
	}
	return found, at, sortBy(found, q, "-created_at", map[string]func(a, b person) int{
		"created_at":    func(a, b person) int { return cmp.Compare(a.order, b.order) },
		"updated_at":    func(a, b person) int { return cmp.Or(cmp.Compare(a.updated, b.updated), cmp.Compare(a.order, b.order)) },
		"email_address": func(a, b person) int { return cmp.Compare(a.email(), b.email()) },
		"first_name": func(a, b person) int {
			return cmp.Or(cmp.Compare(a.firstName, b.firstName), cmp.Compare(a.order, b.order))
		},
		"last_name": func(a, b person) int {
			return cmp.Or(cmp.Compare(a.lastName, b.lastName), cmp.Compare(a.order, b.order))
		},
	})
}

// listUsers answers GET /users: a bare array.
func (s *clerkServer) listUsers(r *http.Request) (any, error) {
	found, at, err := s.findUsers(r)
	if err != nil {
		return nil, err
	}
	return slicePage(found, at, person.json), nil
}

// countUsers answers GET /users/count.
func (s *clerkServer) countUsers(r *http.Request) (any, error) {
	found, _, err := s.findUsers(r)
	return map[string]any{"object": "total_count", "total_count": len(found)}, err
}

func (s *clerkServer) getUser(r *http.Request) (any, error) {
	if _, err := readQuery(r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.personOf(r)
	if err != nil {
		return nil, err
	}
	return p.json(), nil
}

// postUser answers POST /users, of which it knows names, email addresses and metadata. Nobody has a password here.
func (s *clerkServer) postUser(r *http.Request) (any, error) {
	var body struct {
		metadataBody
		Emails       []string `json:"email_address"`
		FirstName    string   `json:"first_name"`
		LastName     string   `json:"last_name"`
		SkipChecks   bool     `json:"skip_password_checks"`
		SkipPassword bool     `json:"skip_password_requirement"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	p := person{id: FreshID("user_"), firstName: body.FirstName, lastName: body.LastName, session: FreshID("sess_")}
	var err error
	if p.public, p.private, err = body.merged(nil, nil); err != nil {
		return nil, err
	}
	if len(body.Emails) == 0 {
		return nil, missingParam("email_address")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, given := range body.Emails {
		email, err := readEmail(given)
		if err != nil {
			return nil, err
		}
		if _, taken := s.dir.personAt(email); taken || p.has(email) {
			return nil, badParam("email_address", "form_identifier_exists", "already exists", "That email address is taken. Please try another.")
		}
		p.addresses = append(p.addresses, address{id: FreshID("idn_"), email: email})
	}
	now := s.dir.ms()
	p.created, p.updated, p.order = now, now, s.dir.next()
	return s.dir.storePerson(p).json(), nil
}

// patchUser answers PATCH /users/{user}, of which it knows the names.
func (s *clerkServer) patchUser(r *http.Request) (any, error) {
	var body struct {
		FirstName *string `json:"first_name"`
		LastName  *string `json:"last_name"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.personOf(r)
	if err != nil {
		return nil, err
	}
	if body.FirstName != nil {
		p.firstName = *body.FirstName
	}
	if body.LastName != nil {
		p.lastName = *body.LastName
	}
	return s.dir.changePerson(p).json(), nil
}

func (s *clerkServer) removeUser(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.personOf(r)
	if err != nil {
		return nil, err
	}
	return s.dir.deletePerson(p), nil
}

func (s *clerkServer) patchUserMetadata(r *http.Request) (any, error) {
	var body metadataBody
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.personOf(r)
	if err != nil {
		return nil, err
	}
	if p.public, p.private, err = body.merged(p.public, p.private); err != nil {
		return nil, err
	}
	return s.dir.changePerson(p).json(), nil
}
