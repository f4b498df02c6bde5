package clerk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	sdk "github.com/clerk/clerk-sdk-go/v2"

	"github.com/teamtask/teamtask/internal/outbound"
)

// request is one request that may be sent again: a read, or a write that does the
// same the second time.
type request struct {
	name  string // the method of Client
	verb  string // of HTTP
	path  string
	query url.Values // of a GET
	body  sdk.Params // of a PATCH
	lane  string     // whose limit it counts against besides the common one, or ""
}

func (q request) sdk() *sdk.APIRequest {
	r := sdk.NewAPIRequest(q.verb, q.path)
	if q.verb == http.MethodGet {
		r.SetParams(query(q.query))
	} else {
		r.SetParams(q.body)
	}
	return r
}

// query is what the SDK puts behind a path.
type query url.Values

func (q query) ToQuery() url.Values { return url.Values(q) }

func (q query) ToMultipart() ([]byte, string, error) {
	return nil, "", errors.New("a query has no parts")
}

// body is what the SDK decodes a response into. It holds the fields that we read and
// no others, so that nothing else can make a response unreadable.
type body[W any] struct {
	sdk.APIResource
	wire W
}

func (b *body[W]) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &b.wire) }

// ask makes the request and returns what read makes of the response. Read reports whether
// the response is one to the request.
func ask[W, T any](ctx context.Context, c *Client, q request, read func(W) (T, bool)) (T, error) {
	var value T
	err := c.call(ctx, q, func(ctx context.Context) error {
		var answer body[W]
		if err := c.backend.Call(ctx, q.sdk(), &answer); err != nil {
			return err
		}
		got, ok := read(answer.wire)
		if !ok {
			return &Error{Provider: provider, Kind: Unavailable, Status: http.StatusOK, Words: "the answer is to another question", Retry: true}
		}
		value = got
		return nil
	})
	return value, err
}

// call makes the request until it need not or must not be made again. What Clerk's absence
// or limits caused is a fault.
func (c *Client) call(ctx context.Context, q request, try func(context.Context) error) error {
	return outbound.AsFault(c.caller.Do(ctx, q.name, q.lane, try))
}
