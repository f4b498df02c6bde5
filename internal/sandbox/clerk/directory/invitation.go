package directory

import (
	"net/http"
	"net/mail"
	"slices"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

const (
	// InvitationDays is how long an invitation stands unless it says otherwise.
	InvitationDays    = 30
	invitationDaysMax = 365
)

// Invite makes an invitation that stands for a number of days.
func (d *Directory) Invite(o *Organization, i Invitation, days int) (Invitation, error) {
	now := d.Millis()
	var err error
	if i.Email, err = ReadEmail(i.Email); err != nil {
		return Invitation{}, err
	}
	if _, ok := RoleNamed(i.Role); !ok {
		return Invitation{}, roleNotFound()
	}
	if days < 1 || days > invitationDaysMax {
		return Invitation{}, BadParam("expires_in_days", "form_param_value_invalid", "is invalid", "expires_in_days must be from 1 to %d.", invitationDaysMax)
	}
	if p, ok := d.PersonAt(i.Email); ok {
		if _, ok := o.Members[p.ID]; ok {
			return Invitation{}, alreadyMember(p.ID)
		}
	}
	if d.PendingFor(o.ID, i.Email, now) > 0 {
		return Invitation{}, &Refusal{
			Status: http.StatusBadRequest, Code: "duplicate_record", Short: "duplicate invitation",
			Message: "There are already pending invitations for the following email addresses: " + i.Email,
			Meta:    map[string]any{"email_addresses": []string{i.Email}},
		}
	}
	if err := d.CheckQuota(o); err != nil {
		return Invitation{}, err
	}
	i.id, i.Organization, i.status, i.Order = kit.FreshID("orginv_"), o.ID, Pending, d.NextOrder()
	i.Created, i.updated, i.expires = now, now, now+int64(days)*kit.Day.Milliseconds()
	d.Invitations[i.id] = i
	d.emit("organizationInvitation.created", i.JSON(d.baseURL, now))
	return i, nil
}

// Revoke takes a pending invitation back.
func (d *Directory) Revoke(i Invitation) (Invitation, error) {
	now := d.Millis()
	if i.StatusAt(now) != Pending {
		return Invitation{}, &Refusal{
			Status: http.StatusNotFound, Code: "organization_invitation_not_pending", Short: "not pending",
			Message: "The organization invitation is not in the 'pending' status.",
		}
	}
	i.status, i.updated = Revoked, now
	d.Invitations[i.id] = i
	d.emit("organizationInvitation.revoked", i.JSON(d.baseURL, now))
	return i, nil
}

// Accept makes a person a member by an invitation, whose metadata goes to the membership. Someone who had other addresses
// has the invited one too from then on.
func (d *Directory) Accept(i Invitation, p Person) (Membership, error) {
	if err := d.CheckAcceptable(i); err != nil {
		return Membership{}, err
	}
	now := d.Millis()
	o := d.Organizations[i.Organization]
	if _, ok := o.Members[p.ID]; ok {
		return Membership{}, alreadyMember(p.ID)
	}
	if other, ok := d.PersonAt(i.Email); ok && other.ID != p.ID {
		return Membership{}, kit.Refuse(http.StatusBadRequest, "The invitation is for %s, which is the address of %s.", i.Email, other.ID)
	}
	if !p.Has(i.Email) {
		p.Addresses = append(slices.Clone(p.Addresses), Address{ID: kit.FreshID("idn_"), Email: i.Email})
		p = d.ChangePerson(p)
	}
	i.status, i.updated = Accepted, now
	d.Invitations[i.id] = i
	shape := i.JSON(d.baseURL, now)
	shape.UserID = p.ID
	d.emit("organizationInvitation.accepted", shape)
	return d.join(o, p, Membership{Role: i.Role, PublicMetadata: i.PublicMetadata, PrivateMetadata: i.PrivateMetadata}), nil
}

// CheckAcceptable refuses an invitation that is not pending any more.
func (d *Directory) CheckAcceptable(i Invitation) error {
	if status := i.StatusAt(d.Millis()); status != Pending {
		return kit.Refuse(http.StatusBadRequest, "The invitation %s is %s.", i.id, status)
	}
	return nil
}

// The states of an invitation. It is never stored as expired: that is a pending one that is past its time.
const (
	Pending  = "pending"
	Accepted = "accepted"
	Revoked  = "revoked"
	Expired  = "expired"
)

// Invitation is an invitation to an organization by email.
type Invitation struct {
	id, Organization, Email, Role, Inviter string // inviter is a user id, or empty
	status                                 string
	PublicMetadata, PrivateMetadata        map[string]any
	Created, updated, expires              int64
	Order                                  int
}

// StatusAt returns the state at a time.
func (i Invitation) StatusAt(now int64) string {
	if i.status == Pending && now >= i.expires {
		return Expired
	}
	return i.status
}

// PendingFor counts the invitations of an organization that can still be accepted, all of them or those for one address.
func (d *Directory) PendingFor(org, email string, now int64) int {
	n := 0
	for _, i := range d.Invitations {
		if i.Organization == org && i.StatusAt(now) == Pending && (email == "" || i.Email == email) {
			n++
		}
	}
	return n
}

// ReadEmail returns an email address without a name, in lower case.
func ReadEmail(given string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(given))
	if parsed, err := mail.ParseAddress(email); err != nil || parsed.Address != email {
		return "", BadParam("email_address", "form_param_format_invalid", "is invalid", "email_address must be a valid email address.")
	}
	return email, nil
}
