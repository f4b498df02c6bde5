// Package membership is the MembershipService: who belongs to an organization, who is
// invited and which roles there are. It reads the directory's copy of what Clerk holds.
package membership

import (
	"context"
	"time"

	"github.com/teamtask/teamtask/internal/cached"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Options are what New needs to know.
type Options struct {
	DB *tenancy.DB // opened with Statements
	// Roles asks Clerk for all roles, as clerk.Client does; nil: there is no directory,
	// and everything but Current answers fault.DirectoryNotConfigured.
	Roles func(context.Context) ([]clerk.Role, error)
	// AdminRoles hold every permission.
	AdminRoles []string
	// Holds is what the role really holds that was given those permissions.
	Holds func(role string, given tenancy.Permissions) tenancy.Permissions
	// Ledger says that there is a ledger of seats. Without it Clerk's metadata say who holds
	// one: as the token has them for the caller, as the directory has them for others.
	Ledger bool
	Now    func() time.Time // nil: time.Now
}

// Membership is the membership of all organizations, each call in the scope of its
// actor. It is safe to share.
type Membership struct {
	db         *tenancy.DB
	roles      *cached.Value[roleList] // nil: there is no directory
	adminRoles []string
	ledger     bool
	holds      func(role string, given tenancy.Permissions) tenancy.Permissions
}

// New makes the membership.
func New(o Options) *Membership {
	m := &Membership{db: o.DB, adminRoles: o.AdminRoles, ledger: o.Ledger, holds: o.Holds}
	if o.Roles != nil {
		m.roles = cachedRoles(o.Roles, o.Now)
	}
	return m
}

// configured returns fault.DirectoryNotConfigured where there is no directory: its copy would
// be empty, or of some other time.
func (m *Membership) configured() error {
	if m.roles == nil {
		return fault.DirectoryNotConfigured
	}
	return nil
}

// profile is what the directory knows of a person and of where they are.
type profile struct {
	Name             string
	Email            string
	OrganizationSlug string
	OrganizationName string
	Seated           bool // holds a seat that works
	Suspended        bool // holds a seat that does not work
}

// Current returns what the directory knows of the actor: nothing, where it does not know
// the person or the organization yet. Without an organization in it, the actor's own
// workspace is meant.
func (m *Membership) Current(ctx context.Context, actor tenancy.Actor) (profile, error) {
	var found profile
	err := m.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		if actor.Personal() {
			found, err = selectPerson(ctx, tx, actor)
			return err
		}
		found, err = selectCurrent(ctx, tx, actor)
		return err
	})
	if !m.ledger {
		found.Seated, found.Suspended = actor.Licensed, false
	}
	if found.OrganizationSlug == "" {
		found.OrganizationSlug = actor.Organization.Slug
	}
	return found, err
}
