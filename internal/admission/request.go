package admission

import (
	"context"
	"io"
	"net/http"

	"github.com/teamtask/teamtask/internal/fault"
)

// request is what one request and its response take up. It is not safe to share.
type request struct {
	io.ReadCloser // the body
	Reservation

	read    int
	encoded int           // bytes of the response that have been counted
	err     error         // why no more is read, or nil
	close   func()        // lets the connection end with the response
	writer  countedWriter // of the response
}

type requestKey struct{}

// requestOf returns the request that ctx belongs to; ok is false where it is not counted.
func requestOf(ctx context.Context) (r *request, ok bool) {
	r, ok = ctx.Value(requestKey{}).(*request)
	return r, ok
}

// Handler serves requests within the memory that they and their responses may take up at
// once; what is read of a body beyond that ends with OVERLOADED. All is given back when the
// call ends, its response included.
func (b *MemoryBudget) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted := &request{ReadCloser: r.Body, Reservation: Reservation{budget: b}, close: func() {
			if r.ProtoMajor == 1 {
				// Otherwise net/http reads the rest before it responds.
				w.Header().Set("Connection", "close")
			}
		}}
		defer counted.Release()
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, counted))
		r.Body = counted
		counted.writer = countedWriter{ResponseWriter: w, request: counted}
		next.ServeHTTP(&counted.writer, r)
	})
}

// setTenant sets whose request it is that ctx belongs to, before its body is read.
func setTenant(ctx context.Context, tenant string) {
	if r, ok := requestOf(ctx); ok && r.taken == 0 {
		r.tenant = tenant
	}
}

// reserve reports whether the request that ctx belongs to may take up so many bytes, and
// takes them.
func reserve(ctx context.Context, size int) bool {
	r, ok := requestOf(ctx)
	return !ok || r.grow(size)
}

// Read implements io.Reader.
func (r *request) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.ReadCloser.Read(p)
	r.read += n
	if !r.Buffer(r.read) {
		r.err = fault.Overloaded.OnRead()
		r.close()
		return n, r.err
	}
	return n, err
}

// respond takes what a response of so many bytes needs, besides the request, and reports
// whether it may. Where it must, it takes that in any case.
func (r *request) respond(size int, must bool) bool {
	if size <= requestBytesFree {
		return true
	}
	n := ResponseCopies * size
	if must {
		r.budget.Force(r.tenant, n)
	} else if !r.budget.Take(r.tenant, n) {
		return false
	}
	r.taken += n
	r.encoded = size
	return true
}

// written takes what n bytes that are being written need beyond what respond took.
func (r *request) written(n int) {
	if more := n - max(r.encoded, requestBytesFree); more > 0 {
		r.force(more)
		r.encoded = n
	}
}
