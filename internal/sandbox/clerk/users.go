package clerk

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

// userFilters are the parameters of lists that look at people.
var userFilters = []string{"query", "email_address_query", "name_query", "user_id", "email_address", "order_by"}

// matches reports whether a person passes the filters that lists of people and of members share.
func matches(p directory.Person, q url.Values) bool {
	name := strings.TrimSpace(p.FirstName + " " + p.LastName)
	emails := make([]string, 0, len(p.Addresses))
	for _, a := range p.Addresses {
		emails = append(emails, a.Email)
	}
	wanted := q["email_address"]
	return contains(q.Get("query"), append(emails, name, p.ID)...) &&
		contains(q.Get("email_address_query"), emails...) &&
		contains(q.Get("name_query"), name) &&
		passes(q["user_id"], isID(p.ID)) &&
		(len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool { return p.Has(strings.ToLower(w)) }))
}

// personOf returns the person of a request's path. The caller holds s.mu.
func (s *Server) personOf(r *http.Request) (directory.Person, error) {
	p, ok := s.dir.People[r.PathValue("user")]
	if !ok {
		return directory.Person{}, directory.NotFound("No user was found with id %s.", r.PathValue("user"))
	}
	return p, nil
}

func (s *Server) findUsers(r *http.Request) ([]directory.Person, page, error) {
	q, at, err := readList(r, append([]string{"organization_id"}, userFilters...)...)
	if err != nil {
		return nil, page{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []directory.Person
	for _, p := range s.dir.People {
		isIn := func(org string) bool {
			o, ok := s.dir.Organizations[org]
			return ok && o.Members[p.ID].ID != ""
		}
		if matches(p, q) && passes(q["organization_id"], isIn) {
			found = append(found, p)
		}
	}
	return found, at, sortBy(found, q, "-created_at", map[string]func(a, b directory.Person) int{
		"created_at": func(a, b directory.Person) int { return cmp.Compare(a.Order, b.Order) },
		"updated_at": func(a, b directory.Person) int {
			return cmp.Or(cmp.Compare(a.Updated, b.Updated), cmp.Compare(a.Order, b.Order))
		},
		"email_address": func(a, b directory.Person) int { return cmp.Compare(a.Email(), b.Email()) },
		"first_name": func(a, b directory.Person) int {
			return cmp.Or(cmp.Compare(a.FirstName, b.FirstName), cmp.Compare(a.Order, b.Order))
		},
		"last_name": func(a, b directory.Person) int {
			return cmp.Or(cmp.Compare(a.LastName, b.LastName), cmp.Compare(a.Order, b.Order))
		},
	})
}

// listUsers serves GET /users: a bare array.
func (s *Server) listUsers(r *http.Request) (any, error) {
	found, at, err := s.findUsers(r)
	if err != nil {
		return nil, err
	}
	return slicePage(found, at, directory.Person.JSON), nil
}

// countUsers serves GET /users/count.
func (s *Server) countUsers(r *http.Request) (any, error) {
	found, _, err := s.findUsers(r)
	return map[string]any{"object": "total_count", "total_count": len(found)}, err
}

func (s *Server) getUser(r *http.Request) (any, error) {
	if _, err := readQuery(r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.personOf(r)
	if err != nil {
		return nil, err
	}
	return p.JSON(), nil
}

// postUser serves POST /users, of which it knows names, email addresses and metadata. Nobody has a password here.
func (s *Server) postUser(r *http.Request) (any, error) {
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
	p := directory.Person{ID: kit.FreshID("user_"), FirstName: body.FirstName, LastName: body.LastName, Session: kit.FreshID("sess_")}
	var err error
	if p.PublicMetadata, p.PrivateMetadata, err = body.merged(nil, nil); err != nil {
		return nil, err
	}
	if len(body.Emails) == 0 {
		return nil, directory.MissingParam("email_address")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, given := range body.Emails {
		email, err := directory.ReadEmail(given)
		if err != nil {
			return nil, err
		}
		if _, taken := s.dir.PersonAt(email); taken || p.Has(email) {
			return nil, directory.BadParam("email_address", "form_identifier_exists", "already exists", "That email address is taken. Please try another.")
		}
		p.Addresses = append(p.Addresses, directory.Address{ID: kit.FreshID("idn_"), Email: email})
	}
	now := s.dir.Millis()
	p.Created, p.Updated, p.Order = now, now, s.dir.NextOrder()
	return s.dir.StorePerson(p).JSON(), nil
}

// patchUser serves PATCH /users/{user}, of which it knows the names.
func (s *Server) patchUser(r *http.Request) (any, error) {
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
		p.FirstName = *body.FirstName
	}
	if body.LastName != nil {
		p.LastName = *body.LastName
	}
	return s.dir.ChangePerson(p).JSON(), nil
}

func (s *Server) removeUser(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.personOf(r)
	if err != nil {
		return nil, err
	}
	return s.dir.DeletePerson(p), nil
}

func (s *Server) patchUserMetadata(r *http.Request) (any, error) {
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
	if p.PublicMetadata, p.PrivateMetadata, err = body.merged(p.PublicMetadata, p.PrivateMetadata); err != nil {
		return nil, err
	}
	return s.dir.ChangePerson(p).JSON(), nil
}
