// Package stripe is Stripe's API as seats need it: customers, checkouts, the portal,
// subscriptions with what of them is paid for, prices and webhook endpoints, and the
// signatures of webhooks. It is the only package that imports Stripe's library.
package stripe

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/outbound"
)

// Options set up a Client. SecretKey is required, and SeatPrices for everything
// but Setup.
type Options struct {
	// URL is where the API is, with or without /v1; "": Stripe's own.
	URL string
	// SecretKey is sent with each request. It is in no error and no observation.
	SecretKey string
	// SeatPrices are the ids of the prices that count as seats; the first is sold.
	SeatPrices []string
	// Proration says how the portal bills a change of seats: "always_invoice",
	// "create_prorations" or "none"; "": the usual way for the price that is sold.
	Proration string
	// Observe is called with each call when it has ended; may be nil. It is called from
	// many goroutines at once.
	Observe func(Observation)
	// Recovered is called when Stripe, which could not be reached, has responded again; may
	// be nil. It must not wait.
	Recovered func()
	// Transport sends the requests; nil: a pool of connections of the client's own.
	Transport http.RoundTripper
	// Rate is how many requests a second this client makes at most, with as many at once
	// after a rest; 0: 20. Stripe takes 100 a second of a live account and 25 of one in
	// test mode, from all servers together: divide what is left to you by their number.
	Rate float64
}

// Observation is how one call to Stripe ended. The pages of a list are calls of their
// own.
type Observation = outbound.Observation

// Client calls the API of one Stripe account. It is safe to share, and should be: its limits
// hold for the calls made through it. A call may wait, for a turn or for Stripe, until
// its context ends; never call inside a transaction.
//
// Every write takes an idempotency key and sends it with each attempt. The same key
// with the same parameters does nothing a second time for 24 hours: it returns what was
// returned first.
//
// Errors: a call whose context ended returns the context's error. All others are a
// *Error; AsFault makes of them what callers may be told.
type Client struct {
	wire       wire
	caller     *outbound.Caller
	seatPrices []string
	proration  string

	mu      sync.Mutex
	sold    *Cost                             // nil: not known
	options map[string]remembered[foundPrice] // prices with all their currencies, by id
	portal  remembered[string]                // the id of the portal's configuration
	// The account's own id, "" where the key may not read it.
	account remembered[string]
}

const (
	provider    = "Stripe"
	rememberFor = time.Hour
)

// New returns a client. The options must have been checked: what is wrong with them
// shows in the errors of the calls.
func New(o Options) *Client {
	transport := outbound.NewTransport(outbound.Transport{
		Provider: provider, Base: o.Transport, Secret: o.SecretKey, Refusal: readRefusal, Advise: advised,
	})
	return &Client{
		wire:       newWire(o.URL, o.SecretKey, &http.Client{Transport: transport}),
		caller:     outbound.New(outbound.Options{Provider: provider, Rate: o.Rate, Observe: o.Observe, Recovered: o.Recovered}),
		seatPrices: o.SeatPrices,
		proration:  o.Proration,
	}
}

// remembered is a value that is fetched again after an hour.
type remembered[T any] struct {
	value T
	until time.Time
}

// recall returns the value that was stored, and reports whether it is fresh.
func recall[T any](s *Client, from *remembered[T]) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return from.value, time.Now().Before(from.until)
}

func keep[T any](s *Client, in *remembered[T], value T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*in = remembered[T]{value, time.Now().Add(rememberFor)}
}

// AsFault makes of Stripe's absence, its limits and a deadline that passed a fault that
// callers may be told. All else stays as it is.
func AsFault(err error) error {
	if _, ok := errors.AsType[*fault.Fault](err); ok {
		return err
	}
	if told := outbound.AsFault(err); errors.Is(told, fault.ProviderUnavailable) {
		return told
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.ProviderUnavailable.Because(err)
	}
	return err
}
