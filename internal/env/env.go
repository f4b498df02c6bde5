// Package env reads and validates environment variables. It reports all problems at once,
// and never a value.
package env

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Reader reads variables and collects their problems, so that all of them are reported at
// once. A problem names the variable and never its value.
type Reader struct {
	lookup   func(string) (string, bool)
	problems []error
}

// New returns a reader of the variables that lookup finds, as os.LookupEnv does.
func New(lookup func(string) (string, bool)) *Reader { return &Reader{lookup: lookup} }

// Err returns all problems so far, or nil.
func (r *Reader) Err() error { return errors.Join(r.problems...) }

// Refuse reports a problem of the variable, in words that do not quote its value.
func (r *Reader) Refuse(name, words string) {
	r.problems = append(r.problems, fmt.Errorf("%s: %s", name, words))
}

// Optional returns the variable's value, or fallback where it is not set. Set but empty is
// refused: it is mostly a secret that did not arrive.
func (r *Reader) Optional(name, fallback string) string {
	value, ok := r.lookup(name)
	switch {
	case !ok:
		return fallback
	case strings.TrimSpace(value) == "":
		r.Refuse(name, "is set but empty; give it a value or do not set it")
		return fallback
	}
	return value
}

// Required returns the value of a variable that has to be set.
func (r *Reader) Required(name string) string {
	if _, ok := r.lookup(name); !ok {
		r.Refuse(name, "is required")
		return ""
	}
	return r.Optional(name, "")
}

// IsSet reports whether the variable is set, if only to nothing.
func (r *Reader) IsSet(name string) bool {
	_, ok := r.lookup(name)
	return ok
}

// Group reports whether all variables of a feature are set; some but not all is refused.
func (r *Reader) Group(feature string, names ...string) bool {
	var missing []string
	for _, name := range names {
		if !r.IsSet(name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == len(names) {
		return false
	}
	for _, name := range missing {
		r.Refuse(name, fmt.Sprintf("is required for %s, which is half configured (%s)", feature, strings.Join(names, ", ")))
	}
	return len(missing) == 0
}

// List returns a comma list without empty entries, each of which passes the check.
func (r *Reader) List(name string, fallback []string, check func(string) error) []string {
	value := r.Optional(name, "")
	if value == "" {
		return fallback
	}
	var entries []string
	for entry := range strings.SplitSeq(value, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			r.Refuse(name, "has an empty entry")
			continue
		}
		if err := check(entry); err != nil {
			r.Refuse(name, "has an entry that "+err.Error())
			continue
		}
		entries = append(entries, entry)
	}
	return entries
}

// Checked returns the value of a variable that passes the check, or fallback where it is
// not set.
func (r *Reader) Checked(name, fallback string, check func(string) error) string {
	value := r.Optional(name, fallback)
	if value != fallback {
		if err := check(value); err != nil {
			r.Refuse(name, err.Error())
		}
	}
	return value
}

// OnOff returns a switch.
func (r *Reader) OnOff(name string, fallback bool) bool {
	switch r.Optional(name, "") {
	case "":
		return fallback
	case "on", "true":
		return true
	case "off", "false":
		return false
	}
	r.Refuse(name, "must be on or off")
	return fallback
}

// Number returns a whole number within bounds, or fallback where the variable is not set.
func (r *Reader) Number(name string, fallback, least, most int) int {
	value := r.Optional(name, "")
	if value == "" {
		return fallback
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		r.Refuse(name, fmt.Sprintf("must be a whole number from %d to %d", least, most))
	}
	return n
}

// OneOf returns a value that is one of the choices, or fallback where the variable is not
// set.
func (r *Reader) OneOf(name, fallback string, choices ...string) string {
	value := r.Optional(name, fallback)
	if !slices.Contains(choices, value) {
		r.Refuse(name, "must be one of "+strings.Join(choices, ", "))
		return fallback
	}
	return value
}

// KeyPair checks the names of two files that belong together: a certificate and its key.
func (r *Reader) KeyPair(certificate, key string) {
	if !r.Group("the certificate of a client", certificate, key) {
		return
	}
	chain, secret := r.Optional(certificate, ""), r.Optional(key, "")
	if chain == "" || secret == "" {
		return // is reported
	}
	if err := IsCertificateFile(chain); err != nil {
		r.Refuse(certificate, err.Error())
		return
	}
	if _, err := tls.LoadX509KeyPair(chain, secret); err != nil { // the error holds the name of the file
		r.Refuse(key, "is not the name of a file with the key of "+certificate+" in PEM")
	}
}
