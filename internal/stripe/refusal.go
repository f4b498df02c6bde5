package stripe

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode"

	"github.com/teamtask/teamtask/internal/outbound"
)

const (
	codeMax = 64  // bytes
	saidMax = 300 // bytes of a sentence of Stripe's that are logged

	codeMissing     = "resource_missing"
	codeLockTimeout = "lock_timeout" // another request holds the object
	codeKeyInUse    = "idempotency_key_in_use"
	codeRateLimit   = "rate_limit"
	typeIdempotency = "idempotency_error"
	typeInvalid     = "invalid_request_error"
	typeAPI         = "api_error" // a failure of Stripe's own
)

// refusal is what is read of an error body as Stripe writes it. Type is "" where it is
// not one. What is missing for a key of the other mode is not gone.
type refusal struct {
	Type, Code, Param string
	said              string // one line of what Stripe says
	otherMode         bool
}

// readRefusal reads a response that is an error.
func readRefusal(response *http.Response, body []byte) outbound.Refusal {
	told := parseRefusal(body)
	return outbound.Refusal{
		Own: told.Type != "", Code: told.Code, Param: told.Param, RequestID: plain(response.Header.Get("Request-Id")),
		Limited: told.Code == codeRateLimit, Classify: told.classify,
	}
}

func parseRefusal(body []byte) refusal {
	var wire struct {
		Error struct {
			Type  string `json:"type"`
			Code  string `json:"code"`
			Param string `json:"param"`
			Words string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &wire) != nil {
		return refusal{}
	}
	return refusal{
		Type: plain(wire.Error.Type), Code: plain(wire.Error.Code), Param: plain(wire.Error.Param), said: sentence(wire.Error.Words),
		otherMode: strings.Contains(wire.Error.Words, "a similar object exists in"),
	}
}

// classify gives the error of a refusal its kind.
func (r refusal) classify(e *Error) {
	switch {
	case e.Kind == RateLimited:
		e.Single = r.Code == codeLockTimeout
	case e.Status == http.StatusConflict, r.Code == codeLockTimeout, r.Code == codeKeyInUse:
		e.Retry, e.Words = true, "another request is at work on it"
	case e.Status == http.StatusRequestTimeout, e.Status == http.StatusFailedDependency, r.Type == typeAPI:
		e.Retry, e.Words = true, "a failure of Stripe's own"
	default:
		r.refuse(e)
	}
}

// refuse fills in a refusal for good.
func (r refusal) refuse(e *Error) {
	switch {
	case r.Type == typeIdempotency:
		e.Kind = Idempotency
	case r.otherMode:
		e.Kind, e.Ours, e.Words = Refused, true, "it is of the other mode, live or test, than the secret key"
	case r.Code == codeMissing:
		e.Kind = NotFound
	default:
		e.Kind = Refused
	}
	switch e.Status {
	case http.StatusUnauthorized:
		e.Ours, e.Words = true, "the secret key is not accepted"
	case http.StatusForbidden:
		e.Words = "the secret key lacks a permission"
	}
	if r.Type == typeInvalid && !isPersonal(r.Param) {
		e.Said = r.said
	}
}

// isPersonal reports whether a parameter holds text that people wrote, which Stripe might
// quote.
func isPersonal(param string) bool {
	for _, part := range []string{"name", "email", "phone", "address", "description", "tax_id"} {
		if strings.Contains(param, part) {
			return true
		}
	}
	return false
}

// advised follows what Stripe says of trying again. A failure that it stored for an
// idempotency key is not one that heals.
func advised(e *Error, h http.Header) {
	switch h.Get("Stripe-Should-Retry") {
	case "true":
		e.Retry = true
		if e.Kind == Refused || e.Kind == NotFound {
			e.Kind = Unavailable // Stripe says that it may heal
		}
	case "false":
		e.Retry = false
	}
	if e.Status >= http.StatusBadRequest && h.Get("Idempotent-Replayed") == "true" {
		e.Retry, e.Dead, e.Replayed = false, false, true
		e.Words = "Stripe repeats the failure that it stored for the idempotency key; only another key can succeed"
	}
}

// sentence returns the beginning of a text of Stripe's as one line that can be logged.
func sentence(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	return strings.ToValidUTF8(text[:min(len(text), saidMax)], "")
}

// plain is a word of Stripe's, or "" where it cannot be one.
func plain(word string) string {
	if len(word) > codeMax || strings.ContainsFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-.[]", r)
	}) {
		return ""
	}
	return word
}
