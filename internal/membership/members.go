package membership

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const membersList = "members" // what a page token of this list is bound to

// member is a member as they are listed.
type member struct {
	UserID    string
	Name      string
	NameKey   string // the name as it is sorted by
	Email     string
	Role      string
	Licensed  bool // with a seat that works
	Suspended bool // with a seat that does not work
}

// filter narrows the list of members; the zero filter lets everybody through.
type filter struct {
	role  string
	query string // name or address begin with it
}

// binding stands for the filter in a page token.
func (f filter) binding() []byte {
	return append(tenancy.AppendText(nil, f.role), tenancy.SearchKey(f.query)...)
}

// List returns the members of the actor's organization, by name, and the token of the
// next page, or "". A page of a search may be short or empty although there is a next one.
//
// Faults: fault.DirectoryNotConfigured, tenancy.PageTokenInvalid.
func (m *Membership) List(ctx context.Context, actor tenancy.Actor, f filter, p tenancy.Page) ([]member, string, error) {
	if err := m.configured(); err != nil {
		return nil, "", err
	}
	after, err := tenancy.OpenAt(m.db, actor, membersList, f.binding(), p, tenancy.Place{}, tenancy.PlaceOf)
	if err != nil {
		return nil, "", err
	}
	size := p.Rows()
	var found []listedMember
	err = m.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		found, err = selectMembers(ctx, tx, actor, f, after, size+1, m.ledger)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	page, last := tenancy.CutPage(found, size)
	members := make([]member, len(page))
	for i := range page {
		members[i] = page[i].member
	}
	if last == nil {
		return members, "", nil
	}
	return members, m.db.SealPage(actor, membersList, f.binding(), tenancy.Place{Key: last.NameKey, ID: last.UserID}.Bytes()), nil
}
