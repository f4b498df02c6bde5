package stripe

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/form"
)

// wire is how requests get to Stripe. This file is the only one that knows Stripe's
// library: a method here makes one request and reads of the answer what is ours to
// know. An answer that cannot be one to the question is an error that may heal.
//
// The library gives the shapes of requests and answers. It does not send them: it would
// start a program to tell Stripe the name of this machine, try again without looking at
// the context, and quote returns in its errors.
type wire struct {
	base string // without /v1
	key  string
	http *http.Client
}

const (
	pageMax     = 100           // rows, Stripe's own limit
	keyMax      = 255           // bytes of an idempotency key, Stripe's own limit
	quantityMax = 1_000_000_000 // beyond it an answer is not believed

	apiVersion = sdk.APIVersion
)

func newWire(address, key string, client *http.Client) wire {
	if address == "" {
		address = sdk.APIURL
	}
	return wire{strings.TrimSuffix(strings.TrimSuffix(address, "/"), "/v1"), key, client}
}

// question is one request. A write has a key.
type question struct {
	name   string
	verb   string
	path   string
	key    string
	params sdk.ParamsContainer
}

// send asks the question as often as need be. Read takes from the answer what is ours
// and reports whether it is one to the question.
func send[T, W any](ctx context.Context, s *Client, q question, read func(*W) (T, bool)) (T, error) {
	var none T
	if q.verb != http.MethodGet && (q.key == "" || len(q.key) > keyMax) {
		return none, &Error{Provider: provider, Kind: Refused, Method: q.name, Words: "not asked: a write needs an idempotency key of at most 255 bytes"}
	}
	value := none
	err := s.caller.Do(ctx, q.name, "", func(ctx context.Context) error {
		answer := new(W)
		if err := s.wire.fetch(ctx, q, answer); err != nil {
			return err
		}
		got, ok := read(answer)
		if !ok {
			return errAnother
		}
		value = got
		return nil
	})
	return value, err
}

// fetch makes the request once and decodes the response.
func (w wire) fetch(ctx context.Context, q question, answer any) error {
	request, err := w.request(ctx, q)
	if err != nil {
		return &Error{Kind: Refused, Words: "not asked: the request cannot be sent"}
	}
	response, err := w.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it has been read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if bytes.TrimLeft(body, " \t\r\n")[0] != '{' { // the library would take a text for an id
		return &Error{Kind: Unavailable, Status: response.StatusCode, Words: "the answer is not an object"}
	}
	return json.Unmarshal(body, answer) // its error is not passed on: it may quote the response
}

// request is the question as it is sent.
func (w wire) request(ctx context.Context, q question) (*http.Request, error) {
	values := &form.Values{}
	form.AppendTo(values, q.params)
	address, body := w.base+q.path, values.Encode()
	if q.verb == http.MethodGet && body != "" {
		address, body = address+"?"+body, ""
	}
	r, err := http.NewRequestWithContext(ctx, q.verb, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Stripe-Version", apiVersion)
	r.Header.Set("User-Agent", "teamtask")
	if q.key != "" {
		r.Header.Set("Idempotency-Key", q.key)
	}
	return r, nil
}

var errAnother = &Error{Kind: Unavailable, Status: http.StatusOK, Words: "the answer is to another question", Retry: true}

// moment is a time of Stripe's, or nil for none.
func moment(unix int64) *time.Time {
	if unix == 0 {
		return nil
	}
	t := time.Unix(unix, 0).UTC()
	return &t
}

// isPage reports whether a person can be sent to that address.
func isPage(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}
