package billing

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
)

// PathNotAllowed is a path to come back to that is not plainly one of our own frontend.
var PathNotAllowed = fault.New(connect.CodeInvalidArgument, teamtaskv1.Reason_REASON_PATH_NOT_ALLOWED,
	"the path must begin with a single slash and stay on this site")

const (
	pathMax  = 1024 // bytes
	layerMax = 4    // percent-encodings within each other that are looked into
)

// resolvePath is the address on the origin that a relative path leads to, with its query
// and fragment; {CHECKOUT_SESSION_ID} stays as it is, for Stripe to fill in. Whatever a
// browser, a proxy or a router might take for another place is refused with
// PathNotAllowed: people are sent there with the trust they have in us.
func resolvePath(origin, path string) (string, error) {
	if len(path) > pathMax || !utf8.ValidString(path) || !isRelative(path) {
		return "", PathNotAllowed
	}
	address := origin + escaped(path)
	home, err := url.Parse(origin)
	if err != nil {
		return "", PathNotAllowed.Because(err)
	}
	whole, err := url.Parse(address)
	if err != nil {
		return "", PathNotAllowed.Because(err)
	}
	relative, err := url.Parse(escaped(path))
	if err != nil {
		return "", PathNotAllowed.Because(err)
	}
	for _, u := range []*url.URL{whole, home.ResolveReference(relative)} {
		if u.Scheme != home.Scheme || u.Host != home.Host || u.User != nil || u.Opaque != "" {
			return "", PathNotAllowed
		}
	}
	return address, nil
}

// isRelative looks at the path as it is, and as it is after each percent-decoding that
// somebody on the way might do: neither may leave the origin.
func isRelative(path string) bool {
	place, rest := split(path)
	slashes := strings.Count(place, "/")
	return !strings.ContainsFunc(path, isUnfit) && isRooted(place) &&
		throughout(place, func(decoded string) bool {
			return strings.Count(decoded, "/") == slashes && isRooted(decoded) && !strings.ContainsAny(decoded, `\?#`)
		}) &&
		throughout(rest, func(string) bool { return true })
}

// throughout reports whether the text can be decoded, as often as it was encoded, into
// text without control characters, and ok holds each time.
func throughout(text string, ok func(string) bool) bool {
	for layer := range layerMax {
		decoded, err := url.PathUnescape(text)
		if err != nil {
			return layer > 0 // a percent sign that was encoded
		}
		if decoded == text {
			return true
		}
		if !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, unicode.IsControl) || !ok(decoded) {
			return false
		}
		text = decoded
	}
	return false
}

// split cuts the path where its query or fragment begins.
func split(path string) (place, rest string) {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// isUnfit holds for characters that have no place in an address. Browsers leave some of
// them out and take a backslash for a slash.
func isUnfit(r rune) bool {
	return r == '\\' || unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

// isRooted reports whether the path begins with one slash and holds no empty or dot
// segment, so that nothing needs to be resolved.
func isRooted(place string) bool {
	inner, ok := strings.CutPrefix(place, "/")
	if !ok {
		return false
	}
	segments := strings.Split(inner, "/")
	for i, segment := range segments {
		if segment == "." || segment == ".." || segment == "" && i < len(segments)-1 {
			return false
		}
	}
	return true
}

// escaped percent-encodes what an address cannot hold.
func escaped(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c >= utf8.RuneSelf || strings.IndexByte("\"<>`^|", c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
