package membership

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const invitationsList = "invitations" // what a page token of this list is bound to

// invitation is an invitation as it is listed.
type invitation struct {
	ID         string
	Email      string
	Role       string
	HoldSeat   bool
	Status     string // Clerk's; "expired" also where Clerk has not said so yet
	CreateTime time.Time
	ExpireTime *time.Time // nil: not known
}

// moment is an invitation's in the list: behind it, with what is older, the next page
// begins.
type moment struct {
	at time.Time
	id string
}

// latest lies before all: the newest invitations come first.
var latest = moment{at: time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)}

func (m moment) bytes() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(m.at.UnixMicro())), m.id...)
}

func momentOf(position []byte) (moment, bool) {
	const head = 8 // bytes of the time
	if len(position) <= head {
		return moment{}, false
	}
	return moment{time.UnixMicro(int64(binary.BigEndian.Uint64(position))), string(position[head:])}, true
}

// Invitations returns the invitations of the actor's organization, newest first, and the
// token of the next page, or "".
//
// Faults: fault.DirectoryNotConfigured, tenancy.PageTokenInvalid.
func (m *Membership) Invitations(ctx context.Context, actor tenancy.Actor, p tenancy.Page) ([]invitation, string, error) {
	if err := m.configured(); err != nil {
		return nil, "", err
	}
	before, err := tenancy.OpenAt(m.db, actor, invitationsList, nil, p, latest, momentOf)
	if err != nil {
		return nil, "", err
	}
	size := p.Rows()
	var found []invitation
	err = m.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		found, err = selectInvitations(ctx, tx, actor, before, size+1)
		return err
	})
	if err != nil || len(found) <= size {
		return found, "", err
	}
	last := found[size-1]
	return found[:size], m.db.SealPage(actor, invitationsList, nil, moment{last.CreateTime, last.ID}.bytes()), nil
}
