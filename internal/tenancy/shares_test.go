package tenancy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

// taker takes connections of a pool and gives them back in any order.
type taker struct {
	*testing.T
	shares *shares
}

// now takes one, and reports whether that was possible at once.
func (k taker) now(tenant, statement string) (leave func(), ok bool) {
	k.Helper()
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	h, err := k.shares.enter(ctx, tenant, statement)
	return func() { k.shares.leave(h) }, err == nil
}

// many takes as many as there are for the tenant.
func (k taker) many(tenant, statement string) (leave []func()) {
	k.Helper()
	for {
		one, ok := k.now(tenant, statement)
		if !ok {
			return leave
		}
		leave = append(leave, one)
	}
}

func TestTenantLeavesConnectionsForOthers(t *testing.T) {
	t.Parallel()
	for size, want := range map[int][]int{1: {1, 0}, 2: {1, 1, 0}, 4: {3, 1, 0}, 8: {6, 1, 1, 0}, 64: {48, 12, 3, 1, 0}} {
		k := taker{t, newShares(size)}
		for i, n := range want {
			if got := len(k.many(fmt.Sprintf("org_%d", i), "s")); got != n {
				t.Errorf("of %d connections tenant %d has %d, want %d", size, i, got, n)
			}
		}
	}
}

// The system's own work for a tenant takes nothing of its members' share.
func TestTheSystemHasAShareBesideATenantsMembers(t *testing.T) {
	t.Parallel()
	ann := Actor{User: "user_ann", Tenant: "org_a", IssuedAt: time.Now()}
	ben := Actor{User: "user_ben", Tenant: "org_a", IssuedAt: time.Now()}
	system := System("org_a", "jobs")
	if shareOf(ann) != shareOf(ben) || shareOf(system) == shareOf(ann) || shareOf(system) == shareOf(System("org_b", "jobs")) {
		t.Errorf("got %q, %q, %q, %q", shareOf(ann), shareOf(ben), shareOf(system), shareOf(System("org_b", "jobs")))
	}
}

func TestConnectionsThatAreLeftAreTakenAgain(t *testing.T) {
	t.Parallel()
	k := taker{t, newShares(8)}
	for range 50 {
		for i := range 4 {
			leave := k.many(fmt.Sprintf("org_%d", i), "s")
			if len(leave) != 6 {
				t.Fatalf("got %d connections, want 6", len(leave))
			}
			for _, end := range leave {
				end()
			}
		}
	}
}

// Calls of a tenant that wait for its share do not stand in the way of others' that came later.
func TestOthersAreServedPastTheQueueOfATenant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShares(8)
		k := taker{t, s}
		k.many("org_a", "s")
		k.many("org_b", "s")
		last, _ := k.now("org_c", "s")
		var mu sync.Mutex
		var order []string
		ctx, cancel := context.WithCancel(t.Context())
		wait := func(tenant string) {
			go func() {
				if _, err := s.enter(ctx, tenant, "s"); err == nil {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, tenant)
				}
			}()
			synctest.Wait()
		}
		for range 5 {
			wait("org_a")
		}
		wait("org_e")
		last()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if len(order) != 1 || order[0] != "org_e" {
			t.Errorf("got %v, want org_e", order)
		}
		if len(s.queue) != 0 {
			t.Errorf("%d still wait", len(s.queue))
		}
	})
}

// A statement that waits for a lock for several tenants leaves connections to all others.
func TestStatementThatWaitsForALockIsHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShares(8)
		k := taker{t, s}
		for range 100 {
			s.waitedInVain("org_a", "locked") // its own members' doing
		}
		if got := k.all("locked"); got != 8 {
			t.Errorf("one tenant waited: got %d connections, want 8", got)
		}
		s.waitedInVain("org_b", "locked")
		if got := k.all("locked"); got != 2 {
			t.Errorf("two tenants waited: got %d connections, want 2", got)
		}
		if got := k.all("other"); got != 8 {
			t.Errorf("another statement: got %d connections, want 8", got)
		}

		first, _ := k.now("org_1", "locked")
		k.now("org_2", "locked")
		errs := make(chan error, 100)
		for i := range 100 {
			go func() {
				_, err := s.enter(t.Context(), fmt.Sprintf("org_%d", 10+i), "locked")
				errs <- err
			}()
		}
		synctest.Wait()
		if got := len(errs); got != 100-2*8 {
			t.Errorf("%d were refused at once, want all but %d", got, 2*8)
		}
		first()
		synctest.Wait()
		if got := len(errs); got != 100-2*8+1 {
			t.Errorf("the one that waited longest did not get its turn: %d", got)
		}
		<-time.After(lockedWait)
		synctest.Wait()
		served := 0
		for range len(errs) {
			if err := <-errs; err == nil {
				served++
			} else if !errors.Is(err, fault.Overloaded) {
				t.Errorf("got %v, want fault.Overloaded", err)
			}
		}
		if served != 1 || len(s.queue) != 0 {
			t.Errorf("%d were served and %d wait, want 1 and 0", served, len(s.queue))
		}
		<-time.After(lockedFor)
		if got := k.all("locked"); got != 6 {
			t.Errorf("the lock is free: got %d connections besides two, want 6", got)
		}
	})
}

// all is how many tenants have one connection each at once for the statement. It gives
// them back.
func (k taker) all(statement string) int {
	k.Helper()
	n := 0
	for i := 0; ; i++ {
		leave, ok := k.now(fmt.Sprintf("org_x%d", i), statement)
		if !ok {
			return n
		}
		defer leave()
		n++
	}
}

func TestWaitForAShareEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newShares(1)
	h, err := s.enter(t.Context(), "org_a", "s")
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := s.enter(ctx, "org_a", "s"); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
	s.leave(h)
	if _, err := s.enter(t.Context(), "org_a", "s"); err != nil {
		t.Error(err)
	}
}
