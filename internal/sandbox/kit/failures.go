package kit

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The services of a failure or a delivery, which are also where their addresses start.
const (
	Clerk  = "clerk"
	Stripe = "stripe"
)

const delayMax = 60_000 // milliseconds

// Failure is an injected failure, as POST /sandbox/faults takes it: a number of coming requests fail. A failure injected while
// others are left comes after them.
type Failure struct {
	// Service is clerk or stripe.
	Service string `json:"service"`
	// Method is an HTTP method. Empty or *: any.
	Method string `json:"method"`
	// Path is how the path starts, as the service's documentation writes it ("/users", also "/v1/users") or whole. Empty: any.
	Path string `json:"path"`
	// Status is that of the response, from 400 to 599, with a Body also from 200. 0: the request is carried out after the delay,
	// or the status is 200 where there is a Body.
	Status int `json:"status"`
	// Body is the body of the response instead of an error of the service: HTML, or JSON that ends too early. Empty: the error.
	Body string `json:"body"`
	// RetryAfter is the header of that name, in seconds. 0: none.
	RetryAfter int `json:"retry_after"`
	// DelayMS is how long to wait first, in milliseconds; with ApplyFirst, how long to wait after the request is carried out.
	DelayMS int `json:"delay_ms"`
	// Times is how many requests fail. Absent: 1. -1: all until a reset.
	Times *int `json:"times"`
	// ApplyFirst carries the request out, sends its events, and then responds with Status, or late.
	ApplyFirst bool `json:"apply_first"`
	// Lie responds with 200 and what would have been, and changes nothing.
	Lie bool `json:"lie"`
}

func (f *Failure) check() error {
	if f.Times == nil {
		one := 1
		f.Times = &one
	}
	var words string
	switch {
	case f.Service != Clerk && f.Service != Stripe:
		words = "The service is clerk or stripe."
	case f.Path != "" && !strings.HasPrefix(f.Path, "/"):
		words = "The path starts with a slash."
	case f.Status != 0 && (f.Status < 400 && f.Body == "" || f.Status < 200 || f.Status > 599):
		words = "The status is from 400 to 599, with a body from 200."
	case f.RetryAfter < 0:
		words = "The retry_after is whole seconds."
	case f.DelayMS < 0 || f.DelayMS > delayMax:
		words = "The delay_ms is from 0 to 60000."
	case *f.Times != -1 && *f.Times < 1:
		words = "The times are 1 or more, or -1 for all until a reset."
	case f.Lie && (f.HasResponse() || f.ApplyFirst):
		words = "A lie responds with 200 and changes nothing: it goes with neither status, body nor apply_first."
	case f.ApplyFirst && !f.HasResponse() && f.DelayMS == 0:
		words = "With apply_first goes the status of the response, or a delay_ms."
	case !f.HasResponse() && f.DelayMS == 0 && !f.Lie:
		words = "A failure needs a status, a delay_ms or a lie."
	default:
		return nil
	}
	return Refuse(http.StatusBadRequest, "%s", words)
}

// HasResponse reports whether a failure has a response of its own.
func (f *Failure) HasResponse() bool { return f.Status != 0 || f.Body != "" }

// ContentType returns the media type of the body by how it starts.
func (f *Failure) ContentType() string {
	switch {
	case strings.HasPrefix(f.Body, "<"):
		return "text/html; charset=utf-8"
	case strings.HasPrefix(f.Body, "{"), strings.HasPrefix(f.Body, "["):
		return JSONType
	}
	return "text/plain; charset=utf-8"
}

// Wait waits for the delay and reports whether it passed before ctx ended.
func (f *Failure) Wait(ctx context.Context) bool {
	return f.DelayMS == 0 || sleep(time.Duration(f.DelayMS)*time.Millisecond, ctx.Done())
}

func (f *Failure) matches(service string, r *http.Request) bool {
	if f.Service != service {
		return false
	}
	if f.Method != "" && f.Method != "*" && !strings.EqualFold(f.Method, r.Method) {
		return false
	}
	whole := r.URL.Path
	root := "/" + service
	return strings.HasPrefix(whole, f.Path) || strings.HasPrefix(strings.TrimPrefix(whole, root), f.Path) ||
		strings.HasPrefix(strings.TrimPrefix(whole, root+"/v1"), f.Path)
}

// Failures is the injected failures that are left, oldest first. The zero value has none. It is safe for concurrent use.
type Failures struct {
	mu   sync.Mutex
	list []Failure
}

// Control returns the control request that injects a failure.
func (f *Failures) Control() Control { return Control{"POST /sandbox/faults": f.inject} }

// inject serves POST /sandbox/faults with a Failure.
func (f *Failures) inject(r *http.Request) (any, error) {
	var body Failure
	if err := ReadControl(r, &body); err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, body)
	return body, nil
}

// Reset drops all failures.
func (f *Failures) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// Take returns the failure that a request to a service matches, and counts it.
func (f *Failures) Take(service string, r *http.Request) (Failure, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.list, func(one Failure) bool { return one.matches(service, r) })
	if i < 0 {
		return Failure{}, false
	}
	found := f.list[i]
	switch left := *found.Times; {
	case left == 1:
		f.list = slices.Delete(f.list, i, i+1)
	case left > 1:
		left--
		f.list[i].Times = &left
	}
	return found, true
}
