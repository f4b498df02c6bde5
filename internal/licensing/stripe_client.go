package licensing

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

// StripeOptions set up a Stripe. SecretKey is required, and SeatPrices for everything
// but Setup.
type StripeOptions struct {
	// URL is where the API is, with or without /v1; "": Stripe's own.
	URL string
	// SecretKey is sent with each request. It is in no error and no observation.
	SecretKey string
	// SeatPrices are the ids of the prices that count as seats; the first is sold.
	SeatPrices []string
	// Proration says how the portal bills a change of seats: "always_invoice",
	// "create_prorations" or "none"; "": the usual way for the price that is sold.
	Proration string
	// Observe is told of each call when it has ended; nil: nobody is. It is called from
	// many goroutines at once.
	Observe func(Observation)
	// HTTP sends the requests; nil: a client of its own.
	HTTP *http.Client
}

// Observation is how one call to Stripe ended. The pages of a list are calls of their
// own.
type Observation struct {
	Method   string        // for instance "customers.create"
	Outcome  string        // "ok", "canceled", or a StripeKind
	Duration time.Duration // with all waiting
	Attempts int           // requests made: 0 where nothing was sent
}

// Stripe speaks to one Stripe account. It is safe to share, and should be: its limits
// hold for the calls made through it. A call may wait, for a turn or for Stripe, until
// its context ends; never call inside a transaction.
//
// Every write takes an idempotency key and sends it with each attempt. The same key
// with the same parameters does nothing a second time for 24 hours: it answers what was
// answered first.
//
// Errors: a call whose context ended answers the context's error. All others are a
// *StripeError; asFault makes of them what callers may be told.
type Stripe struct {
	wire       wire
	gate       *stripeGate
	observe    func(Observation)
	seatPrices []string
	proration  string

	mu      sync.Mutex
	sold    *cost                             // nil: not known
	options map[string]remembered[foundPrice] // prices with all their currencies, by id
	portal  remembered[string]                // the id of the portal's configuration
	// The account's own id, "" where the key may not read it.
	account remembered[string]
}

const (
	rememberFor       = time.Hour
	stripeConnections = inFlightMax
	stripeHeadersMax  = 64 << 10 // bytes of the headers of an answer
)

// NewStripe makes a client. The options must have been checked: what is wrong with them
// shows in the errors of the calls.
func NewStripe(o StripeOptions) *Stripe {
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	var client http.Client
	if o.HTTP != nil {
		client = *o.HTTP
	}
	if client.Transport == nil {
		client.Transport = stripePool()
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	clean := func(text string) string {
		if o.SecretKey == "" {
			return text
		}
		return strings.ReplaceAll(text, o.SecretKey, "[secret key]")
	}
	return &Stripe{
		wire:       newWire(o.URL, o.SecretKey, stripeTransport{&client, clean}),
		gate:       newStripeGate(),
		observe:    o.Observe,
		seatPrices: o.SeatPrices,
		proration:  o.Proration,
	}
}

// stripePool is a pool of connections large enough for all requests in flight.
func stripePool() http.RoundTripper {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	t.MaxIdleConnsPerHost = stripeConnections
	t.MaxResponseHeaderBytes = stripeHeadersMax
	return t
}

// remembered is a value that is asked for anew after an hour.
type remembered[T any] struct {
	value T
	until time.Time
}

// recall answers the value that was kept, and whether it is fresh.
func recall[T any](s *Stripe, from *remembered[T]) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return from.value, time.Now().Before(from.until)
}

func keep[T any](s *Stripe, in *remembered[T], value T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*in = remembered[T]{value, time.Now().Add(rememberFor)}
}

// asFault makes of Stripe's absence, its limits and a deadline that passed a fault that
// callers may be told. All else stays as it is.
func asFault(err error) error {
	if _, ok := errors.AsType[*fault.Fault](err); ok {
		return err
	}
	e, ok := errors.AsType[*StripeError](err)
	switch {
	case ok && (e.Kind == StripeUnavailable || e.Kind == StripeRateLimited):
		return fault.ProviderUnavailable.Because(err).After(e.RetryAfter)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.ProviderUnavailable.Because(err)
	}
	return err
}
