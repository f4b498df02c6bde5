package clerk

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// User is a person.
type User struct {
	ID       string
	Name     string   // first and last name, or else the username; or ""
	Email    string   // the primary address, or ""
	Verified []string // all verified addresses
	Banned   bool
	// Deprovisioned is somebody whom the directory of their company has taken away.
	Deprovisioned bool
	CreateTime    time.Time
	UpdateTime    time.Time
}

// verified is the status of an address that its owner has proved to be theirs.
const verified = "verified"

type userWire struct {
	ID        string `json:"id"`
	Username  string `json:"username"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	PrimaryID string `json:"primary_email_address_id"`
	Emails    []struct {
		ID      string `json:"id"`
		Address string `json:"email_address"`
		Checked struct {
			Status string `json:"status"`
		} `json:"verification"`
	} `json:"email_addresses"`
	Banned        bool   `json:"banned"`
	Deprovisioned bool   `json:"deprovisioned"`
	CreatedAt     millis `json:"created_at"`
	UpdatedAt     millis `json:"updated_at"`
}

func (w userWire) user() User {
	u := User{
		ID: w.ID, Name: fullName(w.FirstName, w.LastName), Banned: w.Banned, Deprovisioned: w.Deprovisioned,
		CreateTime: w.CreatedAt.time(), UpdateTime: w.UpdatedAt.time(),
	}
	if u.Name == "" {
		u.Name = text(w.Username)
	}
	for _, email := range w.Emails {
		if email.ID == w.PrimaryID && email.ID != "" {
			u.Email = text(email.Address)
		}
		if address := text(email.Address); email.Checked.Status == verified && address != "" {
			u.Verified = append(u.Verified, address)
		}
	}
	return u
}

// User asks for a person. Errors: InvalidID, NotFound, and those of every call.
func (c *Client) User(ctx context.Context, id string) (User, error) {
	if err := checkID("User", userPrefix, id); err != nil {
		return User{}, c.caller.Unsent("User", err)
	}
	q := request{name: "User", verb: http.MethodGet, path: path("users", id)}
	return ask(ctx, c, q, func(w userWire) (User, bool) { return w.user(), w.ID == id })
}

// Users lists all people of the instance, oldest first, and gives what Organizations
// gives. Errors: those of every call.
func (c *Client) Users(ctx context.Context) iter.Seq2[User, error] {
	q := request{name: "Users", verb: http.MethodGet, path: path("users"), query: url.Values{"order_by": {oldestFirst}}}
	return bareList(ctx, c, q, func(u User) string { return u.ID }, func(w userWire) (User, bool) {
		return w.user(), isID(userPrefix, w.ID)
	})
}

// UserAt asks for the person who has the verified e-mail address, in any case. Errors: NotFound
// where there is none, and those of every call.
func (c *Client) UserAt(ctx context.Context, address string) (User, error) {
	const name = "UserAt"
	if address == "" {
		return User{}, c.caller.Unsent(name, &Error{Provider: provider, Kind: InvalidID, Method: name, Words: "the address is empty"})
	}
	q := request{name: name, verb: http.MethodGet, path: path("users"), query: url.Values{"email_address": {address}}}.at(pageMin, 0)
	found, err := ask(ctx, c, q, func(rows []userWire) ([]User, bool) {
		var all []User
		for _, w := range rows {
			all = append(all, w.user())
		}
		return all, true
	})
	if err != nil {
		return User{}, err
	}
	for _, u := range found {
		if slices.ContainsFunc(u.Verified, func(a string) bool { return strings.EqualFold(a, address) }) && isID(userPrefix, u.ID) {
			return u, nil
		}
	}
	return User{}, &Error{Provider: provider, Kind: NotFound, Method: name, Status: http.StatusOK}
}

func fullName(first, last string) string {
	return text(text(first) + " " + text(last))
}

// millis is a time as Clerk writes it: milliseconds since 1970.
type millis int64

// time is the zero time for 0 and null.
func (m millis) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}
