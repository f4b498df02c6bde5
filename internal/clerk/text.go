package clerk

import (
	"strings"
	"unicode"
)

// textMax is how many characters of a text of Clerk's are taken.
const textMax = 256

// text makes a text of Clerk's one that can be stored, sorted and shown: people write
// their names themselves. Control characters are left out, and what is longer than 256
// characters is cut.
func text(s string) string {
	n := 0
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || n == textMax {
			return -1
		}
		n++
		return r
	}, s))
}
