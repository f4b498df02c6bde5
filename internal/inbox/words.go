package inbox

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	wordsMax  = 2000 // characters of an error in the log
	lineMax   = 300  // characters of an error in a row
	textMin   = 3    // characters: shorter texts of a body are not looked for
	struckOff = "[...]"
)

// idForm is what providers' ids look like. They say who is concerned and no more.
var idForm = regexp.MustCompile(`^[a-z]{2,16}_[A-Za-z0-9_]+$`)

// struckOut is text without the texts that stand in an event's body, ids apart: a
// consumer's error may quote what it could not read, and neither the log nor a row is
// a place for names and addresses.
func struckOut(text string, body []byte) string {
	text = shortened(text, 4*wordsMax)
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	texts := textsOf(body)
	slices.SortFunc(texts, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, t := range texts {
		text = strings.ReplaceAll(text, t, struckOff)
	}
	return shortened(text, wordsMax)
}

// textsOf are the texts of a JSON document, and the words of those that have several.
// A body that is not JSON is one text.
func textsOf(body []byte) []string {
	var document any
	if json.Unmarshal(body, &document) != nil {
		return []string{string(body)}
	}
	found := map[string]bool{}
	add := func(s string) {
		if utf8.RuneCountInString(s) >= textMin && !idForm.MatchString(s) {
			found[s] = true
		}
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			add(v)
			for part := range strings.FieldsSeq(v) {
				add(part)
			}
		case []any:
			for _, each := range v {
				walk(each)
			}
		case map[string]any:
			for _, each := range v {
				walk(each)
			}
		}
	}
	walk(document)
	all := make([]string, 0, len(found))
	for s := range found {
		all = append(all, s)
	}
	return all
}

// firstLine is what of an error goes into a row.
func firstLine(words string) string {
	line, _, _ := strings.Cut(words, "\n")
	return shortened(line, lineMax)
}

func shortened(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "..."
}
