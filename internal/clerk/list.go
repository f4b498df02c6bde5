package clerk

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/teamtask/teamtask/internal/outbound"
)

const (
	pageMax     = 500 // rows, Clerk's own limit
	pageMin     = 16  // rows; a page this small with too large a body is given up
	setbacksMax = 10  // of one list
)

// oldestFirst is the order in which new rows come last and move nobody.
const oldestFirst = "+created_at"

// page is a part of a list as Clerk sends it. Both fields are always there.
type page[W any] struct {
	Data  *[]W   `json:"data"`
	Total *int64 `json:"total_count"`
}

// part is a page that has been read.
type part[T any] struct {
	rows  []T
	total int
}

// list reads a list page by page, as long as the caller goes on. Clerk's pages are
// counted off from the start of the list (limit and offset), so rows that go while it
// is read would pull later ones into pages already read. Each page therefore begins
// with the last row of the one before; where it does not, rows have gone, and the list
// takes up again further ahead. A row that is there all the while is given exactly
// once, provided that Clerk keeps to one order; one that comes or goes meanwhile may or
// may not be given. After an error nothing follows, and what came before is not the
// whole list.
func list[W, T any](ctx context.Context, c *Client, q request, id func(T) string, read func(W) (T, bool)) iter.Seq2[T, error] {
	return pages(q.name, id, func(limit, offset int) (part[T], error) {
		return ask(ctx, c, q.at(limit, offset), readPage(read))
	})
}

// bareList is list where Clerk sends an array and does not say how many there are: a
// page that is not full is the last.
func bareList[W, T any](ctx context.Context, c *Client, q request, id func(T) string, read func(W) (T, bool)) iter.Seq2[T, error] {
	return pages(q.name, id, func(limit, offset int) (part[T], error) {
		return ask(ctx, c, q.at(limit, offset), func(rows []W) (part[T], bool) {
			total := int64(offset + len(rows))
			if len(rows) >= limit {
				total++
			}
			return readPage(read)(page[W]{Data: &rows, Total: &total})
		})
	})
}

func pages[T any](name string, id func(T) string, turn func(limit, offset int) (part[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		seen := make(map[string]struct{})
		limit, offset, setbacks := pageMax, 0, 0
		for {
			got, err := turn(limit, offset)
			if e, ok := errors.AsType[*Error](err); ok && e.TooLarge && limit > pageMin {
				limit /= 2
				continue
			}
			if err != nil {
				yield(none, err)
				return
			}
			if offset > 0 && !begins(got.rows, seen, id) {
				offset = max(0, offset-limit)
				setbacks++
			} else {
				for _, row := range got.rows {
					if _, known := seen[id(row)]; known {
						continue
					}
					seen[id(row)] = struct{}{}
					if !yield(row, nil) {
						return
					}
				}
				read := offset + len(got.rows)
				switch {
				case read >= got.total && len(seen) >= got.total:
					return
				case read < got.total && len(got.rows) > 1:
					offset = read - 1
				default: // fewer rows than there are said to be
					offset = 0
					setbacks++
				}
			}
			if setbacks > setbacksMax {
				yield(none, outbound.AsFault(&Error{Provider: provider, Kind: Unavailable, Method: name, Status: http.StatusOK, Words: "the list changes too fast, or is shorter than its count"}))
				return
			}
		}
	}
}

// begins tells whether the rows begin where rows already seen end.
func begins[T any](rows []T, seen map[string]struct{}, id func(T) string) bool {
	if len(rows) == 0 {
		return false
	}
	_, known := seen[id(rows[0])]
	return known
}

// at is the request for one page.
func (q request) at(limit, offset int) request {
	paged := url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}}
	maps.Copy(paged, q.query)
	q.query = paged
	return q
}

// readPage reads all rows of a page or refuses it: a row left out would look like one
// that is gone.
func readPage[W, T any](read func(W) (T, bool)) func(page[W]) (part[T], bool) {
	return func(p page[W]) (part[T], bool) {
		if p.Data == nil || p.Total == nil || *p.Total < 0 {
			return part[T]{}, false
		}
		got := part[T]{rows: make([]T, 0, len(*p.Data)), total: int(*p.Total)}
		for _, wire := range *p.Data {
			row, ok := read(wire)
			if !ok {
				return part[T]{}, false
			}
			got.rows = append(got.rows, row)
		}
		return got, true
	}
}

// failed is a list that cannot be asked for.
func failed[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}
