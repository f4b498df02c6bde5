package token

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

const (
	defaultTTL = 60 * time.Second
	ttlMax     = 24 * time.Hour // either way
)

// The messages about a version or a ttl that cannot be had.
const (
	versionWords = "The version is 1 or 2."
	ttlWords     = "The ttl is whole seconds from -86400 to 86400."
)

// Request says for whom a session token is.
type Request struct {
	// User is a name such as "alice" or an id such as "user_alice".
	User string
	// Org is a slug or an id; the token is for this active organization. Empty: the personal workspace.
	Org string
	// Version is that of the claims, 1 or 2. Zero: 2.
	Version int
	// Category is the header cat, the class of the token. Empty: that of a session token; "none": the header has no cat.
	Category string
	// TTL is how long from now the token stays valid, in whole seconds, at most a day, which is more than a server should
	// accept. Zero: 60 s. Below zero: a token of 60 s that expired so long ago, at most a day.
	TTL time.Duration
}

// noCategory is the category of a token whose header has no cat.
const noCategory = "none"

// Header returns the header of the token, as Key.Sign takes it.
func (r Request) Header() map[string]any {
	switch r.Category {
	case "":
		return nil
	case noCategory:
		return map[string]any{"cat": nil}
	}
	return map[string]any{"cat": r.Category}
}

// WithDefaults returns the request with the version and the TTL that it leaves out.
func (r Request) WithDefaults() Request {
	if r.Version == 0 {
		r.Version = 2
	}
	if r.TTL == 0 {
		r.TTL = defaultTTL
	}
	return r
}

// Check refuses a version and a TTL that cannot be had.
func (r Request) Check() error {
	if r.Version != 1 && r.Version != 2 {
		return kit.Refuse(http.StatusBadRequest, versionWords)
	}
	if r.TTL%time.Second != 0 || r.TTL < -ttlMax || r.TTL > ttlMax {
		return kit.Refuse(http.StatusBadRequest, ttlWords)
	}
	return nil
}

// ReadRequest reads a query in which each parameter may stand once and no other may stand. v is 2 and ttl is 60 when
// absent; here a ttl of 0 is no default but a token at the end of its life.
func ReadRequest(query string) (Request, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return Request{}, kit.Refuse(http.StatusBadRequest, "The query is malformed.")
	}
	r := Request{Version: 2, TTL: defaultTTL}
	for name, given := range values {
		if len(given) > 1 {
			return Request{}, kit.Refuse(http.StatusBadRequest, "The parameter %q is given more than once.", name)
		}
		switch value := given[0]; name {
		case "user":
			r.User = value
		case "org":
			r.Org = value
		case "cat":
			r.Category = value
		case "v":
			if value != "1" && value != "2" {
				return Request{}, kit.Refuse(http.StatusBadRequest, versionWords)
			}
			r.Version, _ = strconv.Atoi(value)
		case "ttl":
			seconds, err := strconv.ParseInt(value, 10, 32) // 32 bits, so that nanoseconds cannot overflow
			if err != nil {
				return Request{}, kit.Refuse(http.StatusBadRequest, ttlWords)
			}
			r.TTL = time.Duration(seconds) * time.Second
		default:
			return Request{}, kit.Refuse(http.StatusBadRequest, "There is no parameter %q: use user, org, v, ttl and cat.", name)
		}
	}
	return r, nil
}
