package licensing

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const seatsList = "seats" // what a page token of this list is bound to

// Filter narrows the list of seats; the zero Filter lists every member.
type Filter struct {
	Licensed *bool  // has a seat on record, suspended ones included; nil: both
	Query    string // name or address begin with it
}

// binding stands for the filter in a page token.
func (f Filter) binding() []byte {
	state := "*"
	if f.Licensed != nil {
		state = "0"
		if *f.Licensed {
			state = "1"
		}
	}
	return append([]byte(state), tenancy.SearchKey(f.Query)...)
}

// List returns the members of the actor's organization, with a seat or without one, by
// name, and the token of the next page, or "". A page of a search may be short or empty
// although there is a next one.
//
// Faults: fault.BillingNotConfigured, fault.DirectoryNotConfigured,
// tenancy.PageTokenInvalid.
func (l *Licensing) List(ctx context.Context, actor tenancy.Actor, f Filter, p tenancy.Page) ([]Seat, string, error) {
	if err := l.configured(); err != nil {
		return nil, "", err
	}
	after, err := tenancy.OpenAt(l.db, actor, seatsList, f.binding(), p, tenancy.Place{}, tenancy.PlaceOf)
	if err != nil {
		return nil, "", err
	}
	size := p.Rows()
	var found []listedSeat
	err = l.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		found, err = selectSeats(ctx, tx, actor, f, after, size+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	page, last := tenancy.CutPage(found, size)
	seats := make([]Seat, len(page))
	for i := range page {
		seats[i] = page[i].Seat
	}
	if last == nil {
		return seats, "", nil
	}
	return seats, l.db.SealPage(actor, seatsList, f.binding(), tenancy.Place{Key: last.NameKey, ID: last.UserID}.Bytes()), nil
}
