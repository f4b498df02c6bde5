package form

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// Text returns a text, or nil where it was not given.
func (f *Form) Text(name string) *string {
	if !f.Has(name) {
		return nil
	}
	kid := f.kids[name]
	kid.read = true
	if kid.text == nil {
		f.Fail(object.InvalidRequest(kid.name, "parameter_invalid_string_empty", "Invalid string: %s", kid.name))
		return nil
	}
	return kid.text
}

// TextOr returns a text, or absent where it was not given.
func (f *Form) TextOr(name, absent string) string {
	if given := f.Text(name); given != nil {
		return *given
	}
	return absent
}

// Required returns a text that must be given.
func (f *Form) Required(name string) string {
	given := f.Text(name)
	switch {
	case given == nil:
		f.Missing(name)
		return ""
	case *given == "":
		f.Empty(name)
	}
	return *given
}

// Missing refuses the request because a parameter is missing.
func (f *Form) Missing(name string) {
	if f == nil {
		return
	}
	f.Fail(&object.Refusal{
		Status: http.StatusBadRequest, Type: object.TypeInvalidRequest, Code: "parameter_missing", Param: f.Path(name),
		Message: fmt.Sprintf("Missing required param: %s.", f.Path(name)),
	})
}

// Empty refuses the request because a parameter is empty.
func (f *Form) Empty(name string) {
	f.Fail(object.InvalidRequest(f.Path(name), "parameter_invalid_empty",
		"You passed an empty string for '%[1]s'. We assume empty values are an attempt to unset a parameter; however '%[1]s' cannot be unset. "+
			"You should remove '%[1]s' from your request or supply a non-empty value.", f.Path(name)))
}

// OneOf returns a text that must be one of a few, or absent where it was not given.
func (f *Form) OneOf(name, absent string, of ...string) string {
	given := f.TextOr(name, absent)
	if f.Has(name) && !slices.Contains(of, given) {
		f.Fail(object.InvalidRequest(f.Path(name), "", "Invalid %s: must be one of %s", f.Path(name), strings.Join(of, ", ")))
	}
	return given
}

// Number returns a whole number from least to most, or nil where it was not given.
func (f *Form) Number(name string, least, most int64) *int64 {
	given := f.Text(name)
	if given == nil {
		return nil
	}
	n, err := strconv.ParseInt(*given, 10, 64)
	whole := f.Path(name)
	switch {
	case *given == "":
		f.Empty(name)
	case err != nil:
		f.Fail(object.InvalidRequest(whole, "parameter_invalid_integer", "Invalid integer: %s", *given))
	case n < least:
		f.Fail(object.InvalidRequest(whole, "parameter_invalid_integer", "This value must be greater than or equal to %d.", least))
	case n > most:
		f.Fail(object.InvalidRequest(whole, "parameter_invalid_integer", "This value must be less than or equal to %d.", most))
	}
	return &n
}

// Bool returns true or false, or nil where it was not given.
func (f *Form) Bool(name string) *bool {
	given := f.Text(name)
	if given == nil {
		return nil
	}
	on := *given == "true"
	if !on && *given != "false" {
		f.Fail(object.InvalidRequest(f.Path(name), "", "Invalid boolean: %s", *given))
	}
	return &on
}

// IsText reports whether a parameter was given as a text.
func (f *Form) IsText(name string) bool { return f.Has(name) && f.kids[name].text != nil }

// Keys returns the names of the parameters of this branch, in their order.
func (f *Form) Keys() []string { return f.order }

// Child returns a branch, or nil where it was not given.
func (f *Form) Child(name string) *Form {
	if !f.Has(name) {
		return nil
	}
	kid := f.kids[name]
	if kid.text != nil {
		kid.read = true
		if *kid.text != "" {
			f.Fail(object.InvalidRequest(kid.name, "", "Invalid object"))
		}
		return nil
	}
	return kid
}

// List returns the branches of a list, in their order.
func (f *Form) List(name string) []*Form {
	branch := f.Child(name)
	if branch == nil {
		return nil
	}
	var all []*Form
	for _, key := range branch.order {
		if _, err := strconv.Atoi(key); err != nil {
			f.Fail(object.InvalidRequest(branch.name, "", "Invalid array"))
			return nil
		}
		all = append(all, branch.kids[key])
	}
	return all
}

// Texts returns a list of texts.
func (f *Form) Texts(name string) []string {
	all := []string{}
	for _, one := range f.List(name) {
		one.read = true
		if one.text == nil {
			f.Fail(object.InvalidRequest(one.name, "", "Invalid string"))
			continue
		}
		all = append(all, *one.text)
	}
	return all
}

// Metadata returns was with the given keys merged into it: an empty value removes its key, an empty text all keys.
func (f *Form) Metadata(was map[string]string) map[string]string {
	now := map[string]string{}
	maps.Copy(now, was)
	if !f.Has("metadata") {
		return now
	}
	branch := f.Child("metadata")
	if branch == nil {
		return map[string]string{}
	}
	for key, kid := range branch.kids {
		kid.read = true
		switch {
		case kid.text == nil:
			f.Fail(object.InvalidRequest(kid.name, "", "Metadata values must be strings"))
		case len(key) > 40 || len(*kid.text) > 500:
			f.Fail(object.InvalidRequest(kid.name, "", "Metadata keys have up to 40 characters, values up to 500."))
		case *kid.text == "":
			delete(now, key)
		default:
			now[key] = *kid.text
		}
	}
	if len(now) > keysMax {
		f.Fail(object.InvalidRequest("metadata", "", "Metadata can have up to %d keys.", keysMax))
	}
	return now
}

// URL returns an absolute http or https address, or nil where it was not given.
func (f *Form) URL(name string) *string {
	given := f.Text(name)
	if given == nil {
		return nil
	}
	u, err := url.Parse(strings.ReplaceAll(*given, object.SessionIDTemplate, "id"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		f.Fail(object.InvalidRequest(f.Path(name), "url_invalid", "Not a valid URL"))
	}
	return given
}
