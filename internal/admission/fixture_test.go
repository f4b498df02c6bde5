package admission

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

const (
	gamers = "org_d2gamers"
	acme   = "org_acme"

	waitMax = 45 * time.Second // for what must come: far longer than it takes
	crowd   = 32               // how many do the same thing at once
)

// tight are limits of so many at work and waiting, either in all or of each tenant.
func tight(inAll bool, atWork, waiting int) Limits {
	const plenty = 1_000
	within := Limits{AtWork: plenty, Waiting: plenty, TenantAtWork: plenty, TenantWaiting: plenty, Wait: waitMax, Bytes: RequestBytesMax, TenantBytes: RequestBytesMax}
	if inAll {
		within.AtWork, within.Waiting = atWork, waiting
	} else {
		within.TenantAtWork, within.TenantWaiting = atWork, waiting
	}
	return within
}

// atOnce calls fn so many times, all of them beginning together.
func atOnce(times int, fn func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range times {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			fn(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

// until waits for the thing.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitMax)
	defer cancel()
	for tick := time.Tick(time.Millisecond); !holds(); {
		select {
		case <-tick:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, waitMax)
		}
	}
}

// has waits until so many calls are at work and so many wait.
func (l *Limiter) has(t testing.TB, working, queued int) {
	t.Helper()
	until(t, fmt.Sprintf("%d at work and %d waiting", working, queued), func() bool {
		return l.Working() == working && l.Queued() == queued
	})
}

// rests waits until nothing is left of any call.
func (l *Limiter) rests(t testing.TB) {
	t.Helper()
	l.has(t, 0, 0)
	until(t, "no tenant is remembered", func() bool { return l.Tenants() == 0 })
}

// enters takes the slots of a call of the tenant, until leave.
func (l *Limiter) enters(t testing.TB, tenant string) (leave func()) {
	t.Helper()
	leave, err := l.Enter(t.Context(), tenant)
	if err != nil {
		t.Fatalf("a call of %s: %v", tenant, err)
	}
	return leave
}
