package inbox

import (
	"container/list"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

const (
	bodiesMax    = 256      // bodies that are read at once
	bodyBytesMax = 24 << 20 // memory for them
	bodyWithin   = 5 * time.Second
	bodyStep     = 4 << 10 // bytes that a body begins with; then it doubles
)

// bodies is the memory budget for the bodies of events that are being read, apart from that of
// calls. Whether a body is signed is known only at its end, so a full budget refuses no new body:
// it ends the one that has been read for the longest. The body of an event arrives within
// moments, so a body that stalls on purpose soon is that one. It is safe to share.
type bodies struct {
	mostAtOnce, mostBytes int

	mu    sync.Mutex
	order *list.List // of *reading, the longest first
	bytes int
}

// reading is one body that is being read.
type reading struct {
	cancel func() // ends the read
	bytes  int
	place  *list.Element // nil once it has ended or was evicted
}

func newBodies(atOnce, bytes int) *bodies {
	return &bodies{mostAtOnce: atOnce, mostBytes: bytes, order: list.New()}
}

// used returns how many bodies are being read, and their bytes.
func (b *bodies) used() (atOnce, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.order.Len(), b.bytes
}

// begin adds a body. cancel is called if it is evicted.
func (b *bodies) begin(cancel func()) *reading {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.order.Len() >= b.mostAtOnce {
		b.evict()
	}
	r := &reading{cancel: cancel}
	r.place = b.order.PushBack(r)
	return r
}

// grow takes n more bytes, and reports whether the body may go on.
func (b *bodies) grow(r *reading, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r.place != nil && b.bytes+n > b.mostBytes {
		b.evict() // perhaps r itself
	}
	if r.place == nil {
		return false
	}
	r.bytes += n
	b.bytes += n
	return true
}

// evict ends the body that has been read for the longest. The caller holds mu.
func (b *bodies) evict() {
	r, ok := b.order.Front().Value.(*reading)
	if ok {
		b.drop(r)
		r.cancel()
	}
}

// end returns the memory, and reports whether the body was not evicted.
func (b *bodies) end(r *reading) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.place == nil {
		return false
	}
	b.drop(r)
	return true
}

func (b *bodies) drop(r *reading) {
	b.order.Remove(r.place)
	b.bytes -= r.bytes
	r.place = nil
}

// read reads all of the body, as it came, within bodyWithin. Its error is a Cause.
func (b *bodies) read(ctx context.Context, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	// A connection that cannot be given a deadline ends by those of the server.
	_ = control.SetReadDeadline(time.Now().Add(bodyWithin))
	mine := b.begin(func() { _ = control.SetReadDeadline(time.Unix(1, 0)) })
	body, err := b.readAll(ctx, mine, http.MaxBytesReader(w, r.Body, BodyMax))
	evicted := !b.end(mine)
	if err == nil && !evicted {
		_ = control.SetReadDeadline(time.Time{})
		return body, nil
	}
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close") // otherwise net/http reads the rest before it responds
	}
	if evicted || errors.Is(err, fault.Overloaded) {
		return nil, CauseBusy
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, CauseTooLarge
	}
	return nil, CauseBody
}

var errEvicted = errors.New("the body was evicted")

func (b *bodies) readAll(ctx context.Context, mine *reading, from io.Reader) ([]byte, error) {
	if !b.grow(mine, bodyStep) {
		return nil, errEvicted
	}
	body := make([]byte, 0, bodyStep)
	for ctx.Err() == nil {
		if len(body) == cap(body) {
			more := cap(body)
			if !b.grow(mine, more) {
				return nil, errEvicted
			}
			body = append(make([]byte, 0, 2*more), body...)
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, ctx.Err()
}
