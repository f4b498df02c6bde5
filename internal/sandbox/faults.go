package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	serviceClerk = "clerk"
	delayMax     = 60_000 // milliseconds
)

// fault is what POST /sandbox/faults asks for: a number of coming requests go wrong. A fault that is asked for while there are
// others comes after them.
type fault struct {
	// Service is clerk or stripe.
	Service string `json:"service"`
	// Method is an HTTP method. Empty or *: any.
	Method string `json:"method"`
	// Path is how the path starts, as the service's documentation writes it ("/users", also "/v1/users") or whole. Empty: any.
	Path string `json:"path"`
	// Status is answered instead, from 400 to 599, with a Body also from 200. 0: the request goes its way after the delay, or 200
	// where there is a Body.
	Status int `json:"status"`
	// Body is answered with the status instead of an error of the service: HTML, or JSON that ends too early. Empty: the error.
	Body string `json:"body"`
	// RetryAfter is the header of that name, in seconds. 0: none.
	RetryAfter int `json:"retry_after"`
	// DelayMS is waited first, in milliseconds, or after what was asked is done with ApplyFirst.
	DelayMS int `json:"delay_ms"`
	// Times is how many requests go wrong. Absent: 1. -1: all until a reset.
	Times *int `json:"times"`
	// ApplyFirst does what was asked, tells of it and then answers Status, or late.
	ApplyFirst bool `json:"apply_first"`
	// Lie answers 200 with what would have been and does nothing.
	Lie bool `json:"lie"`
}

// faults are those to come, oldest first. The zero value has none.
type faults struct {
	mu   sync.Mutex
	list []fault
}

func (f *fault) check() error {
	if f.Times == nil {
		one := 1
		f.Times = &one
	}
	var words string
	switch {
	case f.Service != serviceClerk && f.Service != serviceStripe:
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
	case f.Lie && (f.answers() || f.ApplyFirst):
		words = "A lie answers 200 and does nothing: it goes with neither status, body nor apply_first."
	case f.ApplyFirst && !f.answers() && f.DelayMS == 0:
		words = "With apply_first goes the status to answer, or a delay_ms."
	case !f.answers() && f.DelayMS == 0 && !f.Lie:
		words = "A fault needs a status, a delay_ms or a lie."
	default:
		return nil
	}
	return refuse(http.StatusBadRequest, "%s", words)
}

// answers says whether a fault has an answer of its own.
func (f *fault) answers() bool { return f.Status != 0 || f.Body != "" }

// kind is what the body looks like.
func (f *fault) kind() string {
	switch {
	case strings.HasPrefix(f.Body, "<"):
		return "text/html; charset=utf-8"
	case strings.HasPrefix(f.Body, "{"), strings.HasPrefix(f.Body, "["):
		return jsonKind
	}
	return "text/plain; charset=utf-8"
}

// wait waits for the delay, and says whether it was over before the client went away.
func (f *fault) wait(ctx context.Context) bool {
	return f.DelayMS == 0 || sleep(time.Duration(f.DelayMS)*time.Millisecond, ctx.Done())
}

func (f *fault) meets(service string, r *http.Request) bool {
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

func (f *faults) add(one fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, one)
}

func (f *faults) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// take answers the fault that a request to a service meets, and counts it.
func (f *faults) take(service string, r *http.Request) (fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.list, func(one fault) bool { return one.meets(service, r) })
	if i < 0 {
		return fault{}, false
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

// withFaults makes requests to Clerk go wrong that meet a fault.
func (s *Sandbox) withFaults(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := s.faults.take(serviceClerk, r)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		done := &kept{silent: silent{header: http.Header{}}}
		if f.ApplyFirst {
			next.ServeHTTP(done, r)
		}
		if !f.wait(r.Context()) {
			return
		}
		switch {
		case f.Lie:
			s.lie(w, r)
			return
		case f.ApplyFirst && !f.answers():
			maps.Copy(w.Header(), done.header)
			w.WriteHeader(done.status)
			_, _ = w.Write(done.body.Bytes())
			return
		case !f.answers():
			next.ServeHTTP(w, r)
			return
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		if f.Body != "" {
			w.Header().Set("Content-Type", f.kind())
			w.WriteHeader(cmp.Or(f.Status, http.StatusOK))
			_, _ = io.WriteString(w, f.Body)
			return
		}
		writeClerkRefusal(w, statusRefusal(f.Status))
	})
}

// lie answers 200 with what a copy of the directory answers, which is then forgotten; where that is a refusal, with an empty
// object.
func (s *Sandbox) lie(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	shadow := &Sandbox{baseURL: s.baseURL, now: s.now, started: s.started, key: s.key, dir: s.dir.clone()} // without a courier
	s.mu.Unlock()
	said := &kept{silent: silent{header: http.Header{}}}
	shadow.clerkMethods().ServeHTTP(said, r)
	body := []byte("{}\n")
	if said.status == http.StatusOK {
		body = said.body.Bytes()
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// kept is a ResponseWriter that keeps the body too.
type kept struct {
	silent
	body bytes.Buffer
}

func (k *kept) Write(p []byte) (int, error) {
	_, _ = k.silent.Write(p)
	return k.body.Write(p)
}

// statusRefusal is a refusal that says no more than its status.
func statusRefusal(status int) error {
	r := &refusal{status: status, code: "bad_request", words: http.StatusText(status)}
	switch {
	case status == http.StatusTooManyRequests:
		r.code, r.words = "too_many_requests", "Too many requests. Please try again in a bit."
	case status == http.StatusUnauthorized:
		r.code = "authentication_invalid"
	case status == http.StatusForbidden:
		r.code = "authorization_invalid"
	case status == http.StatusNotFound:
		r.code = "resource_not_found"
	case status >= http.StatusInternalServerError:
		r.code, r.words = "internal_clerk_error", "There was an internal error on our servers."
	}
	if r.words == "" {
		r.words = "Status " + strconv.Itoa(status)
	}
	return r
}
