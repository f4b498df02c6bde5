package tenancy

// Look is embedded in the rows of a list whose filter no index leads to. The statement
// looks at a bounded number of rows, returns those that match and, where it has come to its
// bound, the last one that it looked at.
type Look struct {
	Matches bool // the row is part of the list
	Stopped bool // the statement looked no further than this row
}

// Looked returns how far the statement looked, for CutPage.
func (l Look) Looked() Look { return l }

// CutPage returns the page that the rows make, which a statement found in the order of the
// list and of which there may be one more than size: the rows that match, size at most, and
// the row behind which the next page begins, or nil where there is no more. A page on which
// the statement stopped is short, and may be empty.
func CutPage[T interface{ Looked() Look }](found []T, size int) (page []T, last *T) {
	page = found[:0:0]
	for i := range found {
		look := found[i].Looked()
		if look.Matches {
			if len(page) == size {
				return page, &page[size-1]
			}
			page = append(page, found[i])
		}
		if look.Stopped {
			return page, &found[i]
		}
	}
	return page, nil
}

// Search is where a search of members, who are listed by name, looks next: those whose name
// begins with the query are together in the list, and those whose address does are before
// them and behind them.
type Search struct {
	Span
	Initial string // the first character of the query
	Named   Place  // behind it are those whose name begins with the query
	Others  Place  // behind it are those whose name comes after the query
}

// SearchOf returns where to look for the query, which is not empty, on the page that begins
// behind after.
func SearchOf(query string, after Place) Search {
	s := Search{Span: SpanOf(query), Named: after, Others: after}
	for _, initial := range s.First {
		s.Initial = string(initial)
		break
	}
	if first := (Place{Key: s.First}); s.Named.before(first) {
		s.Named = first
	}
	if behind := (Place{Key: s.Behind}); s.Others.before(behind) {
		s.Others = behind
	}
	return s
}
