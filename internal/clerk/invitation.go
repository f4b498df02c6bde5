package clerk

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The statuses of an invitation.
const (
	InvitationPending  = "pending"
	InvitationAccepted = "accepted"
	InvitationRevoked  = "revoked"
	InvitationExpired  = "expired"
)

// Invitation asks somebody into an organization.
type Invitation struct {
	ID           string
	Organization string // its id
	Email        string
	Role         string // with "org:"
	Status       string
	HoldSeat     bool      // public metadata holdSeat is true
	Inviter      string    // a user's id, or ""
	User         string    // who accepted it; "" where Clerk does not say so, which it does in events alone
	CreateTime   time.Time // zero: not known
	UpdateTime   time.Time
	ExpireTime   time.Time // zero: not known
}

type invitationWire struct {
	ID           string          `json:"id"`
	Organization string          `json:"organization_id"`
	Email        string          `json:"email_address"`
	Role         string          `json:"role"`
	Status       string          `json:"status"`
	Metadata     json.RawMessage `json:"public_metadata"`
	Inviter      string          `json:"inviter_id"`
	User         string          `json:"user_id"`
	CreatedAt    millis          `json:"created_at"`
	UpdatedAt    millis          `json:"updated_at"`
	ExpiresAt    millis          `json:"expires_at"`
}

func (w invitationWire) in(org string) (Invitation, bool) {
	return Invitation{
		ID:           w.ID,
		Organization: w.Organization,
		Email:        text(w.Email),
		Role:         roleKey(w.Role),
		Status:       text(w.Status),
		HoldSeat:     isSet(w.Metadata, MetadataHoldSeat),
		Inviter:      w.Inviter,
		User:         w.User,
		CreateTime:   w.CreatedAt.time(),
		UpdateTime:   w.UpdatedAt.time(),
		ExpireTime:   w.ExpiresAt.time(),
	}, isID(invitationPrefix, w.ID) && w.Organization == org && w.Status != ""
}

// Invitation asks for an invitation. Errors: InvalidID, NotFound, and those of every
// call.
func (c *Client) Invitation(ctx context.Context, org, id string) (Invitation, error) {
	const name = "Invitation"
	err := checkID(name, organizationPrefix, org)
	if err == nil {
		err = checkID(name, invitationPrefix, id)
	}
	if err != nil {
		return Invitation{}, c.caller.Unsent(name, err)
	}
	q := request{name: name, verb: http.MethodGet, path: path("organizations", org, "invitations", id)}
	return ask(ctx, c, q, func(w invitationWire) (Invitation, bool) {
		i, ok := w.in(org)
		return i, ok && i.ID == id
	})
}

// Invitations lists the invitations of an organization that have one of the statuses,
// or all where none is named, oldest first. It gives what Memberships gives, and an
// invitation whose status changes meanwhile counts as one that comes or goes. Errors:
// InvalidID, NotFound, and those of every call.
func (c *Client) Invitations(ctx context.Context, org string, statuses ...string) iter.Seq2[Invitation, error] {
	const name = "Invitations"
	if err := checkID(name, organizationPrefix, org); err != nil {
		return failed[Invitation](err)
	}
	known := []string{InvitationPending, InvitationAccepted, InvitationRevoked, InvitationExpired}
	for _, status := range statuses {
		if !slices.Contains(known, status) {
			return failed[Invitation](&Error{Provider: provider, Kind: InvalidID, Method: name, Words: "there is no such status"})
		}
	}
	wanted := url.Values{"order_by": {oldestFirst}}
	if len(statuses) > 0 {
		wanted["status"] = slices.Clone(statuses)
	}
	q := request{name: name, verb: http.MethodGet, path: path("organizations", org, "invitations"), query: wanted}
	return list(ctx, c, q, func(i Invitation) string { return i.ID }, func(w invitationWire) (Invitation, bool) { return w.in(org) })
}
