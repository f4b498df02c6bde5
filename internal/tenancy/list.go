package tenancy

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	pageDefault = 50
	pageMax     = 200
)

// Page asks for a part of a list: how many rows (0: the default of 50), behind which
// token ("": from the beginning).
type Page struct {
	Size  int
	Token string
}

// Rows is how many rows the page has at most.
func (p Page) Rows() int {
	if p.Size == 0 {
		return pageDefault
	}
	return min(p.Size, pageMax)
}

// OpenAt answers the position that the page's token was sealed with, as read reads it;
// without a token first, which lies before all. Faults: PageTokenInvalid.
func OpenAt[P any](db *DB, actor Actor, list string, binding []byte, p Page, first P, read func([]byte) (P, bool)) (P, error) {
	if p.Token == "" {
		return first, nil
	}
	position, err := db.OpenPage(actor, list, binding, p.Token)
	if err != nil {
		return first, err
	}
	at, ok := read(position)
	if !ok {
		return first, PageTokenInvalid.Because(errors.New("holds no position"))
	}
	return at, nil
}

// Place is a row's in a list that is sorted by a text and then by id: behind it the next
// page begins. The zero Place lies before all.
type Place struct{ Key, ID string }

// Bytes is the place as a position to seal.
func (p Place) Bytes() []byte { return append(AppendText(nil, p.Key), p.ID...) }

// PlaceOf reads what Bytes made.
func PlaceOf(position []byte) (Place, bool) {
	key, id, ok := cutText(position)
	return Place{key, id}, ok && id != ""
}

// before reports whether the place lies before the other one.
func (p Place) before(other Place) bool {
	return cmp.Or(strings.Compare(p.Key, other.Key), strings.Compare(p.ID, other.ID)) < 0
}

// AppendText appends the text with its length before it, so that nothing else begins
// with the same bytes.
func AppendText(to []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(text))), text...)
}

// cutText takes apart what AppendText and then append made.
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

// SearchKey is a name or an address as it is sorted and searched by: without case.
func SearchKey(text string) string { return strings.ToLower(norm.NFC.String(text)) }

// Span is the range of the keys that begin with what is searched for: from First, to the
// one before Behind.
type Span struct{ First, Behind string }

// SpanOf is the span of the query. No character of it has a special meaning, and an
// index in the order of bytes can be read from one end of the span to the other.
func SpanOf(query string) Span {
	first := SearchKey(query)
	runes := []rune(first)
	for i, last := range slices.Backward(runes) {
		next := last + 1
		if next == surrogatesFirst {
			next = surrogatesLast + 1
		}
		if next <= utf8.MaxRune {
			return Span{first, string(runes[:i]) + string(next)}
		}
	}
	// Made of the last character of all alone: nothing lies behind but more of it.
	return Span{first, first + strings.Repeat(string(utf8.MaxRune), 256)}
}

// What stands between the two is no character, and cannot be stored.
const (
	surrogatesFirst = 0xD800
	surrogatesLast  = 0xDFFF
)
