package clerk

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	bodyMax         = 4 << 20 // bytes of an answer, inflated
	retryAfterMax   = time.Minute
	retryAfterUnset = time.Second // after a 429 that does not say
	wordsMax        = 200         // bytes of a foreign error that are kept
	codeMax         = 64          // bytes
)

// transport reads each answer whole and lets through only what can be an answer of
// Clerk's. All else becomes an *Error here: the SDK would lose the status of what
// is not JSON, take an empty body for success, and follow redirects.
type transport struct {
	base  http.RoundTripper
	clean func(string) string
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, t.lost(0, "send the request: ", err)
	}
	defer response.Body.Close() //nolint:errcheck // it has been read, or is of no use
	body, err := io.ReadAll(io.LimitReader(response.Body, bodyMax+1))
	if err != nil && !isError(response.StatusCode) {
		return nil, t.lost(response.StatusCode, "read the answer: ", err)
	}
	if e := judge(response, body); e != nil {
		if e.Code != t.clean(e.Code) {
			e.Code = ""
		}
		return nil, e
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	return response, nil
}

// lost is a request that brought no whole answer.
func (t *transport) lost(status int, doing string, err error) *Error {
	return &Error{Kind: Unavailable, Status: status, words: doing + t.words(err), again: true, dead: true, lost: true}
}

// words is the text of an error where it cannot hold a part of an answer, and else
// its type.
func (t *transport) words(err error) string {
	_, network := errors.AsType[net.Error](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	if network || certificate || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return cut(t.clean(err.Error()))
	}
	return fmt.Sprintf("%T", err)
}

func cut(text string) string { return strings.ToValidUTF8(text[:min(len(text), wordsMax)], "") }

func isError(status int) bool { return status >= http.StatusBadRequest }

// judge is nil for an answer that may be read, and otherwise says what it is.
func judge(response *http.Response, body []byte) *Error {
	status := response.StatusCode
	e := &Error{Kind: Unavailable, Status: status, Code: clerkCode(body), RetryAfter: retryAfter(response.Header, time.Now())}
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind, e.again = RateLimited, true
		if e.RetryAfter == 0 {
			e.RetryAfter = retryAfterUnset
		}
	case status >= http.StatusInternalServerError:
		e.again = true
		e.dead = status != http.StatusInternalServerError || e.Code == "" // one request's own trouble
	case isError(status) && e.Code == "":
		e.words = "the refusal is not one of Clerk's"
	case status == http.StatusNotFound:
		e.Kind = NotFound
	case isError(status):
		e.Kind = Refused
	case status < http.StatusOK || status >= http.StatusMultipleChoices:
		e.words = "a redirect is not followed"
	case len(body) > bodyMax:
		e.tooLarge, e.words = true, "the answer is larger than "+strconv.Itoa(bodyMax)+" bytes"
	case !json.Valid(body): // an empty body too
		e.again, e.dead, e.words = true, true, "the answer is not JSON"
	default:
		return nil
	}
	return e
}

// clerkCode is the first code of an error body as Clerk writes it, or "".
func clerkCode(body []byte) string {
	var wire struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &wire) != nil || len(wire.Errors) == 0 {
		return ""
	}
	code := wire.Errors[0].Code
	if len(code) > codeMax || strings.ContainsFunc(code, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	}) {
		return ""
	}
	return code
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
