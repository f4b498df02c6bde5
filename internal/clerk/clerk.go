// Package clerk reads Clerk's Backend API, and writes the little that is written
// there: ids are checked, requests stay within Clerk's limits, what can be tried
// again is, and what cannot be had is an error that says of which kind.
package clerk

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strings"

	sdk "github.com/clerk/clerk-sdk-go/v2"

	"github.com/teamtask/teamtask/internal/outbound"
)

// Options set up a Client. URL and SecretKey are required.
type Options struct {
	// URL is where the API is, with its version: https://api.clerk.com/v1.
	URL string
	// SecretKey is sent with each request. It is in no error and no observation.
	SecretKey string
	// Transport sends the requests; nil: a pool of connections of the client's own.
	Transport http.RoundTripper
	// Rate is how many requests a second this client makes at most, with as many at
	// once after a rest; 0: 20. Clerk allows a production instance 1000 in 10 seconds
	// and a development instance 100, for all servers together
	// (clerk.com/docs/guides/how-clerk-works/system-limits), so divide what is left to
	// you by the number of servers.
	Rate float64
	// Observe is called with each call when it has ended; may be nil. It is called from
	// many goroutines at once.
	Observe func(Observation)
	// Recovered is called when Clerk, which could not be reached, has responded again; may
	// be nil. It must not wait.
	Recovered func()
}

// Observation is how one call ended. The pages of a list are calls of their own.
type Observation = outbound.Observation

// Client speaks to one Clerk instance. It is safe to share, and should be: its
// limits hold for the calls made through it. A call may wait, for a turn or for
// Clerk, until its context ends; never call inside a transaction.
//
// Errors: a call whose context ended returns the context's error. What Clerk's
// absence or limits caused is a fault.ProviderUnavailable, with the time to wait
// where it is known. All others, and the causes of those, are an *Error.
type Client struct {
	backend sdk.Backend
	caller  *outbound.Caller
}

const (
	secretKeyMax = 512 // bytes

	// Clerk takes 10 metadata writes in 10 seconds for a membership, from all servers
	// together; in any 10 seconds a client makes at most 4 + 10*0.4 = 8.
	laneRate  = 0.4
	laneBurst = 4
)

// New makes a client. Its errors say which option is wrong, never its value.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" ||
		base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("clerk: URL is not a plain http or https address")
	}
	if o.SecretKey == "" || len(o.SecretKey) > secretKeyMax || strings.ContainsFunc(o.SecretKey, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	}) {
		return nil, errors.New("clerk: SecretKey is empty or cannot be sent in a header")
	}
	if o.Rate < 0 || math.IsNaN(o.Rate) || math.IsInf(o.Rate, 0) {
		return nil, errors.New("clerk: Rate is not a number of requests")
	}
	transport := outbound.NewTransport(outbound.Transport{Provider: provider, Base: o.Transport, Secret: o.SecretKey, Refusal: refusal})
	return &Client{
		backend: sdk.NewBackend(&sdk.BackendConfig{
			URL:        sdk.String(base.String()),
			Key:        sdk.String(o.SecretKey),
			HTTPClient: &http.Client{Transport: transport},
		}),
		caller: outbound.New(outbound.Options{
			Provider: provider, Rate: o.Rate, Lane: outbound.LaneLimit{Rate: laneRate, Burst: laneBurst},
			Observe: o.Observe, Recovered: o.Recovered,
		}),
	}, nil
}
