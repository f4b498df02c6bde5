package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const listName = "audit" // what a page token of this list is bound to

// idOf reads the id with which a page has ended.
func idOf(position []byte) (uuid.UUID, bool) {
	id, err := uuid.FromBytes(position)
	return id, err == nil
}

// filter narrows a list; the zero filter lets everything through.
type filter struct {
	actor   string
	method  string
	outcome string
	since   *time.Time // inclusive
	until   *time.Time // exclusive
}

// binding stands for the filter in a page token. Each part is preceded by its length.
func (f filter) binding() []byte {
	var all []byte
	parts := []string{f.actor, f.method, f.outcome}
	for _, at := range []*time.Time{f.since, f.until} {
		text := ""
		if at != nil {
			text = at.UTC().Format(time.RFC3339Nano)
		}
		parts = append(parts, text)
	}
	for _, part := range parts {
		all = binary.BigEndian.AppendUint32(all, uint32(len(part)))
		all = append(all, part...)
	}
	return all
}

// lowest is the first id that the period can have.
func (f filter) lowest() uuid.UUID {
	if f.since == nil {
		return uuid.Nil
	}
	return firstOf(f.since.UnixMilli())
}

// highest lies behind every id that the period can have.
func (f filter) highest() uuid.UUID {
	if f.until == nil {
		return uuid.Max
	}
	return firstOf(f.until.UnixMilli() + 1)
}

// firstOf lies before every id of that millisecond and behind those of the one before.
func firstOf(milli int64) (id uuid.UUID) {
	var whole [8]byte
	binary.BigEndian.PutUint64(whole[:], uint64(max(milli, 0)))
	copy(id[:6], whole[2:])
	return id
}

// list returns events, newest first, and the token of the next page, or "". A page may be
// short or empty although there is a next one.
func (l *Log) list(ctx context.Context, actor tenancy.Actor, f filter, p tenancy.Page) ([]event, string, error) {
	before, err := tenancy.OpenAt(l.db, actor, listName, f.binding(), p, uuid.Max, idOf)
	if err != nil {
		return nil, "", err
	}
	if highest := f.highest(); bytes.Compare(highest[:], before[:]) < 0 {
		before = highest
	}
	size := p.Rows()
	var found []listedEvent
	err = l.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		found, err = selectEvents(ctx, tx, actor, f, before, size+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	page, last := tenancy.CutPage(found, size)
	events := make([]event, len(page))
	for i := range page {
		events[i] = page[i].event
	}
	if last == nil {
		return events, "", nil
	}
	return events, l.db.SealPage(actor, listName, f.binding(), last.ID.Bytes[:]), nil
}
