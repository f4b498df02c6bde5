package outbound

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
	// BodyMax is the largest body of a response that is read, in bytes, inflated.
	BodyMax = 4 << 20
	// HeadersMax is the largest size of the headers of a response, in bytes.
	HeadersMax = 64 << 10

	retryAfterMax   = time.Minute
	retryAfterUnset = time.Second // after a 429 without the header
	wordsMax        = 200         // bytes of a foreign error that are stored
)

// Refusal is what a provider says in the body of a response that is an error.
type Refusal struct {
	Own                    bool // the provider has written it
	Code, Param, RequestID string
	Limited                bool         // it is a rate limit, whatever the status
	Classify               func(*Error) // gives the error of a refusal its kind; called where Own is set
}

// Transport reads each response whole and lets through only what can be one of the
// provider's: JSON of a granted request. All else becomes an *Error.
type Transport struct {
	Provider string
	Base     http.RoundTripper // nil: connections of the transport's own
	Secret   string            // is taken out of all errors
	// Refusal reads a response that is an error.
	Refusal func(*http.Response, []byte) Refusal
	// Advise follows what the provider's headers say of trying again; may be nil.
	Advise func(*Error, http.Header)
}

// NewTransport returns t, ready to send requests.
func NewTransport(t Transport) *Transport {
	if t.Base == nil {
		t.Base = connections()
	}
	return &t
}

// connections returns a pool of connections large enough for all requests in flight.
func connections() http.RoundTripper {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	t.MaxIdleConnsPerHost = inFlightMax
	t.MaxResponseHeaderBytes = HeadersMax
	return t
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.Base.RoundTrip(r)
	if err != nil {
		return nil, t.lost(0, "send the request: ", err)
	}
	defer response.Body.Close() //nolint:errcheck // it has been read, or is of no use
	body, err := io.ReadAll(io.LimitReader(response.Body, BodyMax+1))
	if err != nil && response.StatusCode != http.StatusTooManyRequests && response.StatusCode < http.StatusInternalServerError {
		return nil, t.lost(response.StatusCode, "read the answer: ", err)
	}
	if e := t.judge(response, body); e != nil {
		for _, told := range []*string{&e.Code, &e.Param, &e.RequestID} {
			if *told != t.clean(*told) {
				*told = ""
			}
		}
		e.Said = t.clean(e.Said)
		return nil, e
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	return response, nil
}

// clean returns the text without the secret.
func (t *Transport) clean(text string) string {
	if t.Secret == "" {
		return text
	}
	return strings.ReplaceAll(text, t.Secret, "[secret key]")
}

// lost returns the error of a request that brought no whole response.
func (t *Transport) lost(status int, doing string, err error) *Error {
	return &Error{Kind: Unavailable, Provider: t.Provider, Status: status, Words: doing + t.words(err), Retry: true, Dead: true, Lost: true}
}

// words returns the text of an error where it cannot hold a part of a response, and
// otherwise its type.
func (t *Transport) words(err error) string {
	_, network := errors.AsType[net.Error](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	if network || certificate || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		text := t.clean(err.Error())
		return strings.ToValidUTF8(text[:min(len(text), wordsMax)], "")
	}
	return fmt.Sprintf("%T", err)
}

// judge returns nil for a response that may be read, and otherwise why it may not.
func (t *Transport) judge(response *http.Response, body []byte) *Error {
	status, told := response.StatusCode, t.Refusal(response, body)
	refused := status >= http.StatusBadRequest
	e := &Error{
		Kind: Unavailable, Provider: t.Provider, Status: status, Code: told.Code, Param: told.Param,
		RequestID: told.RequestID, RetryAfter: retryAfter(response.Header, time.Now()),
	}
	switch {
	case status == http.StatusTooManyRequests, refused && told.Limited:
		e.Kind, e.Retry = RateLimited, true
		if e.RetryAfter == 0 {
			e.RetryAfter = retryAfterUnset
		}
		if told.Own {
			told.Classify(e)
		}
	case status >= http.StatusInternalServerError:
		e.Retry = true
		e.Dead = status != http.StatusInternalServerError || !told.Own // one request's own trouble
	case refused && !told.Own:
		e.Words = "the refusal is not one of " + t.Provider + "'s"
	case refused:
		told.Classify(e)
	case status < http.StatusOK || status >= http.StatusMultipleChoices:
		e.Words = "a redirect is not followed"
	case len(body) > BodyMax:
		e.TooLarge, e.Words = true, "the answer is larger than "+strconv.Itoa(BodyMax)+" bytes"
	case !json.Valid(body): // an empty body too
		e.Retry, e.Dead, e.Words = true, true, "the answer is not JSON"
	default:
		return nil
	}
	if t.Advise != nil {
		t.Advise(e, response.Header)
	}
	return e
}

// retryAfter reads Retry-After, in seconds or as a date, up to retryAfterMax. It returns 0
// for what is missing, past or unreadable.
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
