package main

import (
	"context"
	"io"
	"net/http"
	"sync"

	"github.com/teamtask/teamtask/internal/fault"
)

const (
	// requestBytesMax is how much memory requests and their responses may take up at once,
	// in bytes, beside what each may have freely. One tenant may have half of it.
	requestBytesMax = 32 << 20
	// requestBytesFree is what each request may have freely: most have less than that,
	// and a connection costs more.
	requestBytesFree = 4 << 10
	// requestBytesStep is how much is taken at a time.
	requestBytesStep = 16 << 10
	// answerBytesMax is what one large response takes: a page of 256 KiB of texts, and what
	// goes with them.
	answerBytesMax = answerCopies * 320 << 10
)

// memory counts the bytes that requests take up while they are read and served, and their
// responses until they are written. It is safe to share.
type memory struct {
	max, tenantMax int

	mu  sync.Mutex
	all int
	of  map[string]int // by tenant
}

func newMemory(all, tenant int) *memory {
	return &memory{max: all, tenantMax: tenant, of: make(map[string]int)}
}

// used is how many bytes are taken.
func (m *memory) used() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all
}

// take takes n bytes more for the tenant, and reports whether it may. Without a tenant
// they count only in all. Where all is taken, a tenant that has less than its fair share
// still gets it, until that is twice as much: others may never send the rest of what they
// began, or read the rest of what they asked for.
func (m *memory) take(tenant string, n int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.may(tenant, n) {
		return false
	}
	m.of[tenant] += n
	m.all += n
	return true
}

// may reports whether the tenant may take n bytes more. Where others have taken all, that
// is its fair share, or one large response. The caller holds mu.
func (m *memory) may(tenant string, n int) bool {
	own, all := m.of[tenant]+n, m.all+n
	if tenant != "" && own > m.tenantMax {
		return false
	}
	share := max(m.max/(len(m.of)+1), min(answerBytesMax, m.max/32))
	fair := own <= share && all <= 2*m.max
	return all <= m.max || fair
}

// force takes n bytes more for the tenant whether or not it may.
func (m *memory) force(tenant string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of[tenant] += n
	m.all += n
}

// admits reports whether a call of the tenant may begin: the tenant has not taken more
// than it may and, where the response may be large, could take more.
func (m *memory) admits(tenant string, large bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if large {
		return m.may(tenant, requestBytesStep)
	}
	return tenant == "" || m.of[tenant] <= m.tenantMax
}

// give gives n bytes back.
func (m *memory) give(tenant string, n int) {
	if n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all -= n
	if m.of[tenant] -= n; m.of[tenant] == 0 {
		delete(m.of, tenant)
	}
}

// held is what one request takes up. It is not safe to share.
type held struct {
	io.ReadCloser // the body

	memory  *memory
	tenant  string
	taken   int
	read    int
	encoded int   // bytes of the response that have been counted
	err     error // why no more is read, or nil
	spent   func()
	writer  countedWriter
}

type heldKey struct{}

// withMemory serves requests within what they and their responses may take up at once;
// what is read of a body beyond that ends with OVERLOADED. All is given back when the call
// ends, its response included.
func withMemory(m *memory, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := &held{ReadCloser: r.Body, memory: m, spent: func() {
			if r.ProtoMajor == 1 {
				// Otherwise net/http reads the rest before it answers.
				w.Header().Set("Connection", "close")
			}
		}}
		defer func() { m.give(h.tenant, h.taken) }()
		r = r.WithContext(context.WithValue(r.Context(), heldKey{}, h))
		r.Body = h
		h.writer = countedWriter{ResponseWriter: w, held: h}
		next.ServeHTTP(&h.writer, r)
	})
}

// heldBy says whose request it is that ctx belongs to, before its body is read.
func heldBy(ctx context.Context, tenant string) {
	if h, ok := ctx.Value(heldKey{}).(*held); ok && h.taken == 0 {
		h.tenant = tenant
	}
}

// holds tells whether the request that ctx belongs to may take up so many bytes.
func holds(ctx context.Context, size int) bool {
	h, ok := ctx.Value(heldKey{}).(*held)
	return !ok || h.grow(size)
}

// grow takes as much as is missing to so many bytes.
func (h *held) grow(size int) bool {
	if size <= requestBytesFree || size <= h.taken {
		return true
	}
	more := (size - h.taken + requestBytesStep - 1) / requestBytesStep * requestBytesStep
	if !h.memory.take(h.tenant, more) {
		return false
	}
	h.taken += more
	return true
}

// answer takes what a response of so many bytes needs, besides the request, and reports
// whether it may. Where it must, it takes that in any case.
func (h *held) answer(size int, must bool) bool {
	if size <= requestBytesFree {
		return true
	}
	n := answerCopies * size
	if must {
		h.memory.force(h.tenant, n)
	} else if !h.memory.take(h.tenant, n) {
		return false
	}
	h.taken += n
	h.encoded = size
	return true
}

// written takes what n bytes that are being written need beyond what answer took.
func (h *held) written(n int) {
	if more := n - max(h.encoded, requestBytesFree); more > 0 {
		h.memory.force(h.tenant, more)
		h.taken += more
		h.encoded = n
	}
}

// shrink gives back all but so many bytes.
func (h *held) shrink(taken int) {
	h.memory.give(h.tenant, h.taken-taken)
	h.taken, h.encoded = taken, 0
}

// Read implements io.Reader. The buffer that a message is read into doubles when it is
// full.
func (h *held) Read(p []byte) (int, error) {
	if h.err != nil {
		return 0, h.err
	}
	n, err := h.ReadCloser.Read(p)
	h.read += n
	if h.read > requestBytesFree && !h.grow(2*h.read) {
		h.err = fault.Overloaded.OnRead()
		h.spent()
		return n, h.err
	}
	return n, err
}
