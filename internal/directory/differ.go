package directory

import (
	"context"
	"fmt"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// members is how the members of an organization are compared.
func members(ctx context.Context, c *comparison, org string) part[keptMember, clerk.Membership] {
	return part[keptMember, clerk.Membership]{
		about:  aboutMembership,
		listed: c.d.clerk.Memberships(ctx, org),
		ours: func(ctx context.Context, tx *tenancy.Tx, after string) ([]keptMember, error) {
			return selectMembers(ctx, tx, org, after)
		},
		idOf:    func(m clerk.Membership) string { return m.User },
		ourID:   func(m keptMember) string { return m.UserID },
		ticket:  func(m keptMember) int64 { return m.Ticket },
		gone:    func(m keptMember) bool { return m.RemoveTime != nil },
		differs: memberDiffers,
		fetch: func(ctx context.Context, user string) (clerk.Membership, error) {
			return c.d.clerk.Membership(ctx, org, user)
		},
		keep: func(ctx context.Context, tx *tenancy.Tx, ticket int64, user string, found *clerk.Membership) error {
			return c.d.keepMember(ctx, tx, ticket, org, user, found, nil)
		},
		ended: c.ended,
	}
}

// people compares those whom Clerk lists, and those whom only we have.
func (c *comparison) people(ctx context.Context) error {
	ticket, err := c.d.ticket(ctx)
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for u, err := range c.d.clerk.Users(ctx) {
		if err != nil {
			return fmt.Errorf("list the users: %w", err)
		}
		seen[u.ID] = true
		if err := c.each(ctx, c.user(ctx, ticket, u.ID, &u)); err != nil {
			return err
		}
	}
	ours, err := c.tenants(ctx, true)
	if err != nil {
		return err
	}
	for _, id := range ours {
		if seen[id] {
			continue
		}
		if err := c.each(ctx, c.person(ctx, id)); err != nil {
			return err
		}
	}
	return nil
}

// ended looks whether somebody who is not a member any more is gone altogether.
func (c *comparison) ended(ctx context.Context, user string) error {
	ticket, err := c.d.ticket(ctx)
	if err != nil {
		return err
	}
	found, err := here(c.d.clerk.User(ctx, user))
	if err != nil || found != nil {
		return err
	}
	return c.user(ctx, ticket, user, nil)
}

// person compares one person whom no list had.
func (c *comparison) person(ctx context.Context, id string) error {
	ticket, err := c.d.ticket(ctx)
	if err != nil {
		return err
	}
	found, err := here(c.d.clerk.User(ctx, id))
	if err != nil {
		return fmt.Errorf("user %s: %w", id, err)
	}
	return c.user(ctx, ticket, id, found)
}

func (c *comparison) user(ctx context.Context, ticket int64, id string, found *clerk.User) error {
	c.sum.People++
	var ours *user
	err := c.read(ctx, id, func(tx *tenancy.Tx) (err error) {
		ours, err = selectUser(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	what := userDiffers(ours, found)
	if what == "" {
		return nil
	}
	c.drift(Drift{id, aboutUser, id, what})
	if found == nil && c.r.Apply {
		c.sum.Applied++
		return c.d.endUser(ctx, ticket, id)
	}
	err = c.apply(ctx, id, func(tx *tenancy.Tx) error { return keepUser(ctx, tx, ticket, id, found) })
	if err != nil || !c.r.Apply {
		return err
	}
	return c.d.tellPlaces(ctx, id)
}

// invitations is how the invitations of an organization are compared.
func invitations(ctx context.Context, c *comparison, org string) part[keptInvitation, clerk.Invitation] {
	return part[keptInvitation, clerk.Invitation]{
		about:  aboutInvitation,
		listed: c.d.clerk.Invitations(ctx, org),
		ours: func(ctx context.Context, tx *tenancy.Tx, after string) ([]keptInvitation, error) {
			return selectInvitations(ctx, tx, org, after)
		},
		idOf:    func(i clerk.Invitation) string { return i.ID },
		ourID:   func(i keptInvitation) string { return i.ID },
		ticket:  func(i keptInvitation) int64 { return i.Ticket },
		gone:    func(i keptInvitation) bool { return i.Status == statusGone },
		differs: invitationDiffers,
		fetch: func(ctx context.Context, id string) (clerk.Invitation, error) {
			return c.d.clerk.Invitation(ctx, org, id)
		},
		keep: func(ctx context.Context, tx *tenancy.Tx, ticket int64, id string, found *clerk.Invitation) error {
			return c.d.keepInvitation(ctx, tx, ticket, org, id, found)
		},
		prepare: c.d.findAccepter,
	}
}

// presence tells how it differs that something is here, was ever here, and is at Clerk.
// Of what we have never heard of there may be members.
func presence(here, ever, there bool) string {
	switch {
	case !there && (here || !ever):
		return "gone at Clerk"
	case there && !here:
		return "missing here"
	}
	return ""
}

func organizationDiffers(ours *organization, found *clerk.Organization) string {
	here := ours != nil && ours.DeleteTime == nil
	if what := presence(here, ours != nil, found != nil); what != "" || !here {
		return what
	}
	switch {
	case ours.Name != found.Name:
		return "the name differs"
	case ours.Slug != found.Slug:
		return "the slug differs"
	}
	return ""
}

func userDiffers(ours *user, found *clerk.User) string {
	here := ours != nil && ours.DeleteTime == nil
	if what := presence(here, ours != nil, found != nil); what != "" || !here {
		return what
	}
	switch {
	case ours.Name != found.Name:
		return "the name differs"
	case ours.Email != found.Email:
		return "the address differs"
	case ours.Barred != barredFor(*found):
		return fmt.Sprintf("barred: %q here, %q at Clerk", ours.Barred, barredFor(*found))
	}
	return ""
}

func memberDiffers(ours keptMember, found clerk.Membership) string {
	switch {
	case ours.RemoveTime != nil:
		return "missing here"
	case ours.Role != found.Role:
		return fmt.Sprintf("role: %s here, %s at Clerk", ours.Role, found.Role)
	case ours.Licensed != found.Licensed:
		return fmt.Sprintf("licensed: %t here, %t at Clerk", ours.Licensed, found.Licensed)
	case ours.MembershipID != found.ID:
		return "the membership's id differs"
	case ours.Name != found.Name:
		return "the name differs"
	case ours.Email != address(found.Identifier):
		return "the address differs"
	}
	return ""
}

func invitationDiffers(ours keptInvitation, found clerk.Invitation) string {
	switch {
	case ours.Status != found.Status:
		return fmt.Sprintf("status: %s here, %s at Clerk", ours.Status, found.Status)
	case ours.Role != found.Role:
		return fmt.Sprintf("role: %s here, %s at Clerk", ours.Role, found.Role)
	case ours.Email != found.Email && ours.Email != "": // it may have been forgotten
		return "the address differs"
	case ours.HoldSeat != found.HoldSeat:
		return fmt.Sprintf("hold_seat: %t here, %t at Clerk", ours.HoldSeat, found.HoldSeat)
	case ours.Status == clerk.InvitationAccepted && ours.HoldSeat && ours.AcceptTime == nil:
		return "whose it became is not known here"
	}
	return ""
}
