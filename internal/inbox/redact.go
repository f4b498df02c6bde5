package inbox

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/teamtask/teamtask/internal/jobs"
)

const (
	lineMax     = 300 // characters of an error in a row
	textMin     = 3   // characters: shorter texts of a body are not looked for
	replacement = "[...]"
)

var (
	// idForm is what providers' ids look like. They say who is concerned and no more.
	idForm = regexp.MustCompile(`^[a-z]{2,16}_[A-Za-z0-9_]+$`)

	// enumForm is what a type, a status or another word of a provider's own looks like.
	enumForm = regexp.MustCompile(`^[a-z][a-z0-9_]*([.:][a-z0-9_]+)*$`)
)

// enums are the fields that hold a provider's own words and never a person's.
var enums = []string{
	"billing_reason", "billing_scheme", "category", "collection_method", "currency", "interval", "mode", "object", "payment_status",
	"reason", "recurring", "status", "tax_behavior", "type", "usage_type", "verification_strategy",
}

// vocabulary are the words of our errors. A value of an event that is only such a word is not
// redacted.
var vocabulary = wordsOf(`
	address answer app apply asked attempt be believed body cannot canceled changed charge charges checkout clerk code consumer create created
	customer customers database deadline decode delete deleted deliver directory email ended error event events expected failed fetch field for
	found from has holds id ids invalid invitation invitations invoice invoices is item items json known lacks license licensing list lost
	member membership memberships metadata method missing more must name names no not of one organization organizations page paid panic
	parameter payment period price prices product quantity rate limited read refund refused retrieve role roles seat seats send session
	sessions settings shape status stripe subscription subscriptions the timeout title to type unavailable unmarshal unknown update updated
	user users value wait whom with write`)

func wordsOf(text string) map[string]bool {
	all := map[string]bool{}
	for w := range strings.FieldsSeq(text) {
		all[w] = true
	}
	return all
}

// redacted returns the text without the values that the event's body holds, ids and types apart:
// a consumer's error may quote what it could not read, and names and addresses must not stand in
// the log or in a row. Names of fields and words of our errors stay.
func redacted(text string, e Event) string {
	text = jobs.LogText(text)
	values := valuesOf(e.Body)
	slices.SortFunc(values, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, v := range values {
		text = without(text, v)
	}
	return jobs.LogText(text)
}

// without replaces the value in the text. A short word in lower case is replaced as a whole word
// only, because our words contain others; anything else is replaced everywhere.
func without(text, value string) string {
	if !enumForm.MatchString(value) || len(value) > 2*textMin {
		return strings.ReplaceAll(text, value, replacement)
	}
	var b strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, value)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if bounded(before, after) {
			b.WriteString(replacement)
		} else {
			b.WriteString(value)
		}
		rest = after
	}
}

// bounded reports whether the text between the two is a whole word.
func bounded(before, after string) bool {
	last, _ := utf8.DecodeLastRuneInString(before)
	first, _ := utf8.DecodeRuneInString(after)
	inWord := func(s string, r rune) bool { return s != "" && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
	return !inWord(before, last) && !inWord(after, first)
}

// valuesOf returns the texts of a JSON document that may be personal, and the words of those
// that have several. A body that is not JSON is one text.
func valuesOf(body []byte) []string {
	var document any
	if json.Unmarshal(body, &document) != nil {
		return append(strings.Fields(string(body)), string(body))
	}
	found := map[string]bool{}
	add := func(s string) {
		if utf8.RuneCountInString(s) >= textMin && !idForm.MatchString(s) && !vocabulary[s] {
			found[s] = true
		}
	}
	var walk func(field string, v any)
	walk = func(field string, v any) {
		switch v := v.(type) {
		case string:
			if slices.Contains(enums, field) && enumForm.MatchString(v) {
				return
			}
			add(v)
			for part := range strings.FieldsSeq(v) {
				add(part)
				add(strings.Trim(part, ".,;:!?()'\""))
			}
		case []any:
			for _, each := range v {
				walk(field, each)
			}
		case map[string]any:
			for name, each := range v {
				if !enumForm.MatchString(name) || strings.ContainsAny(name, "@") {
					add(name) // of metadata: chosen by a person
				}
				walk(name, each)
			}
		}
	}
	walk("", document)
	all := make([]string, 0, len(found))
	for s := range found {
		all = append(all, s)
	}
	return all
}

// firstLine returns the part of an error that is stored in a row.
func firstLine(words string) string {
	line, _, _ := strings.Cut(words, "\n")
	return jobs.Shorten(line, lineMax)
}
