package admission

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// Under many requests at once no more is taken than the budget, and all is given back.
func TestNoMoreIsTakenThanMayBe(t *testing.T) {
	t.Parallel()
	const all, tenant = 1 << 20, 1 << 19
	m := NewMemoryBudget(all, tenant)
	var inAll atomic.Int64
	atOnce(crowd, func(worker int) {
		random := rand.New(rand.NewPCG(1, uint64(worker)))
		name := fmt.Sprint("org_", worker%11)
		var taken []int
		for range 2_000 {
			if n := 1 + random.IntN(tenant/3); random.IntN(2) == 0 && m.Take(name, n) {
				taken = append(taken, n)
				if now := inAll.Add(int64(n)); now > 2*all {
					t.Errorf("%d are taken", now)
				}
			} else if len(taken) > 0 {
				inAll.Add(int64(-taken[0]))
				m.Give(name, taken[0])
				taken = taken[1:]
			}
		}
		for _, n := range taken {
			inAll.Add(int64(-n))
			m.Give(name, n)
		}
	})
	if m.Used() != 0 || len(m.byTenant) != 0 {
		t.Errorf("%d bytes are left, of %d tenants", m.Used(), len(m.byTenant))
	}
}

func TestATenantMayTakeHalfAndAlwaysItsFairShare(t *testing.T) {
	t.Parallel()
	m := NewMemoryBudget(100, 50)
	for _, c := range []struct {
		tenant string
		bytes  int
		want   bool
	}{
		{"a", 50, true}, {"a", 1, false}, {"b", 50, true}, {"b", 1, false},
		{"c", 34, false}, {"c", 33, true}, {"c", 1, false}, {"d", 25, true}, {"e", 20, true}, {"f", 16, true},
		{"g", 14, false}, {"g", 6, true}, {"h", 1, false}, {"", 1, false},
	} {
		if got := m.Take(c.tenant, c.bytes); got != c.want {
			t.Errorf("%d more for %q: %v, want %v", c.bytes, c.tenant, got, c.want)
		}
	}
	m.Give("a", 50)
	if !m.Take("h", 10) {
		t.Error("what was given back is not there")
	}
}

// However many read their responses slowly, a tenant that has none gets a large one.
func TestATenantGetsALargeResponseBesideManySlowReaders(t *testing.T) {
	t.Parallel()
	m := NewMemoryBudget(RequestBytesMax, RequestBytesMax/2)
	for i := range 60 {
		if !m.Take(fmt.Sprint("reader ", i), responseBytesMax) {
			t.Fatalf("tenant %d has no response", i)
		}
	}
	if m.Take("reader 0", requestBytesStep) {
		t.Error("one that has a response gets more")
	}
}
