package clerk

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Organization is a tenant.
type Organization struct {
	ID         string
	Slug       string // or ""
	Name       string
	CreateTime time.Time
	UpdateTime time.Time
}

type organizationWire struct {
	ID        string `json:"id"`
	Slug      string `json:"slug"`
	Name      string `json:"name"`
	CreatedAt millis `json:"created_at"`
	UpdatedAt millis `json:"updated_at"`
}

func (w organizationWire) organization() Organization {
	return Organization{ID: w.ID, Slug: text(w.Slug), Name: text(w.Name), CreateTime: w.CreatedAt.time(), UpdateTime: w.UpdatedAt.time()}
}

// Organization asks for an organization by id. Errors: InvalidID, NotFound, and those
// of every call.
func (c *Client) Organization(ctx context.Context, id string) (Organization, error) {
	if err := checkID("Organization", organizationPrefix, id); err != nil {
		return Organization{}, c.caller.Unsent("Organization", err)
	}
	q := request{name: "Organization", verb: http.MethodGet, path: path("organizations", id)}
	return ask(ctx, c, q, func(w organizationWire) (Organization, bool) { return w.organization(), w.ID == id })
}

// Organizations lists all organizations of the instance, oldest first, asking for the
// next page when the loop gets there. One that exists from the first request to the
// last is given exactly once; one that comes or goes meanwhile may or may not be. An
// error ends the list, and what came before it is not the whole.
func (c *Client) Organizations(ctx context.Context) iter.Seq2[Organization, error] {
	q := request{name: "Organizations", verb: http.MethodGet, path: path("organizations"), query: url.Values{"order_by": {oldestFirst}}}
	return list(ctx, c, q, func(o Organization) string { return o.ID }, func(w organizationWire) (Organization, bool) {
		return w.organization(), isID(organizationPrefix, w.ID)
	})
}
