package directory

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// Observer is called with what is written, in the transaction that writes it: what must
// never be behind. Its error ends the transaction.
type Observer interface {
	// Lock is called before anything of an organization is written.
	Lock(ctx context.Context, tx *tenancy.Tx, org string) error
	// OnMemberChanged is called with a member after they were written, where the
	// organization has bought something. It reports whether who holds a seat has changed.
	OnMemberChanged(ctx context.Context, tx *tenancy.Tx, org, user string) (changed bool, err error)
	// OnMemberEnded is called with a user who is not a member any more.
	OnMemberEnded(ctx context.Context, tx *tenancy.Tx, org, user string) error
	// OnInvitationChanged is called with an invitation after it was written.
	OnInvitationChanged(ctx context.Context, tx *tenancy.Tx, org, id string) error
	// OnOrganizationEnded is called with an organization that was deleted. It is not called
	// with its members.
	OnOrganizationEnded(ctx context.Context, tx *tenancy.Tx, org string) error
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Lock(context.Context, *tenancy.Tx, string) error { return nil }
func (nobody) OnMemberChanged(context.Context, *tenancy.Tx, string, string) (bool, error) {
	return false, nil
}
func (nobody) OnMemberEnded(context.Context, *tenancy.Tx, string, string) error       { return nil }
func (nobody) OnInvitationChanged(context.Context, *tenancy.Tx, string, string) error { return nil }
func (nobody) OnOrganizationEnded(context.Context, *tenancy.Tx, string) error         { return nil }
