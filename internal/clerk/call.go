package clerk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	sdk "github.com/clerk/clerk-sdk-go/v2"
)

const (
	attemptMax  = 5 * time.Second // from sending a request to the last byte of its answer
	attemptSlow = 2 * time.Second // a caller who waited this long in vain says that Clerk does not answer
	attemptsMax = 4               // of one call
	backoffBase = 250 * time.Millisecond
	backoffMax  = 4 * time.Second
)

// question is one request that may be sent again: a read, or a write that does the
// same the second time.
type question struct {
	name  string // the method of Client
	verb  string // of HTTP
	path  string
	query url.Values // of a GET
	body  sdk.Params // of a PATCH
	lane  string     // whose limit it counts against besides the common one, or ""
}

func (q question) request() *sdk.APIRequest {
	request := sdk.NewAPIRequest(q.verb, q.path)
	if q.verb == http.MethodGet {
		request.SetParams(query(q.query))
	} else {
		request.SetParams(q.body)
	}
	return request
}

// query is what the SDK puts behind a path.
type query url.Values

func (q query) ToQuery() url.Values { return url.Values(q) }

func (q query) ToMultipart() ([]byte, string, error) {
	return nil, "", errors.New("a query has no parts")
}

// body is what the SDK decodes an answer into. It holds the fields that we read and
// no others, so that nothing else can make an answer unreadable.
type body[W any] struct {
	sdk.APIResource
	wire W
}

func (b *body[W]) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &b.wire) }

// ask puts the question until there is an answer, the tries are used up or the
// context ends. Read turns the answer into ours and says whether it is one to the
// question.
func ask[W, T any](ctx context.Context, c *Client, q question, read func(W) (T, bool)) (T, error) {
	var value T
	err := c.call(ctx, q, func(ctx context.Context) error {
		var answer body[W]
		if err := c.backend.Call(ctx, q.request(), &answer); err != nil {
			return err
		}
		got, ok := read(answer.wire)
		if !ok {
			return &Error{Kind: Unavailable, Status: http.StatusOK, words: "the answer is to another question", again: true}
		}
		value = got
		return nil
	})
	return value, err
}

// call tries until it need not or must not try again.
func (c *Client) call(ctx context.Context, q question, try func(context.Context) error) error {
	started, attempts := time.Now(), 0
	var err error
	for {
		var got error
		if unsent := c.gate.through(ctx, q.lane, func() verdict {
			attempts++
			var found verdict
			found, got = c.attempt(ctx, q, try)
			return found
		}); unsent != nil {
			if err == nil || ctx.Err() != nil {
				err = unsent // otherwise what came before says more
			}
			break
		}
		err = got
		e, ok := errors.AsType[*Error](err)
		if !ok || !e.again || attempts == attemptsMax {
			break
		}
		if e.Kind == RateLimited {
			continue // the gate is closed until Clerk takes more
		}
		if waited := wait(ctx, max(backoff(attempts), e.RetryAfter)); waited != nil {
			if ctx.Err() != nil {
				err = waited
			}
			break
		}
	}
	return c.ended(q.name, started, attempts, err)
}

// attempt makes one request, and says what it tells of Clerk.
func (c *Client) attempt(ctx context.Context, q question, try func(context.Context) error) (verdict, error) {
	started := time.Now()
	bounded, cancel := context.WithTimeout(ctx, attemptMax)
	defer cancel()
	err := try(bounded)
	if err == nil {
		return alive, nil
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok && !e.lost: // an answer, whatever ended meanwhile
	case ctx.Err() != nil:
		if time.Since(started) < attemptSlow {
			return unsure, ctx.Err()
		}
		return dead, ctx.Err()
	case bounded.Err() != nil:
		e = &Error{Kind: Unavailable, words: "no answer within " + attemptMax.String(), again: true, dead: true, lost: true}
	case !ok:
		e = &Error{Kind: Unavailable, Status: http.StatusOK, words: "the answer does not have the shape it should have"}
	}
	if e.Kind == RateLimited {
		c.gate.pause(q.lane, e.RetryAfter)
	}
	if e.dead {
		return dead, e
	}
	return alive, e
}

// backoff is how long to wait after that many attempts: a random time, up to twice as
// long each time.
func backoff(attempts int) time.Duration {
	longest := min(backoffBase<<attempts, backoffMax)
	return longest/2 + rand.N(longest/2) //nolint:gosec // spreads load, guards nothing
}

// ended tells the observer and states the error.
func (c *Client) ended(name string, started time.Time, attempts int, err error) error {
	o := Observation{Method: name, Outcome: "ok", Duration: time.Since(started), Attempts: attempts}
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok:
		named := *e
		named.Method = name
		o.Outcome, err = string(e.Kind), stated(&named)
	case err != nil:
		o.Outcome, err = "canceled", fmt.Errorf("clerk: %s: %w", name, err)
	}
	c.observe(o)
	return err
}
