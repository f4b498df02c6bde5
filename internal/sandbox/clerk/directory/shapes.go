package directory

import (
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

// The shapes below are Clerk's at API version 2025-04-10, in responses and in the data of its events.

// UserJSON is the shape of a person.
type UserJSON struct {
	Object           string         `json:"object"`
	ID               string         `json:"id"`
	Username         *string        `json:"username"`
	FirstName        *string        `json:"first_name"`
	LastName         *string        `json:"last_name"`
	ImageURL         string         `json:"image_url"`
	HasImage         bool           `json:"has_image"`
	PrimaryEmail     *string        `json:"primary_email_address_id"`
	PrimaryPhone     *string        `json:"primary_phone_number_id"`
	PrimaryWallet    *string        `json:"primary_web3_wallet_id"`
	PasswordEnabled  bool           `json:"password_enabled"`
	TwoFactor        bool           `json:"two_factor_enabled"`
	TOTP             bool           `json:"totp_enabled"`
	BackupCode       bool           `json:"backup_code_enabled"`
	EmailAddresses   []emailJSON    `json:"email_addresses"`
	PhoneNumbers     []struct{}     `json:"phone_numbers"`
	Web3Wallets      []struct{}     `json:"web3_wallets"`
	ExternalAccounts []struct{}     `json:"external_accounts"`
	SAMLAccounts     []struct{}     `json:"saml_accounts"`
	PublicMetadata   map[string]any `json:"public_metadata"`
	PrivateMetadata  map[string]any `json:"private_metadata"` // null in events
	UnsafeMetadata   map[string]any `json:"unsafe_metadata"`
	ExternalID       *string        `json:"external_id"`
	LastSignInAt     *int64         `json:"last_sign_in_at"`
	Banned           bool           `json:"banned"`
	Locked           bool           `json:"locked"`
	Deprovisioned    bool           `json:"deprovisioned"`
	LockoutExpires   *int64         `json:"lockout_expires_in_seconds"`
	AttemptsLeft     *int64         `json:"verification_attempts_remaining"`
	DeleteSelf       bool           `json:"delete_self_enabled"`
	CreateOrgs       bool           `json:"create_organization_enabled"`
	LastActiveAt     *int64         `json:"last_active_at"`
	LegalAcceptedAt  *int64         `json:"legal_accepted_at"`
	CreatedAt        int64          `json:"created_at"`
	UpdatedAt        int64          `json:"updated_at"`
}

type emailJSON struct {
	ID           string           `json:"id"`
	Object       string           `json:"object"`
	EmailAddress string           `json:"email_address"`
	Reserved     bool             `json:"reserved"`
	Verification verificationJSON `json:"verification"`
	LinkedTo     []struct{}       `json:"linked_to"`
}

type verificationJSON struct {
	Status   string `json:"status"`
	Strategy string `json:"strategy"`
	Attempts *int64 `json:"attempts"`
	ExpireAt *int64 `json:"expire_at"`
}

// JSON returns the shape of a person.
func (p Person) JSON() UserJSON {
	j := UserJSON{
		Object: "user", ID: p.ID, FirstName: kit.OrNull(p.FirstName), LastName: kit.OrNull(p.LastName),
		PrimaryEmail: &p.Addresses[0].ID, EmailAddresses: []emailJSON{},
		PhoneNumbers: []struct{}{}, Web3Wallets: []struct{}{}, ExternalAccounts: []struct{}{}, SAMLAccounts: []struct{}{},
		PublicMetadata: p.PublicMetadata, PrivateMetadata: p.PrivateMetadata, UnsafeMetadata: map[string]any{},
		Banned: p.Banned, Locked: p.Locked, Deprovisioned: p.Deprovisioned,
		DeleteSelf: true, CreateOrgs: true, CreatedAt: p.Created, UpdatedAt: p.Updated,
	}
	if p.Locked {
		lockout := int64(time.Hour.Seconds())
		j.LockoutExpires = &lockout
	}
	for _, a := range p.Addresses {
		j.EmailAddresses = append(j.EmailAddresses, emailJSON{
			ID: a.ID, Object: "email_address", EmailAddress: a.Email, LinkedTo: []struct{}{},
			Verification: verificationJSON{Status: "verified", Strategy: "email_code"},
		})
	}
	return j
}

// OrganizationJSON is the shape of an organization.
type OrganizationJSON struct {
	Object             string         `json:"object"`
	ID                 string         `json:"id"`
	Name               string         `json:"name"`
	Slug               string         `json:"slug"`
	ImageURL           string         `json:"image_url"`
	HasImage           bool           `json:"has_image"`
	MembersCount       *int           `json:"members_count,omitempty"`
	PendingInvitations *int           `json:"pending_invitations_count,omitempty"`
	MaxMemberships     int64          `json:"max_allowed_memberships"`
	AdminDelete        bool           `json:"admin_delete_enabled"`
	PublicMetadata     map[string]any `json:"public_metadata"`
	PrivateMetadata    map[string]any `json:"private_metadata"`
	CreatedBy          string         `json:"created_by,omitempty"`
	CreatedAt          int64          `json:"created_at"`
	UpdatedAt          int64          `json:"updated_at"`
}

// JSON returns the shape of an organization, without its counts.
func (o *Organization) JSON() OrganizationJSON {
	return OrganizationJSON{
		Object: "organization", ID: o.ID, Name: o.Name, Slug: o.Slug, MaxMemberships: o.MaxMembers, AdminDelete: o.AdminDelete,
		PublicMetadata: o.PublicMetadata, PrivateMetadata: o.PrivateMetadata, CreatedBy: o.creator, CreatedAt: o.created, UpdatedAt: o.updated,
	}
}

// MembershipJSON is the shape of a membership.
type MembershipJSON struct {
	Object          string           `json:"object"`
	ID              string           `json:"id"`
	PublicMetadata  map[string]any   `json:"public_metadata"`
	PrivateMetadata map[string]any   `json:"private_metadata"`
	Role            string           `json:"role"`
	RoleName        string           `json:"role_name"`
	Permissions     []string         `json:"permissions"`
	CreatedAt       int64            `json:"created_at"`
	UpdatedAt       int64            `json:"updated_at"`
	Organization    OrganizationJSON `json:"organization"`
	PublicUserData  publicUserJSON   `json:"public_user_data"`
}

type publicUserJSON struct {
	UserID     string  `json:"user_id"`
	FirstName  *string `json:"first_name"`
	LastName   *string `json:"last_name"`
	ImageURL   string  `json:"image_url"`
	HasImage   bool    `json:"has_image"`
	Identifier string  `json:"identifier"`
}

// JSON returns the shape of a membership.
func (m Membership) JSON(o *Organization, p Person) MembershipJSON {
	named, _ := RoleNamed(m.Role)
	return MembershipJSON{
		Object: "organization_membership", ID: m.ID, PublicMetadata: m.PublicMetadata, PrivateMetadata: m.PrivateMetadata,
		Role: m.Role, RoleName: named.Name, Permissions: named.permissions(o.Plain), CreatedAt: m.created, UpdatedAt: m.updated,
		Organization: o.JSON(),
		PublicUserData: publicUserJSON{
			UserID: p.ID, FirstName: kit.OrNull(p.FirstName), LastName: kit.OrNull(p.LastName), Identifier: p.Email(),
		},
	}
}

// InvitationJSON is the shape of an invitation.
type InvitationJSON struct {
	Object          string         `json:"object"`
	ID              string         `json:"id"`
	EmailAddress    string         `json:"email_address"`
	Role            string         `json:"role"`
	RoleName        string         `json:"role_name"`
	OrganizationID  string         `json:"organization_id"`
	InviterID       *string        `json:"inviter_id"`
	Status          string         `json:"status"`
	URL             *string        `json:"url"`
	PublicMetadata  map[string]any `json:"public_metadata"`
	PrivateMetadata map[string]any `json:"private_metadata"`
	ExpiresAt       int64          `json:"expires_at"`
	CreatedAt       int64          `json:"created_at"`
	UpdatedAt       int64          `json:"updated_at"`
	UserID          string         `json:"user_id,omitempty"` // in the event of its acceptance alone
}

// JSON returns the shape of an invitation at a time.
func (i Invitation) JSON(baseURL string, now int64) InvitationJSON {
	named, _ := RoleNamed(i.Role)
	j := InvitationJSON{
		Object: "organization_invitation", ID: i.id, EmailAddress: i.Email, Role: i.Role, RoleName: named.Name,
		OrganizationID: i.Organization, InviterID: kit.OrNull(i.Inviter), Status: i.StatusAt(now),
		PublicMetadata: i.PublicMetadata, PrivateMetadata: i.PrivateMetadata, ExpiresAt: i.expires, CreatedAt: i.Created, UpdatedAt: i.updated,
	}
	if j.Status == Pending {
		j.URL = kit.OrNull(baseURL + "/sandbox/invitations/" + i.id + "/accept")
	}
	return j
}

// deletedJSON is what is left of a deleted object, in responses and events.
type deletedJSON struct {
	Object  string `json:"object"`
	ID      string `json:"id"`
	Slug    string `json:"slug,omitempty"`
	Deleted bool   `json:"deleted"`
}
