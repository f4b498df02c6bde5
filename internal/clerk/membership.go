package clerk

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "github.com/clerk/clerk-sdk-go/v2"
)

// Keys of public metadata that mean something to us.
const (
	MetadataLicensed = "isLicensed" // of a membership: true where it holds a seat
	MetadataHoldSeat = "holdSeat"   // of an invitation: true where a seat is kept for it
)

// Membership is a person's place in an organization.
type Membership struct {
	ID           string
	Organization string   // its id
	User         string   // its id
	Role         string   // with "org:"
	Permissions  []string // of the role, system permissions included
	Licensed     bool     // public metadata isLicensed is true
	Name         string   // first and last name, or ""
	Identifier   string   // an e-mail address, a telephone number or a username; or ""
	CreateTime   time.Time
	UpdateTime   time.Time
}

type membershipWire struct {
	ID           string           `json:"id"`
	Organization organizationWire `json:"organization"`
	Role         string           `json:"role"`
	Permissions  []string         `json:"permissions"`
	Metadata     json.RawMessage  `json:"public_metadata"`
	Person       struct {
		ID         string `json:"user_id"`
		FirstName  string `json:"first_name"`
		LastName   string `json:"last_name"`
		Identifier string `json:"identifier"`
	} `json:"public_user_data"`
	CreatedAt millis `json:"created_at"`
	UpdatedAt millis `json:"updated_at"`
}

// membership answers false for one that names nobody or nothing.
func (w membershipWire) membership() (Membership, bool) {
	return Membership{
		ID:           w.ID,
		Organization: w.Organization.ID,
		User:         w.Person.ID,
		Role:         roleKey(w.Role),
		Permissions:  w.Permissions,
		Licensed:     isSet(w.Metadata, MetadataLicensed),
		Name:         fullName(w.Person.FirstName, w.Person.LastName),
		Identifier:   text(w.Person.Identifier),
		CreateTime:   w.CreatedAt.time(),
		UpdateTime:   w.UpdatedAt.time(),
	}, isID(membershipPrefix, w.ID) && isID(organizationPrefix, w.Organization.ID) && isID(userPrefix, w.Person.ID) && w.Role != ""
}

func (w membershipWire) in(org string) (Membership, bool) {
	m, ok := w.membership()
	return m, ok && m.Organization == org
}

// isSet tells whether the metadata hold exactly true under key. Metadata are written
// by people and may be anything.
func isSet(metadata json.RawMessage, key string) bool {
	var values map[string]json.RawMessage
	return json.Unmarshal(metadata, &values) == nil && string(values[key]) == "true"
}

// Membership asks for one person's place in an organization. Errors: InvalidID,
// NotFound where there is no such place or no such organization, and those of every
// call.
func (c *Client) Membership(ctx context.Context, org, user string) (Membership, error) {
	const name = "Membership"
	if err := checkMember(name, org, user); err != nil {
		return Membership{}, c.caller.Unsent(name, err)
	}
	q := request{name: name, verb: http.MethodGet, path: path("organizations", org, "memberships"), query: url.Values{"user_id": {user}}}.at(pageMin, 0)
	found, err := ask(ctx, c, q, readPage(func(w membershipWire) (Membership, bool) {
		m, ok := w.in(org)
		return m, ok && m.User == user
	}))
	if err != nil {
		return Membership{}, err
	}
	if len(found.rows) == 0 {
		return Membership{}, &Error{Provider: provider, Kind: NotFound, Method: name, Status: http.StatusOK}
	}
	return found.rows[0], nil
}

// Memberships lists the members of an organization, oldest first, asking for the next
// page when the loop gets there. A member from the first request to the last is given
// exactly once; one who comes or goes meanwhile may or may not be. An error ends the
// list, and what came before it is not the whole. Errors: InvalidID, NotFound, and
// those of every call.
func (c *Client) Memberships(ctx context.Context, org string) iter.Seq2[Membership, error] {
	const name = "Memberships"
	if err := checkID(name, organizationPrefix, org); err != nil {
		return failed[Membership](err)
	}
	q := request{name: name, verb: http.MethodGet, path: path("organizations", org, "memberships"), query: url.Values{"order_by": {oldestFirst}}}
	return list(ctx, c, q, membershipID, func(w membershipWire) (Membership, bool) { return w.in(org) })
}

// MembershipsOf lists the places that a person has in organizations, in Clerk's order
// and otherwise as Memberships does.
func (c *Client) MembershipsOf(ctx context.Context, user string) iter.Seq2[Membership, error] {
	const name = "MembershipsOf"
	if err := checkID(name, userPrefix, user); err != nil {
		return failed[Membership](err)
	}
	q := request{name: name, verb: http.MethodGet, path: path("users", user, "organization_memberships")}
	return list(ctx, c, q, membershipID, func(w membershipWire) (Membership, bool) {
		m, ok := w.membership()
		return m, ok && m.User == user
	})
}

func membershipID(m Membership) string { return m.ID }

type metadataParams struct {
	sdk.APIParams
	Public json.RawMessage `json:"public_metadata"`
}

// SetMembershipMetadata merges the values into the public metadata of a membership, at
// every level; nil takes a key away. It answers the membership as Clerk has it
// afterwards. Clerk takes 10 such writes in 10 seconds for a membership and 8 KB of
// metadata; a client makes at most 8 and lets the others wait, so a caller with many
// should send only the last. Errors: InvalidID, NotFound, Refused, and those of every
// call.
func (c *Client) SetMembershipMetadata(ctx context.Context, org, user string, public map[string]any) (Membership, error) {
	const name = "SetMembershipMetadata"
	if err := checkMember(name, org, user); err != nil {
		return Membership{}, c.caller.Unsent(name, err)
	}
	if public == nil {
		public = map[string]any{} // null would not be a merge
	}
	encoded, err := json.Marshal(public)
	if err != nil {
		return Membership{}, err
	}
	q := request{
		name: name,
		verb: http.MethodPatch,
		path: path("organizations", org, "memberships", user, "metadata"),
		body: &metadataParams{Public: encoded},
		lane: strings.Join([]string{org, user}, "/"),
	}
	return ask(ctx, c, q, func(w membershipWire) (Membership, bool) {
		m, ok := w.in(org)
		return m, ok && m.User == user
	})
}

func checkMember(name, org, user string) error {
	if err := checkID(name, organizationPrefix, org); err != nil {
		return err
	}
	return checkID(name, userPrefix, user)
}
