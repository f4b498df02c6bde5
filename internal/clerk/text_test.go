package clerk

import (
	"strings"
	"testing"
)

func TestTextsAreCutAndWithoutControlCharacters(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 10_000)
	for in, want := range map[string]string{
		"":                       "",
		"Ada Lovelace":           "Ada Lovelace",
		"  Ada\t":                "Ada",
		"A\x00d\na\u0085":        "Ada",
		"\u202eADA":              "\u202eADA",
		long:                     long[:2*textMax],
		strings.Repeat("x", 256): strings.Repeat("x", 256),
		strings.Repeat("x", 257): strings.Repeat("x", 256),
		"\xff":                   "\ufffd",
	} {
		if got := text(in); got != want {
			t.Errorf("%.20q: got %.20q of %d bytes, want %.20q of %d", in, got, len(got), want, len(want))
		}
	}
}
