package clerk

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// User is a person.
type User struct {
	ID         string
	Name       string // first and last name, or else the username; or ""
	Email      string // the primary address, or ""
	CreateTime time.Time
	UpdateTime time.Time
}

type userWire struct {
	ID        string `json:"id"`
	Username  string `json:"username"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	PrimaryID string `json:"primary_email_address_id"`
	Emails    []struct {
		ID      string `json:"id"`
		Address string `json:"email_address"`
	} `json:"email_addresses"`
	CreatedAt millis `json:"created_at"`
	UpdatedAt millis `json:"updated_at"`
}

func (w userWire) user() User {
	u := User{ID: w.ID, Name: fullName(w.FirstName, w.LastName), CreateTime: w.CreatedAt.time(), UpdateTime: w.UpdatedAt.time()}
	if u.Name == "" {
		u.Name = text(w.Username)
	}
	for _, email := range w.Emails {
		if email.ID == w.PrimaryID && email.ID != "" {
			u.Email = text(email.Address)
		}
	}
	return u
}

// User asks for a person. Errors: InvalidID, NotFound, and those of every call.
func (c *Client) User(ctx context.Context, id string) (User, error) {
	if err := checkID("User", userPrefix, id); err != nil {
		return User{}, c.ended("User", time.Now(), 0, err)
	}
	q := question{name: "User", verb: http.MethodGet, path: path("users", id)}
	return ask(ctx, c, q, func(w userWire) (User, bool) { return w.user(), w.ID == id })
}

// Users lists all people of the instance, oldest first, and gives what Organizations
// gives. Errors: those of every call.
func (c *Client) Users(ctx context.Context) iter.Seq2[User, error] {
	q := question{name: "Users", verb: http.MethodGet, path: path("users"), query: url.Values{"order_by": {oldestFirst}}}
	return bareList(ctx, c, q, func(u User) string { return u.ID }, func(w userWire) (User, bool) {
		return w.user(), isID(userPrefix, w.ID)
	})
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
