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
	"time"

	sdk "github.com/clerk/clerk-sdk-go/v2"
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
	// Observe is told of each call when it has ended; nil: nobody is. It is called from
	// many goroutines at once.
	Observe func(Observation)
}

// Observation is how one call ended. The pages of a list are calls of their own.
type Observation struct {
	Method   string        // of Client
	Outcome  string        // "ok", "canceled", or a Kind
	Duration time.Duration // with all waiting
	Attempts int           // requests made: 0 where nothing was sent
}

// Client speaks to one Clerk instance. It is safe to share, and should be: its
// limits hold for the calls made through it. A call may wait, for a turn or for
// Clerk, until its context ends; never call inside a transaction.
//
// Errors: a call whose context ended answers the context's error. What Clerk's
// absence or limits caused is a fault.ProviderUnavailable, with the time to wait
// where it is known. All others, and the causes of those, are an *Error.
type Client struct {
	backend sdk.Backend
	gate    *gate
	observe func(Observation)
}

const (
	rateDefault     = 20       // requests a second
	secretKeyMax    = 512      // bytes
	headersMax      = 64 << 10 // bytes of the headers of an answer
	idleConnections = inFlightMax
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
	if o.Rate == 0 {
		o.Rate = rateDefault
	}
	if o.Transport == nil {
		o.Transport = connections()
	}
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	clean := func(text string) string { return strings.ReplaceAll(text, o.SecretKey, "[secret key]") }
	return &Client{
		backend: sdk.NewBackend(&sdk.BackendConfig{
			URL:        sdk.String(base.String()),
			Key:        sdk.String(o.SecretKey),
			HTTPClient: &http.Client{Transport: &transport{base: o.Transport, clean: clean}},
		}),
		gate:    newGate(o.Rate),
		observe: o.Observe,
	}, nil
}

// connections is a pool of connections large enough for all requests in flight.
func connections() http.RoundTripper {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	t.MaxIdleConnsPerHost = idleConnections
	t.MaxResponseHeaderBytes = headersMax
	return t
}
