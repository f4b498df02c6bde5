package licensing

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	stripeBodyMax   = 4 << 20 // bytes of an answer, inflated
	retryAfterMax   = time.Minute
	retryAfterUnset = time.Second // after a 429 that does not say
	wordsMax        = 200         // bytes of a foreign error that are kept
	codeMax         = 64          // bytes

	saidMax = 300 // bytes of a sentence of Stripe's that are logged

	codeMissing     = "resource_missing"
	codeLockTimeout = "lock_timeout" // another request holds the object
	codeKeyInUse    = "idempotency_key_in_use"
	codeRateLimit   = "rate_limit"
	typeIdempotency = "idempotency_error"
	typeInvalid     = "invalid_request_error"
	typeAPI         = "api_error" // a failure of Stripe's own
)

// stripeTransport reads each answer whole, within bounds, and lets through only what
// can be an answer of Stripe's. All else becomes a *StripeError here.
type stripeTransport struct {
	client *http.Client // follows no redirects
	clean  func(string) string
}

// fetch is the body of the answer: JSON, of a request that was granted.
func (t stripeTransport) fetch(r *http.Request) ([]byte, error) {
	response, err := t.client.Do(r) //nolint:gosec // the host is configured, and ids are checked before they get into a path
	if err != nil {
		if told, ok := errors.AsType[*url.Error](err); ok {
			err = told.Err // without the address
		}
		return nil, t.lost(0, "send the request: ", err)
	}
	defer response.Body.Close() //nolint:errcheck // it has been read, or is of no use
	body, err := io.ReadAll(io.LimitReader(response.Body, stripeBodyMax+1))
	if err != nil && response.StatusCode != http.StatusTooManyRequests && response.StatusCode < http.StatusInternalServerError {
		return nil, t.lost(response.StatusCode, "read the answer: ", err)
	}
	if e := judge(response, body); e != nil {
		for _, told := range []*string{&e.Code, &e.Param, &e.RequestID} {
			if *told != t.clean(*told) {
				*told = ""
			}
		}
		e.said = t.clean(e.said)
		return nil, e
	}
	return body, nil
}

// lost is a request that brought no whole answer.
func (t stripeTransport) lost(status int, doing string, err error) *StripeError {
	return &StripeError{Kind: StripeUnavailable, Status: status, words: doing + t.words(err), again: true, dead: true, lost: true}
}

// words is the text of an error where it cannot hold a part of an answer, and else
// its type.
func (t stripeTransport) words(err error) string {
	_, network := errors.AsType[net.Error](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	if network || certificate || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		text := t.clean(err.Error())
		return strings.ToValidUTF8(text[:min(len(text), wordsMax)], "")
	}
	return fmt.Sprintf("%T", err)
}

func isError(status int) bool { return status >= http.StatusBadRequest }

// judge is nil for an answer that may be read, and otherwise says what it is.
func judge(response *http.Response, body []byte) *StripeError {
	status, told := response.StatusCode, readRefusal(body)
	e := &StripeError{
		Kind: StripeUnavailable, Status: status, Code: told.Code, Param: told.Param,
		RequestID: plain(response.Header.Get("Request-Id")), RetryAfter: retryAfter(response.Header, time.Now()),
	}
	switch {
	case status == http.StatusTooManyRequests, isError(status) && told.Code == codeRateLimit:
		e.Kind, e.again = StripeRateLimited, true
		if e.RetryAfter == 0 {
			e.RetryAfter = retryAfterUnset
		}
	case status >= http.StatusInternalServerError:
		e.again = true
		e.dead = status != http.StatusInternalServerError || told.Type == "" // one request's own trouble
	case isError(status) && told.Type == "":
		e.words = "the refusal is not one of Stripe's"
	case status == http.StatusConflict, isError(status) && (told.Code == codeLockTimeout || told.Code == codeKeyInUse):
		e.again, e.words = true, "another request is at work on it"
	case status == http.StatusRequestTimeout, status == http.StatusFailedDependency, isError(status) && told.Type == typeAPI:
		e.again, e.words = true, "a failure of Stripe's own"
	case isError(status):
		e.refused(told)
	case status < http.StatusOK || status >= http.StatusMultipleChoices:
		e.words = "a redirect is not followed"
	case len(body) > stripeBodyMax:
		e.words = "the answer is larger than " + strconv.Itoa(stripeBodyMax) + " bytes"
	case !json.Valid(body): // an empty body too
		e.again, e.dead, e.words = true, true, "the answer is not JSON"
	case bytes.TrimLeft(body, " \t\r\n")[0] != '{': // the library would take a text for an id
		e.words = "the answer is not an object"
	default:
		return nil
	}
	e.advised(response.Header)
	return e
}

// refused fills in what a refusal of Stripe's says.
func (e *StripeError) refused(told refusal) {
	switch {
	case told.Type == typeIdempotency:
		e.Kind = StripeIdempotency
	case told.otherMode:
		e.Kind, e.ours, e.words = StripeRefused, true, "it is of the other mode, live or test, than the secret key"
	case told.Code == codeMissing:
		e.Kind = StripeNotFound
	default:
		e.Kind = StripeRefused
	}
	switch e.Status {
	case http.StatusUnauthorized:
		e.ours, e.words = true, "the secret key is not accepted"
	case http.StatusForbidden:
		e.words = "the secret key lacks a permission"
	}
	if told.Type == typeInvalid && !isPersonal(told.Param) {
		e.said = told.said
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
func (e *StripeError) advised(h http.Header) {
	switch h.Get("Stripe-Should-Retry") {
	case "true":
		e.again = true
		if e.Kind == StripeRefused || e.Kind == StripeNotFound {
			e.Kind = StripeUnavailable // Stripe says that it may heal
		}
	case "false":
		e.again = false
	}
	if isError(e.Status) && h.Get("Idempotent-Replayed") == "true" {
		e.again, e.dead, e.Replayed = false, false, true
		e.words = "Stripe repeats the failure that it stored for the idempotency key; only another key can succeed"
	}
}

// refusal is what is read of an error body as Stripe writes it. Type is "" where it is
// not one. What is missing for a key of the other mode is not gone.
type refusal struct {
	Type, Code, Param string
	said              string // one line of what Stripe says
	otherMode         bool
}

func readRefusal(body []byte) refusal {
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

// retryAfter reads Retry-After, in seconds or as a date, up to retryAfterMax. What
// is missing, past or unreadable is 0.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err == nil {
		return min(time.Duration(seconds)*time.Second, retryAfterMax)
	}
	if errors.Is(err, strconv.ErrRange) {
		return retryAfterMax
	}
	if date, err := http.ParseTime(text); err == nil {
		return min(max(date.Sub(now), 0), retryAfterMax)
	}
	return 0
}
