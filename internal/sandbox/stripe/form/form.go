// Package form reads the parameters of a request to Stripe's API: names with brackets make a tree, and parameters that are
// never read are refused.
package form

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

const (
	formDepthMax = 10
	keysMax      = 50 // of metadata
)

// Form is the parameters of a request to Stripe, or of one branch of them: names with [key], [0] or [] behind them make a tree.
// Its readers record the first error, which Done returns. A parameter that was never read is unknown. A nil form is a branch
// that was not given.
type Form struct {
	name   string // whole, as a[b][c]
	text   *string
	kids   map[string]*Form
	order  []string // of kids
	read   bool
	reason *error // shared by the whole tree
}

// Read reads the query and the body of a request.
func Read(r *http.Request) (*Form, string, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, kit.BodyMax+1))
	if err != nil || len(raw) > kit.BodyMax {
		return nil, "", object.InvalidRequest("", "", "The body is too long or did not arrive.")
	}
	kind := r.Header.Get("Content-Type")
	if kind, _, _ = strings.Cut(kind, ";"); len(raw) > 0 && strings.TrimSpace(kind) != "application/x-www-form-urlencoded" {
		return nil, "", object.InvalidRequest("", "", "Invalid request (check that your POST content type is application/x-www-form-urlencoded).")
	}
	root := &Form{kids: map[string]*Form{}, reason: new(error)}
	for _, part := range []string{r.URL.RawQuery, string(raw)} {
		for pair := range strings.SplitSeq(part, "&") {
			if pair == "" {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			n, err := url.QueryUnescape(name)
			v, err2 := url.QueryUnescape(value)
			if err != nil || err2 != nil {
				return nil, "", object.InvalidRequest("", "", "Invalid request: the parameters are malformed.")
			}
			if err := root.put(n, v); err != nil {
				return nil, "", err
			}
		}
	}
	return root, root.canonical(), nil
}

// put adds one parameter to the tree.
func (f *Form) put(name, value string) error {
	first, rest, _ := strings.Cut(name, "[")
	keys := []string{first}
	if rest != "" {
		if !strings.HasSuffix(rest, "]") {
			return Unknown(name)
		}
		keys = append(keys, strings.Split(strings.TrimSuffix(rest, "]"), "][")...)
	}
	if len(keys) > formDepthMax {
		return Unknown(name)
	}
	at := f
	for _, key := range keys {
		if at.text != nil {
			return object.InvalidRequest(at.name, "", "Invalid parameter: %s is both a value and an object.", at.name)
		}
		if key == "" {
			key = strconv.Itoa(len(at.kids))
		}
		next, ok := at.kids[key]
		if !ok {
			whole := key
			if at.name != "" {
				whole = at.name + "[" + key + "]"
			}
			next = &Form{name: whole, kids: map[string]*Form{}, reason: f.reason}
			at.kids[key] = next
			at.order = append(at.order, key)
		}
		at = next
	}
	if len(at.kids) > 0 {
		return object.InvalidRequest(at.name, "", "Invalid parameter: %s is both a value and an object.", at.name)
	}
	at.text = &value
	return nil
}

// canonical returns the same text for the same parameters in any order.
func (f *Form) canonical() string {
	if f.text != nil {
		return f.name + "=" + url.QueryEscape(*f.text) + "&"
	}
	var all strings.Builder
	for _, key := range slices.Sorted(maps.Keys(f.kids)) {
		all.WriteString(f.kids[key].canonical())
	}
	return all.String()
}

// Done returns the first error, or one about a parameter that was never read.
func (f *Form) Done() error {
	if *f.reason == nil {
		if unread := f.unread(); unread != "" {
			*f.reason = Unknown(unread)
		}
	}
	return *f.reason
}

func (f *Form) unread() string {
	if f.read {
		return ""
	}
	if f.text != nil {
		return f.name
	}
	for _, key := range f.order {
		if name := f.kids[key].unread(); name != "" {
			return name
		}
	}
	return ""
}

// Fail records an error, unless there is an earlier one.
func (f *Form) Fail(err error) {
	if *f.reason == nil {
		*f.reason = err
	}
}

// Path returns the whole name of a parameter of this branch.
func (f *Form) Path(name string) string {
	if f.name == "" {
		return name
	}
	return f.name + "[" + name + "]"
}

// Has reports whether a parameter was given.
func (f *Form) Has(name string) bool { return f != nil && f.kids[name] != nil }

// Ignore takes parameters that are Stripe's and change nothing here.
func (f *Form) Ignore(names ...string) {
	if f == nil {
		return
	}
	for _, name := range names {
		if kid := f.kids[name]; kid != nil {
			kid.read = true
		}
	}
}

// Unknown returns a refusal about a parameter that the request does not have.
func Unknown(name string) error {
	return object.InvalidRequest(name, "parameter_unknown", "Received unknown parameter: %s", name)
}
