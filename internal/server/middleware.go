package server

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/teamtask/teamtask/internal/inbox"
)

// withHeaders sets what every response carries: it is data for a program, not to be
// stored, sniffed or rendered.
func withHeaders(next http.Handler) http.Handler {
	always := http.Header{
		"Cache-Control":           {"no-store"},
		"X-Content-Type-Options":  {"nosniff"},
		"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, values := range always {
			h[name] = values[:1:1] // shared: appending copies it
		}
		next.ServeHTTP(w, r)
	})
}

// stackRoom is about what a call needs of the stack, in bytes.
const stackRoom = 12 << 10

const callMax = 10 * time.Second // the longest a call may take, whatever deadline it brings

// withStack makes the stack large enough while it is still empty. A call over HTTP/2
// has a goroutine of its own, whose small stack would grow several times on the way
// down, and all that is on it be moved each time: a tenth of what a call cost.
func withStack(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		growStack(len(r.Method))
		next.ServeHTTP(w, r)
	})
}

//go:noinline
func growStack(i int) byte {
	var room [stackRoom]byte
	return room[i%stackRoom]
}

// withDeadline gives every call a deadline, however far away the one it brings.
func withDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), callMax)
		defer cancel()
		r = r.WithContext(ctx)
		// Closing the body waits for what has not arrived of it, and a refusal would wait
		// with it. The server closes it after the response.
		r.Body = io.NopCloser(r.Body)
		next.ServeHTTP(w, r)
	})
}

// exceptEvents wraps calls and no events: the inbox has memory of its own for their bodies,
// so that neither takes any from the other.
func exceptEvents(wrap func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		calls := wrap(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if receivesEvents(r.URL.Path) {
				next.ServeHTTP(w, r)
				return
			}
			calls.ServeHTTP(w, r)
		})
	}
}

// withBodyMax bounds what is read of a request: events are larger than calls.
func withBodyMax(next http.Handler) http.Handler {
	calls, events := http.MaxBytesHandler(next, bodyMax), http.MaxBytesHandler(next, inbox.BodyMax)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if receivesEvents(r.URL.Path) {
			events.ServeHTTP(w, r)
			return
		}
		calls.ServeHTTP(w, r)
	})
}
