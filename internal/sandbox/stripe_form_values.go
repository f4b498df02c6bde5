package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// str is a text, or nil where it was not given.
func (f *form) str(name string) *string {
	if !f.has(name) {
		return nil
	}
	kid := f.kids[name]
	kid.read = true
	if kid.text == nil {
		f.fail(invalidRequest(kid.name, "parameter_invalid_string_empty", "Invalid string: %s", kid.name))
		return nil
	}
	return kid.text
}

// textOr is a text, or another where it was not given.
func (f *form) textOr(name, absent string) string {
	if given := f.str(name); given != nil {
		return *given
	}
	return absent
}

// must is a text that has to be given.
func (f *form) must(name string) string {
	given := f.str(name)
	switch {
	case given == nil:
		f.missing(name)
		return ""
	case *given == "":
		f.empty(name)
	}
	return *given
}

// missing says that a parameter has to be given.
func (f *form) missing(name string) {
	if f == nil {
		return
	}
	f.fail(&stripeRefusal{
		status: http.StatusBadRequest, kind: kindInvalid, code: "parameter_missing", param: f.within(name),
		words: fmt.Sprintf("Missing required param: %s.", f.within(name)),
	})
}

func (f *form) empty(name string) {
	f.fail(invalidRequest(f.within(name), "parameter_invalid_empty",
		"You passed an empty string for '%[1]s'. We assume empty values are an attempt to unset a parameter; however '%[1]s' cannot be unset. "+
			"You should remove '%[1]s' from your request or supply a non-empty value.", f.within(name)))
}

// one is a text out of a few.
func (f *form) one(name, absent string, of ...string) string {
	given := f.textOr(name, absent)
	if f.has(name) && !slices.Contains(of, given) {
		f.fail(invalidRequest(f.within(name), "", "Invalid %s: must be one of %s", f.within(name), strings.Join(of, ", ")))
	}
	return given
}

// number is a whole number, or nil where it was not given.
func (f *form) number(name string, least, most int64) *int64 {
	given := f.str(name)
	if given == nil {
		return nil
	}
	n, err := strconv.ParseInt(*given, 10, 64)
	whole := f.within(name)
	switch {
	case *given == "":
		f.empty(name)
	case err != nil:
		f.fail(invalidRequest(whole, "parameter_invalid_integer", "Invalid integer: %s", *given))
	case n < least:
		f.fail(invalidRequest(whole, "parameter_invalid_integer", "This value must be greater than or equal to %d.", least))
	case n > most:
		f.fail(invalidRequest(whole, "parameter_invalid_integer", "This value must be less than or equal to %d.", most))
	}
	return &n
}

// flag is true or false, or nil where it was not given.
func (f *form) flag(name string) *bool {
	given := f.str(name)
	if given == nil {
		return nil
	}
	on := *given == "true"
	if !on && *given != "false" {
		f.fail(invalidRequest(f.within(name), "", "Invalid boolean: %s", *given))
	}
	return &on
}

// child is a branch, or nil where it was not given.
func (f *form) child(name string) *form {
	if !f.has(name) {
		return nil
	}
	kid := f.kids[name]
	if kid.text != nil {
		kid.read = true
		if *kid.text != "" {
			f.fail(invalidRequest(kid.name, "", "Invalid object"))
		}
		return nil
	}
	return kid
}

// list is the branches of a list, in their order.
func (f *form) list(name string) []*form {
	branch := f.child(name)
	if branch == nil {
		return nil
	}
	var all []*form
	for _, key := range branch.order {
		if _, err := strconv.Atoi(key); err != nil {
			f.fail(invalidRequest(branch.name, "", "Invalid array"))
			return nil
		}
		all = append(all, branch.kids[key])
	}
	return all
}

// texts is a list of texts.
func (f *form) texts(name string) []string {
	all := []string{}
	for _, one := range f.list(name) {
		one.read = true
		if one.text == nil {
			f.fail(invalidRequest(one.name, "", "Invalid string"))
			continue
		}
		all = append(all, *one.text)
	}
	return all
}

// metadata is what was, changed by what was given: an empty value takes its key away, an empty text all of them.
func (f *form) metadata(was map[string]string) map[string]string {
	now := map[string]string{}
	maps.Copy(now, was)
	if !f.has("metadata") {
		return now
	}
	branch := f.child("metadata")
	if branch == nil {
		return map[string]string{}
	}
	for key, kid := range branch.kids {
		kid.read = true
		switch {
		case kid.text == nil:
			f.fail(invalidRequest(kid.name, "", "Metadata values must be strings"))
		case len(key) > 40 || len(*kid.text) > 500:
			f.fail(invalidRequest(kid.name, "", "Metadata keys have up to 40 characters, values up to 500."))
		case *kid.text == "":
			delete(now, key)
		default:
			now[key] = *kid.text
		}
	}
	if len(now) > keysMax {
		f.fail(invalidRequest("metadata", "", "Metadata can have up to %d keys.", keysMax))
	}
	return now
}

// address is an absolute http or https address, or nil where it was not given.
func (f *form) address(name string) *string {
	given := f.str(name)
	if given == nil {
		return nil
	}
	u, err := url.Parse(strings.ReplaceAll(*given, sessionIDTemplate, "id"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		f.fail(invalidRequest(f.within(name), "url_invalid", "Not a valid URL"))
	}
	return given
}
