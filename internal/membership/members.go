package membership

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/tenancy"
)

const membersList = "members" // what a page token of this list is bound to

// member is a member as they are listed.
type member struct {
	UserID   string
	Name     string
	NameKey  string // the name as it is sorted by
	Email    string
	Role     string
	Licensed bool
}

// filter narrows the list of members; the zero filter lets everybody through.
type filter struct {
	role  string
	query string // name or address begin with it
}

// binding stands for the filter in a page token.
func (f filter) binding() []byte {
	return appendText(appendText(nil, f.role), directory.Key(f.query))
}

// span is the range of the keys that begin with what is searched for: from first, to the
// one before behind.
type span struct{ first, behind string }

// spanOf is the span of the query. No character of it has a special meaning, and an
// index in the order of bytes can be read from one end of the span to the other.
func spanOf(query string) span {
	first := directory.Key(query)
	runes := []rune(first)
	for i, last := range slices.Backward(runes) {
		next := last + 1
		if next == surrogatesFirst {
			next = surrogatesLast + 1
		}
		if next <= utf8.MaxRune {
			return span{first, string(runes[:i]) + string(next)}
		}
	}
	// Made of the last character of all alone: nothing lies behind but more of it.
	return span{first, first + strings.Repeat(string(utf8.MaxRune), 256)}
}

// What stands between the two is no character, and cannot be stored.
const (
	surrogatesFirst = 0xD800
	surrogatesLast  = 0xDFFF
)

// place is a member's in the list: behind it the next page begins. The zero place lies
// before everybody.
type place struct{ nameKey, user string }

func (p place) bytes() []byte { return append(appendText(nil, p.nameKey), p.user...) }

func placeOf(position []byte) (place, bool) {
	nameKey, user, ok := cutText(position)
	return place{nameKey, user}, ok && user != ""
}

// List answers the members of the actor's organization, by name, and the token of the
// next page, or "".
//
// Faults: fault.DirectoryNotConfigured, tenancy.PageTokenInvalid.
func (m *Membership) List(ctx context.Context, actor tenancy.Actor, f filter, p page) ([]member, string, error) {
	if err := m.configured(); err != nil {
		return nil, "", err
	}
	after, err := open(m.db, actor, membersList, f.binding(), p.token, place{}, placeOf)
	if err != nil {
		return nil, "", err
	}
	size := p.rows()
	var found []member
	err = m.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		found, err = selectMembers(ctx, tx, actor, f, after, size+1)
		return err
	})
	if err != nil || len(found) <= size {
		return found, "", err
	}
	last := found[size-1]
	return found[:size], m.db.SealPage(actor, membersList, f.binding(), place{last.NameKey, last.UserID}.bytes()), nil
}

// appendText appends the text with its length before it.
func appendText(to []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(text))), text...)
}

// cutText takes apart what appendText and then append made.
func cutText(from []byte) (text, rest string, ok bool) {
	const head = 4 // bytes of the length
	if len(from) < head {
		return "", "", false
	}
	n := uint64(binary.BigEndian.Uint32(from))
	from = from[head:]
	if n > uint64(len(from)) {
		return "", "", false
	}
	return string(from[:n]), string(from[n:]), true
}
