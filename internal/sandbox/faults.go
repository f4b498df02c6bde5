package sandbox

import (
	"bytes"
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
	// Service is clerk.
	Service string `json:"service"`
	// Method is an HTTP method. Empty or *: any.
	Method string `json:"method"`
	// Path is how the path starts, as Clerk's documentation writes it ("/users", also "/v1/users") or whole. Empty: any.
	Path string `json:"path"`
	// Status is answered instead, from 400 to 599. 0: the request goes its way after the delay.
	Status int `json:"status"`
	// RetryAfter is the header of that name, in seconds. 0: none.
	RetryAfter int `json:"retry_after"`
	// DelayMS is waited first, in milliseconds.
	DelayMS int `json:"delay_ms"`
	// Times is how many requests go wrong. Absent: 1. -1: all until a reset.
	Times *int `json:"times"`
	// ApplyFirst does what was asked, tells of it and then answers Status.
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
	case f.Service == "stripe":
		words = "The sandbox has no Stripe yet: the service is clerk."
	case f.Service != serviceClerk:
		words = "The service is clerk."
	case f.Path != "" && !strings.HasPrefix(f.Path, "/"):
		words = "The path starts with a slash."
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		words = "The status is from 400 to 599."
	case f.RetryAfter < 0:
		words = "The retry_after is whole seconds."
	case f.DelayMS < 0 || f.DelayMS > delayMax:
		words = "The delay_ms is from 0 to 60000."
	case *f.Times != -1 && *f.Times < 1:
		words = "The times are 1 or more, or -1 for all until a reset."
	case f.Lie && (f.Status != 0 || f.ApplyFirst):
		words = "A lie answers 200 and does nothing: it goes with neither status nor apply_first."
	case f.ApplyFirst && f.Status == 0:
		words = "With apply_first goes the status to answer."
	case f.Status == 0 && f.DelayMS == 0 && !f.Lie:
		words = "A fault needs a status, a delay_ms or a lie."
	default:
		return nil
	}
	return refuse(http.StatusBadRequest, "%s", words)
}

func (f *fault) meets(r *http.Request) bool {
	if f.Method != "" && f.Method != "*" && !strings.EqualFold(f.Method, r.Method) {
		return false
	}
	whole := r.URL.Path
	return strings.HasPrefix(whole, f.Path) || strings.HasPrefix(strings.TrimPrefix(whole, "/"+serviceClerk), f.Path) ||
		strings.HasPrefix(strings.TrimPrefix(whole, clerkRoot), f.Path)
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

// take answers the fault that a request meets, and counts it.
func (f *faults) take(r *http.Request) (fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.list, func(one fault) bool { return one.meets(r) })
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

// withFaults makes requests go wrong that meet a fault.
func (s *Sandbox) withFaults(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := s.faults.take(r)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		if f.DelayMS > 0 {
			select {
			case <-time.After(time.Duration(f.DelayMS) * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		switch {
		case f.Lie:
			s.lie(w, r)
			return
		case f.ApplyFirst:
			next.ServeHTTP(&kept{silent: silent{header: http.Header{}}}, r)
		case f.Status == 0:
			next.ServeHTTP(w, r)
			return
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
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
