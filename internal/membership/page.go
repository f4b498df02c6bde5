package membership

import (
	"errors"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	pageDefault = 50
	pageMax     = 200
)

// page asks for a part of a list: how many rows (0: the default), behind which token.
type page struct {
	size  int
	token string
}

// rows is how many rows the page has at most.
func (p page) rows() int {
	if p.size == 0 {
		return pageDefault
	}
	return min(p.size, pageMax)
}

// open answers the position that the token was sealed with, as read reads it; without a
// token that before all. Faults: tenancy.PageTokenInvalid.
func open[P any](db *tenancy.DB, actor tenancy.Actor, list string, binding []byte, token string, first P, read func([]byte) (P, bool)) (P, error) {
	if token == "" {
		return first, nil
	}
	position, err := db.OpenPage(actor, list, binding, token)
	if err != nil {
		return first, err
	}
	p, ok := read(position)
	if !ok {
		return first, tenancy.PageTokenInvalid.Because(errors.New("holds no position"))
	}
	return p, nil
}
