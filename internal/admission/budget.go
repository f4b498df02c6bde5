package admission

import "sync"

const (
	// RequestBytesMax is how much memory requests and their responses may take up at once,
	// in bytes, besides what each may have freely. One tenant may have half of it.
	RequestBytesMax = 32 << 20
	// requestBytesFree is what each request may have freely: most have less than that,
	// and a connection costs more.
	requestBytesFree = 4 << 10
	// requestBytesStep is how much is taken at a time.
	requestBytesStep = 16 << 10
	// responseBytesMax is what one large response takes: a page of 256 KiB of texts, and
	// what goes with them.
	responseBytesMax = ResponseCopies * 320 << 10
)

// MemoryBudget bounds the bytes that requests take up while they are read and served, and
// their responses until they are written. It is safe to share.
type MemoryBudget struct {
	max, tenantMax int

	mu       sync.Mutex
	all      int
	byTenant map[string]int
}

// NewMemoryBudget returns a budget of so many bytes in all and of one tenant.
func NewMemoryBudget(all, tenant int) *MemoryBudget {
	return &MemoryBudget{max: all, tenantMax: tenant, byTenant: make(map[string]int)}
}

// Used returns how many bytes are taken.
func (b *MemoryBudget) Used() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all
}

// UsedBy returns how many bytes the tenant has taken.
func (b *MemoryBudget) UsedBy(tenant string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byTenant[tenant]
}

// Take takes n bytes for the tenant, and reports whether it may. Without a tenant they
// count only in all. Where all is taken, a tenant that has less than its fair share still
// gets it, until that is twice as much: others may never send the rest of what they began,
// or read the rest of what they asked for.
func (b *MemoryBudget) Take(tenant string, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.may(tenant, n) {
		return false
	}
	b.byTenant[tenant] += n
	b.all += n
	return true
}

// may reports whether the tenant may take n bytes more. Where others have taken all, that
// is its fair share, or one large response. The caller holds mu.
func (b *MemoryBudget) may(tenant string, n int) bool {
	own, all := b.byTenant[tenant]+n, b.all+n
	if tenant != "" && own > b.tenantMax {
		return false
	}
	share := max(b.max/(len(b.byTenant)+1), min(responseBytesMax, b.max/32))
	fair := own <= share && all <= 2*b.max
	return all <= b.max || fair
}

// Force takes n bytes for the tenant whether or not it may.
func (b *MemoryBudget) Force(tenant string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.byTenant[tenant] += n
	b.all += n
}

// admits reports whether a call of the tenant may begin: the tenant has not taken more
// than it may and, where the response may be large, could take more.
func (b *MemoryBudget) admits(tenant string, large bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if large {
		return b.may(tenant, requestBytesStep)
	}
	return tenant == "" || b.byTenant[tenant] <= b.tenantMax
}

// Give gives n bytes back.
func (b *MemoryBudget) Give(tenant string, n int) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all -= n
	if b.byTenant[tenant] -= n; b.byTenant[tenant] == 0 {
		delete(b.byTenant, tenant)
	}
}

// Reservation is what one request, or one message, has taken of a budget. It is not safe
// to share.
type Reservation struct {
	budget *MemoryBudget
	tenant string
	taken  int
}

// Reserve returns a reservation that has taken nothing yet and belongs to no tenant.
func (b *MemoryBudget) Reserve() *Reservation { return &Reservation{budget: b} }

// Buffer takes what a buffer needs that n bytes have been read into, and reports whether
// it may. A buffer doubles when it is full.
func (r *Reservation) Buffer(n int) bool { return n <= requestBytesFree || r.grow(2*n) }

// grow takes as much as is missing to so many bytes, and reports whether it may.
func (r *Reservation) grow(size int) bool {
	if size <= requestBytesFree || size <= r.taken {
		return true
	}
	more := (size - r.taken + requestBytesStep - 1) / requestBytesStep * requestBytesStep
	if !r.budget.Take(r.tenant, more) {
		return false
	}
	r.taken += more
	return true
}

// force takes n bytes whether or not it may.
func (r *Reservation) force(n int) {
	r.budget.Force(r.tenant, n)
	r.taken += n
}

// shrink gives back all but so many bytes.
func (r *Reservation) shrink(taken int) {
	r.budget.Give(r.tenant, r.taken-taken)
	r.taken = taken
}

// Release gives back all. The reservation can be used again.
func (r *Reservation) Release() { r.shrink(0) }
