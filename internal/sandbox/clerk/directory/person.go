package directory

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

// newPerson returns a person with a name in lower case.
func newPerson(name, email string, at int64, order int) Person {
	return Person{
		ID: "user_" + name, FirstName: strings.ToUpper(name[:1]) + name[1:], Session: "sess_" + name,
		Addresses:      []Address{{ID: "idn_" + name, Email: email}},
		PublicMetadata: map[string]any{}, PrivateMetadata: map[string]any{}, Created: at, Updated: at, Order: order,
	}
}

var (
	personForm = regexp.MustCompile(`^[a-z0-9]{1,60}$`)
)

// AddPerson adds a person with a name and an email address.
func (d *Directory) AddPerson(name, email string) (Person, error) {
	if !personForm.MatchString(name) {
		return Person{}, kit.Refuse(http.StatusBadRequest, "%q is no name for a person: use up to 60 small letters and digits.", name)
	}
	if d.gone["user_"+name] {
		return Person{}, kit.Refuse(http.StatusConflict, "There was a person %q, who does not come back: use another name.", name)
	}
	if other, ok := d.PersonAt(email); ok {
		return Person{}, kit.Refuse(http.StatusConflict, "The address %s is that of %s.", email, other.ID)
	}
	return d.StorePerson(newPerson(name, email, d.Millis(), d.NextOrder())), nil
}

// StorePerson stores a new person.
func (d *Directory) StorePerson(p Person) Person {
	d.People[p.ID] = p
	d.emit("user.created", p.JSON())
	return p
}

// ChangePerson stores a changed person.
func (d *Directory) ChangePerson(p Person) Person {
	p.Updated = d.Millis()
	d.People[p.ID] = p
	d.emit("user.updated", p.JSON())
	return p
}

// DeletePerson deletes a person with all memberships. Clerk sends the event of the person alone.
func (d *Directory) DeletePerson(p Person) deletedJSON {
	for _, o := range d.Organizations {
		delete(o.Members, p.ID)
	}
	delete(d.People, p.ID)
	d.gone[p.ID] = true
	deleted := deletedJSON{Object: "user", ID: p.ID, Deleted: true}
	d.emit("user.deleted", deleted)
	return deleted
}

// Person is a Clerk user.
type Person struct {
	ID                              string
	FirstName, LastName             string    // empty: null
	Addresses                       []Address // the first is the primary one; never empty
	Session                         string    // one session each, the sid of every token
	Banned                          bool      // by hand, until it is taken back
	Locked                          bool      // after too many wrong passwords, for an hour by default; here until it is taken back
	Deprovisioned                   bool      // taken away by the directory of their company
	PublicMetadata, PrivateMetadata map[string]any
	Created, Updated                int64
	Order                           int
}

// Address is an email address, always a verified one.
type Address struct{ ID, Email string }

// PersonNamed returns a person by user id or by the name behind "user_".
func (d *Directory) PersonNamed(user string) (Person, error) {
	if user == "" {
		return Person{}, kit.Refuse(http.StatusBadRequest, "The user is missing.")
	}
	for _, id := range []string{user, "user_" + user} {
		if p, ok := d.People[id]; ok {
			return p, nil
		}
	}
	return Person{}, kit.Refuse(http.StatusNotFound, "There is no person %q.", user)
}

// PersonAt returns the person with an email address, if there is one.
func (d *Directory) PersonAt(email string) (Person, bool) {
	for _, p := range d.People {
		if p.Has(email) {
			return p, true
		}
	}
	return Person{}, false
}

// Email returns the primary email address.
func (p Person) Email() string { return p.Addresses[0].Email }

// Has reports whether an email address is one of the person's.
func (p Person) Has(email string) bool {
	return slices.ContainsFunc(p.Addresses, func(a Address) bool { return a.Email == email })
}
