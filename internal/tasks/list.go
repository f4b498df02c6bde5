package tasks

import (
	"context"

	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	listName = "tasks" // what a page token of this list is bound to

	// pageBytesMax bounds the texts of a page, in bytes: a response is in memory for as
	// long as its reader takes, and JSON may write a byte as six.
	pageBytesMax = 256 << 10
)

// lastPossible lies behind every id: the newest tasks come first.
var lastPossible = uuid.Max

// filter narrows a list; the zero filter lets everything through.
type filter struct {
	done      *bool
	createdBy string
}

// binding stands for the filter in a page token.
func (f filter) binding() []byte {
	state := byte('*')
	if f.done != nil {
		state = '0'
		if *f.done {
			state = '1'
		}
	}
	return append([]byte{state}, f.createdBy...)
}

// List returns tasks, newest first, and the token of the next page, or "". A page is
// shorter than asked for where its texts are long.
//
// Faults: tenancy.PageTokenInvalid.
func (s *Tasks) List(ctx context.Context, actor tenancy.Actor, f filter, p tenancy.Page) ([]task, string, error) {
	before, err := tenancy.OpenAt(s.db, actor, listName, f.binding(), p, lastPossible, idOf)
	if err != nil {
		return nil, "", err
	}
	size := p.Rows()
	var found []task
	err = s.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		found, err = selectTasks(ctx, tx, actor, f, before, size+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	shown := fitting(found, size)
	if shown == len(found) {
		return found, "", nil
	}
	found = found[:shown]
	last := found[shown-1].ID.Bytes
	return found, s.db.SealPage(actor, listName, f.binding(), last[:]), nil
}

// untilFull returns a function that reports whether there is room on the page behind one
// more task, so that what no page will show is not kept in memory.
func untilFull() func(*task) bool {
	rows, bytes := 0, 0
	return func(t *task) bool {
		rows++
		bytes += t.size()
		return rows == 1 || bytes <= pageBytesMax
	}
}

// size is what the task counts on a page, in bytes.
func (t *task) size() int { return len(t.Name) + len(t.Description) }

// fitting is how many of the tasks make a page: size, or fewer where their texts are
// long, but one at least.
func fitting(found []task, size int) int {
	bytes := 0
	for i := range found {
		bytes += found[i].size()
		if i == size || (i > 0 && bytes > pageBytesMax) {
			return i
		}
	}
	return len(found)
}

// idOf reads the id with which a page has ended.
func idOf(position []byte) (uuid.UUID, bool) {
	id, err := uuid.FromBytes(position)
	return id, err == nil
}
