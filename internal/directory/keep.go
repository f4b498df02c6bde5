package directory

import (
	"context"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// The functions here write what a fetch brought, nil where there was no such thing, in
// the tenant's transaction and under its lock. What a newer ticket has written stays.

// user is a person as they are kept.
type user struct {
	Name       string
	Email      string
	Barred     string // why they cannot sign in for good, or ""
	CreateTime *time.Time
	DeleteTime *time.Time
	Ticket     int64
}

// organization is an organization as it is kept.
type organization struct {
	Slug       string
	Name       string
	CreateTime *time.Time
	DeleteTime *time.Time
	Ticket     int64
}

// member is a person's place in an organization as it is kept.
type member struct {
	MembershipID string
	Role         string
	Name         string
	Email        string
	Licensed     bool // what Clerk's metadata say
	CreateTime   *time.Time
	RoleTime     *time.Time // when the role was first seen to be what it is
	RemoveTime   *time.Time
	Ticket       int64
}

// invitation is an invitation as it is kept.
type invitation struct {
	Email      string
	Role       string
	HoldSeat   bool
	Status     string
	CreateTime time.Time
	ExpireTime *time.Time
	UserID     string     // whose it is; "": not known
	AcceptTime *time.Time // when it was first seen to be accepted
	Ticket     int64
}

func (d *Directory) keepOrganization(ctx context.Context, tx *tenancy.Tx, ticket int64, id string, found *clerk.Organization) error {
	before, err := selectOrganization(ctx, tx, id)
	if err != nil || before != nil && before.Ticket >= ticket {
		return err
	}
	if found == nil {
		return d.endOrganization(ctx, tx, ticket, id, before)
	}
	now := organization{Slug: found.Slug, Name: found.Name, CreateTime: known(found.CreateTime), Ticket: ticket}
	if err := upsertOrganization(ctx, tx, id, now); err != nil {
		return err
	}
	switch {
	case before == nil || before.DeleteTime != nil:
		return record(ctx, tx, id, "organization.add", id, nil)
	case before.Name != now.Name || before.Slug != now.Slug:
		return record(ctx, tx, id, "organization.update", id, changed("name", before.Name != now.Name, "slug", before.Slug != now.Slug))
	}
	return nil
}

// endOrganization ends every membership and invitation with the organization: Clerk does
// not say whether it sends an event for each.
func (d *Directory) endOrganization(ctx context.Context, tx *tenancy.Tx, ticket int64, id string, before *organization) error {
	gone := organization{Ticket: ticket}
	if before != nil {
		gone.Slug, gone.Name, gone.CreateTime, gone.DeleteTime = before.Slug, before.Name, before.CreateTime, before.DeleteTime
	}
	first := gone.DeleteTime == nil
	if err := deleteOrganization(ctx, tx, id, gone); err != nil {
		return err
	}
	members, err := removeMembers(ctx, tx, id, ticket)
	if err != nil {
		return err
	}
	invitations, err := removeInvitations(ctx, tx, id, ticket)
	if err != nil {
		return err
	}
	if err := d.observer.OnOrganizationEnded(ctx, tx, id); err != nil {
		return err
	}
	if !first && members+invitations == 0 {
		return nil
	}
	return record(ctx, tx, id, "organization.delete", id, map[string]any{"members": members, "invitations": invitations})
}

// keepMember also takes the person's lock, so that it waits for news of the person's end
// or that news for it. A caller that keeps several in one transaction does so in the order of
// their ids. Addresses are the person's, where they were asked for.
func (d *Directory) keepMember(ctx context.Context, tx *tenancy.Tx, ticket int64, org, user string, found *clerk.Membership, addresses []string) error {
	if err := lock(ctx, tx, user); err != nil {
		return err
	}
	before, err := selectMember(ctx, tx, org, user)
	if err != nil {
		return err
	}
	if before != nil && before.Ticket >= ticket {
		// What is newer may have been written before something else of the person was.
		if before.RemoveTime != nil {
			return nil
		}
		return d.memberWritten(ctx, tx, org, user, false, false)
	}
	ended, err := endedSince(ctx, tx, ticket, org, user)
	if err != nil {
		return err
	}
	if found == nil || ended {
		return d.endMember(ctx, tx, ticket, org, user, before)
	}
	now := member{
		MembershipID: found.ID, Role: found.Role, Name: found.Name, Email: address(found.Identifier),
		Licensed: found.Licensed, CreateTime: known(found.CreateTime), Ticket: ticket,
	}
	if err := upsertMember(ctx, tx, org, user, now); err != nil {
		return err
	}
	if len(addresses) > 0 {
		if err := claimInvitations(ctx, tx, org, user, addresses); err != nil {
			return err
		}
	}
	back := before == nil || before.RemoveTime != nil
	if err := d.memberWritten(ctx, tx, org, user, back || before.Licensed != now.Licensed, back); err != nil {
		return err
	}
	switch {
	case before == nil || before.RemoveTime != nil:
		return record(ctx, tx, org, "member.add", user, map[string]any{"role": audit.Change{After: now.Role}})
	case tenancy.RoleKey(before.Role) != now.Role:
		return record(ctx, tx, org, "member.role", user, map[string]any{"role": audit.Change{Before: before.Role, After: now.Role}})
	case before.Licensed != now.Licensed:
		return record(ctx, tx, org, "member.licensed", user, map[string]any{"licensed": audit.Change{Before: before.Licensed, After: now.Licensed}})
	case before.Name != now.Name || before.Email != now.Email:
		return record(ctx, tx, org, "member.update", user, changed("name", before.Name != now.Name, "email", before.Email != now.Email))
	}
	return nil
}

func (d *Directory) endMember(ctx context.Context, tx *tenancy.Tx, ticket int64, org, user string, before *member) error {
	gone := member{Ticket: ticket}
	if before != nil {
		gone.MembershipID, gone.Role = before.MembershipID, before.Role
	}
	if err := removeMember(ctx, tx, org, user, gone); err != nil {
		return err
	}
	if err := d.observer.OnMemberEnded(ctx, tx, org, user); err != nil {
		return err
	}
	if before == nil || before.RemoveTime != nil {
		return nil
	}
	return record(ctx, tx, org, "member.remove", user, map[string]any{"role": audit.Change{Before: before.Role}})
}

// endedSince tells whether the organization or the person has ended by a newer ticket
// than this one: then what was fetched is of before.
func endedSince(ctx context.Context, tx *tenancy.Tx, ticket int64, org, user string) (bool, error) {
	o, err := selectOrganization(ctx, tx, org)
	if err != nil || o != nil && o.DeleteTime != nil && o.Ticket >= ticket {
		return err == nil, err
	}
	gone, err := selectGone(ctx, tx, user)
	return gone >= ticket, err
}

// keepUser writes a person into their own workspace, and where they are gone that they
// are, for fetches that are under way.
func keepUser(ctx context.Context, tx *tenancy.Tx, ticket int64, id string, found *clerk.User) error {
	before, err := selectUser(ctx, tx, id)
	if err != nil || before != nil && before.Ticket >= ticket {
		return err
	}
	if found != nil {
		now := user{Name: found.Name, Email: found.Email, Barred: barredFor(*found), CreateTime: known(found.CreateTime), Ticket: ticket}
		if err := upsertUser(ctx, tx, id, now); err != nil {
			return err
		}
		if err := setBarred(ctx, tx, id, before, now.Barred); err != nil {
			return err
		}
		switch {
		case before == nil || before.DeleteTime != nil:
			return record(ctx, tx, id, "user.add", id, nil)
		case before.Name != now.Name || before.Email != now.Email:
			return record(ctx, tx, id, "user.update", id, changed("name", before.Name != now.Name, "email", before.Email != now.Email))
		}
		return nil
	}
	if err := insertGone(ctx, tx, id, ticket); err != nil {
		return err
	}
	if err := setBarred(ctx, tx, id, before, ""); err != nil {
		return err
	}
	if err := deleteUser(ctx, tx, id, ticket); err != nil {
		return err
	}
	if before != nil && before.DeleteTime != nil {
		return nil
	}
	return record(ctx, tx, id, "user.delete", id, nil)
}

// setBarred writes why the person cannot sign in, where that is something else than before.
func setBarred(ctx context.Context, tx *tenancy.Tx, id string, before *user, why string) error {
	was := ""
	if before != nil {
		was = before.Barred
	}
	if was == why {
		return nil
	}
	if why == "" {
		if err := deleteBarred(ctx, tx, id); err != nil {
			return err
		}
	} else if err := upsertBarred(ctx, tx, id, why); err != nil {
		return err
	}
	return record(ctx, tx, id, "user.barred", id, map[string]any{"why": audit.Change{Before: was, After: why}})
}

func (d *Directory) keepInvitation(ctx context.Context, tx *tenancy.Tx, ticket int64, org, id string, found *clerk.Invitation) error {
	before, err := selectInvitation(ctx, tx, org, id)
	if err != nil {
		return err
	}
	if before != nil && before.Ticket >= ticket {
		return d.keepAccepter(ctx, tx, org, id, before, found)
	}
	o, err := selectOrganization(ctx, tx, org)
	if err != nil {
		return err
	}
	now := invitation{Status: statusGone, CreateTime: time.Unix(0, 0), Ticket: ticket}
	if found != nil && (o == nil || o.DeleteTime == nil || o.Ticket < ticket) {
		now = invitation{
			Email: found.Email, Role: found.Role, HoldSeat: found.HoldSeat, Status: found.Status,
			CreateTime: found.CreateTime, ExpireTime: known(found.ExpireTime), UserID: found.User, Ticket: ticket,
		}
	}
	if err := upsertInvitation(ctx, tx, org, id, now); err != nil {
		return err
	}
	if err := d.observer.OnInvitationChanged(ctx, tx, org, id); err != nil {
		return err
	}
	if before != nil && before.Status == now.Status || before == nil && now.Status == statusGone {
		return nil
	}
	old := ""
	if before != nil {
		old = before.Status
	}
	return record(ctx, tx, org, "invitation."+now.Status, id, map[string]any{"status": audit.Change{Before: old, After: now.Status}})
}

// keepAccepter writes whose an invitation is that was written with a newer ticket, where that
// did not know: only the event of the acceptance names the person.
func (d *Directory) keepAccepter(ctx context.Context, tx *tenancy.Tx, org, id string, before *invitation, found *clerk.Invitation) error {
	if found == nil || found.User == "" || before.UserID != "" || before.Status != clerk.InvitationAccepted {
		return nil
	}
	if err := setInvitationUser(ctx, tx, org, id, found.User); err != nil {
		return err
	}
	return d.observer.OnInvitationChanged(ctx, tx, org, id)
}

// statusGone is an invitation that Clerk does not know any more.
const statusGone = "gone"

// changed are details that say of texts that they have changed, and not to what.
func changed(first string, one bool, second string, other bool) map[string]any {
	all := map[string]any{}
	if one {
		all[first] = "changed"
	}
	if other {
		all[second] = "changed"
	}
	return all
}

// record keeps in the audit log what has changed in Clerk.
func record(ctx context.Context, tx *tenancy.Tx, tenant, what, target string, details map[string]any) error {
	return audit.Record(ctx, tx, system(tenant), audit.Line{Method: "directory." + what, Target: target, Details: details})
}

// address is the identifier where it is an e-mail address; it may be a telephone number
// or a username.
func address(identifier string) string {
	if strings.Contains(identifier, "@") {
		return identifier
	}
	return ""
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
