package stripe

import "strings"

// IsID reports whether id can be one that Stripe gives.
func IsID(id string) bool { return IsPlainID(id) && !strings.Contains(id, "-") }

// IsPlainID reports whether id can be one that Stripe gives, or one that somebody chose for
// what was brought into the account, such as "sub-legacy-1". It is a segment of a path as it
// stands.
func IsPlainID(id string) bool {
	return id != "" && len(id) <= idMax && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// checkID refuses an id that must not get into a request. The id is not quoted:
// it may be anything.
func checkID(method, id string) error {
	if IsID(id) {
		return nil
	}
	return &Error{Provider: provider, Kind: Refused, Method: method, Words: "not asked: an id must hold letters, digits and underscores"}
}

// checkPlainID is checkID for the id of a thing that somebody may have brought into the
// account.
func checkPlainID(method, id string) error {
	if IsPlainID(id) {
		return nil
	}
	return checkID(method, id)
}
