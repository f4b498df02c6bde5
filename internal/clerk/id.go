package clerk

import (
	"net/url"
	"strings"
)

const (
	userPrefix         = "user_"
	organizationPrefix = "org_"
	membershipPrefix   = "orgmem_"
	invitationPrefix   = "orginv_"

	idMax = 255 // bytes
)

// isID tells whether id is the prefix and then letters, digits or underscores.
func isID(prefix, id string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	return ok && rest != "" && len(id) <= idMax && !strings.ContainsFunc(rest, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	})
}

// checkID refuses an id that must not get into a path. The id is not quoted: it may
// be anything.
func checkID(method, prefix, id string) error {
	if isID(prefix, id) {
		return nil
	}
	return &Error{Provider: provider, Kind: InvalidID, Method: method, Words: "an id must begin with " + prefix + " and hold letters, digits and underscores"}
}

// path joins the parts, each escaped.
func path(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("/" + url.PathEscape(part))
	}
	return b.String()
}
