package clerk

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

const (
	limitDefault = 10
	limitMax     = 500
)

// page is the requested part of a list.
type page struct{ limit, offset int }

// readList reads the query of a list: limit, offset and the parameters named, no others.
func readList(r *http.Request, known ...string) (url.Values, page, error) {
	q, err := readQuery(r, append(known, "limit", "offset")...)
	if err != nil {
		return nil, page{}, err
	}
	p := page{limit: limitDefault}
	if p.limit, err = readNumber(q, "limit", p.limit, 1, limitMax); err != nil {
		return nil, page{}, err
	}
	if p.offset, err = readNumber(q, "offset", 0, 0, 1<<31-1); err != nil {
		return nil, page{}, err
	}
	return q, p, nil
}

func readQuery(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &directory.Refusal{
			Status: http.StatusBadRequest, Code: "malformed_request_parameters", Short: "Malformed request parameters",
			Message: "The request parameters are malformed and could not be parsed.",
		}
	}
	for name := range q {
		if !slices.Contains(known, name) {
			return nil, unknownParam(name)
		}
	}
	return q, nil
}

func unknownParam(name string) error {
	return directory.BadParam(name, "form_param_unknown", "is unknown", "%s is not a valid parameter for this request.", name)
}

func readNumber(q url.Values, name string, absent, least, most int) (int, error) {
	if !q.Has(name) {
		return absent, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil {
		return 0, directory.BadParam(name, "form_param_type_invalid", "is invalid", "`%s` must be a `number`.", name)
	}
	if n < least || n > most {
		return 0, directory.BadValue(name, q.Get(name))
	}
	return n, nil
}

func readFlag(q url.Values, name string) (bool, error) {
	if !q.Has(name) {
		return false, nil
	}
	on, err := strconv.ParseBool(q.Get(name))
	if err != nil {
		return false, directory.BadParam(name, "form_param_type_invalid", "is invalid", "`%s` must be a `boolean`.", name)
	}
	return on, nil
}

// listJSON returns the response of most lists: the page, and the number of all entries.
func listJSON[T, J any](all []T, p page, shape func(T) J) any {
	return map[string]any{"data": slicePage(all, p, shape), "total_count": len(all)}
}

func slicePage[T, J any](all []T, p page, shape func(T) J) []J {
	from := min(p.offset, len(all))
	to := min(from+p.limit, len(all))
	data := make([]J, 0, to-from)
	for _, one := range all[from:to] {
		data = append(data, shape(one))
	}
	return data
}

// sortBy sorts by the parameter order_by: a name in by, with + or - before it or none, which is +. A + that was not escaped
// arrives as a space.
func sortBy[T any](list []T, q url.Values, absent string, by map[string]func(a, b T) int) error {
	asked := cmp.Or(q.Get("order_by"), absent)
	compare, ok := by[strings.TrimLeft(asked, "+- ")]
	if !ok {
		return directory.BadValue("order_by", asked)
	}
	slices.SortStableFunc(list, func(a, b T) int {
		if strings.HasPrefix(asked, "-") {
			return compare(b, a)
		}
		return compare(a, b)
	})
	return nil
}

// passes reports whether something passes a filter by ids: it must be none of those with - before them, and one of the others if
// there are any, with + before them or nothing.
func passes(filter []string, is func(id string) bool) bool {
	wanted, listed := false, false
	for _, f := range filter {
		if id, out := strings.CutPrefix(f, "-"); out {
			if is(id) {
				return false
			}
			continue
		}
		listed = true
		wanted = wanted || is(strings.TrimLeft(f, "+ "))
	}
	return wanted || !listed
}

func isID(id string) func(string) bool { return func(other string) bool { return other == id } }

// contains reports whether one of the texts holds the query, case aside. An empty query is in every text.
func contains(query string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(query)) })
}

// readBody reads a JSON object into the struct at into, and refuses fields that it does not have. No body at all and null are
// an empty object.
func readBody(r *http.Request, into any) error {
	raw, err := io.ReadAll(io.LimitReader(r.Body, kit.BodyMax+1))
	if err != nil || len(raw) > kit.BodyMax {
		return badBody()
	}
	if len(strings.TrimSpace(string(raw))) == 0 {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &directory.Refusal{
			Status: http.StatusUnsupportedMediaType, Code: "unsupported_content_type", Short: "Content-Type is unsupported",
			Message: "This Content-Type is unsupported. You should use application/json instead.",
		}
	}
	return decode(raw, into)
}

// decode decodes JSON as readBody does.
func decode(raw []byte, into any) error {
	err := kit.DecodeJSON(raw, into)
	bad, ok := errors.AsType[*kit.BodyError](err)
	switch {
	case err == nil:
		return nil
	case !ok || bad.Field == "":
		return badBody()
	case bad.Want == "":
		return unknownParam(bad.Field)
	}
	return directory.BadParam(bad.Field, "form_param_type_invalid", "is invalid", "%s", bad.Error())
}

func badBody() error {
	return &directory.Refusal{
		Status: http.StatusBadRequest, Code: "request_body_invalid", Short: "Request body invalid",
		Message: "The request body is invalid. Please consult the API documentation for more information.",
	}
}
