package directory

import (
	"context"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Whose an invitation is: Clerk says who accepted one in the event of it alone, and the
// address of a member need not be the one that was invited.

// findAccepter sets whose the invitation is where it was accepted with a seat kept for it, and
// the event did not say: the person who has its address.
func (d *Directory) findAccepter(ctx context.Context, i *clerk.Invitation) error {
	if i.Status != clerk.InvitationAccepted {
		i.User = ""
		return nil
	}
	if i.User != "" || !i.HoldSeat || i.Email == "" {
		return nil
	}
	found, err := here(d.clerk.UserAt(ctx, i.Email))
	if err != nil || found == nil {
		return err
	}
	i.User = found.ID
	return nil
}

// newcomersAddresses returns all verified addresses of somebody who becomes a member of an
// organization in which a seat is kept for an invitation of nobody knows whose. In any other
// case it asks nobody and returns none.
func (d *Directory) newcomersAddresses(ctx context.Context, org, user string) ([]string, error) {
	var wanted bool
	err := d.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
		wanted, err = selectNewcomer(ctx, tx, org, user)
		return err
	})
	if err != nil || !wanted {
		return nil, err
	}
	person, err := here(d.clerk.User(ctx, user))
	if err != nil || person == nil {
		return nil, err
	}
	return person.Verified, nil
}

// barredFor returns why somebody who is known to Clerk cannot sign in for good, or "". A person
// who is locked can again when the lock ends, after an hour by default; and anybody can lock a
// stranger by wrong passwords.
func barredFor(u clerk.User) string {
	switch {
	case u.Banned:
		return "banned"
	case u.Deprovisioned:
		return "deprovisioned"
	}
	return ""
}

// tellPlaces has every place of a person looked at again, after something of the person was
// written that is not of the membership.
func (d *Directory) tellPlaces(ctx context.Context, user string) error {
	if !d.observed {
		return nil
	}
	places, err := d.places(ctx, user)
	if err != nil {
		return err
	}
	for _, org := range places {
		err := d.in(ctx, org, nil, func(tx *tenancy.Tx) error { return d.memberWritten(ctx, tx, org, user, false, false) })
		if err != nil {
			return err
		}
	}
	return nil
}
