package stripe

import (
	"iter"

	sdk "github.com/stripe/stripe-go/v76"
)

// row is what every list has.
type row interface{ key() string }

// page is a part of a list. Next is where the part behind it begins, or "".
type page[T any] struct {
	rows []T
	next string
}

// readPage reads all rows of a page or refuses it: a row left out would look like one
// that is gone, and so would all of an answer that is no list.
func readPage[W any, T row](rows []*W, meta sdk.ListMeta, read func(*W) (T, bool)) (page[T], bool) {
	var p page[T]
	if rows == nil {
		return p, false
	}
	for _, wire := range rows {
		if wire == nil {
			return page[T]{}, false
		}
		got, ok := read(wire)
		if !ok {
			return page[T]{}, false
		}
		p.rows = append(p.rows, got)
	}
	if meta.HasMore {
		if len(rows) == 0 {
			return page[T]{}, false
		}
		p.next = p.rows[len(p.rows)-1].key()
	}
	return p, true
}

// listed are the parameters of a page.
func listed(after string) sdk.ListParams {
	p := sdk.ListParams{Limit: sdk.Int64(pageMax)}
	if after != "" {
		p.StartingAfter = &after
	}
	return p
}

// pages gives the rows of a list page by page. After an error nothing follows.
func pages[T row](name string, turn func(after string) (page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		after := ""
		for range pagesMax {
			got, err := turn(after)
			if err != nil {
				yield(none, err)
				return
			}
			for _, row := range got.rows {
				if !yield(row, nil) {
					return
				}
			}
			if got.next == "" {
				return
			}
			if got.next == after {
				break
			}
			after = got.next
		}
		yield(none, Inconsistent(name, "the list does not end"))
	}
}

// rest returns the rows of a page and of all behind it.
func rest[T row](from page[T], name string, turn func(after string) (page[T], error)) ([]T, error) {
	rows := from.rows
	if from.next == "" {
		return rows, nil
	}
	for r, err := range pages(name, func(after string) (page[T], error) {
		if after == "" {
			after = from.next
		}
		return turn(after)
	}) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}
