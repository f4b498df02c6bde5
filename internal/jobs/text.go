package jobs

import (
	"strings"
	"unicode/utf8"
)

const textMax = 2000 // characters of an error in the log

// LogText returns the text as it may be logged: valid UTF-8, without control characters, cut
// to a bounded length.
func LogText(text string) string {
	text = Shorten(text, 4*textMax)
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return Shorten(text, textMax)
}

// Shorten returns at most so many characters of the text.
func Shorten(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most]) + "..."
}
