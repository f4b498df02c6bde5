package stacktest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/admission"
)

// Until waits for the thing.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), WaitMax)
	defer cancel()
	for tick := time.Tick(time.Millisecond); !holds(); {
		select {
		case <-tick:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, WaitMax)
		}
	}
}

// LimiterHas waits until so many calls are at work and so many wait.
func LimiterHas(t testing.TB, l *admission.Limiter, working, queueing int) {
	t.Helper()
	Until(t, fmt.Sprintf("%d at work and %d waiting", working, queueing), func() bool {
		return l.Working() == working && l.Queued() == queueing
	})
}

// LimiterRests waits until nothing is left of any call.
func LimiterRests(t testing.TB, l *admission.Limiter) {
	t.Helper()
	LimiterHas(t, l, 0, 0)
	Until(t, "no tenant is remembered", func() bool { return l.Tenants() == 0 })
}

// EnterLimiter takes the slots of a call of the tenant, until leave.
func EnterLimiter(t testing.TB, l *admission.Limiter, tenant string) (leave func()) {
	t.Helper()
	leave, err := l.Enter(t.Context(), tenant)
	if err != nil {
		t.Fatalf("a call of %s: %v", tenant, err)
	}
	return leave
}

// FillLimiter lets as many calls of the tenants work and wait as may, until empty.
func FillLimiter(t testing.TB, l *admission.Limiter, tenants ...string) (empty func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	var leave []func()
	for _, tenant := range tenants {
		for range l.TenantAtWork {
			leave = append(leave, EnterLimiter(t, l, tenant))
		}
		for range l.TenantWaiting {
			waiting.Go(func() {
				if _, err := l.Enter(ctx, tenant); !errors.Is(err, context.Canceled) {
					t.Errorf("a call of %s that waits: %v", tenant, err)
				}
			})
		}
	}
	LimiterHas(t, l, len(tenants)*l.TenantAtWork, len(tenants)*l.TenantWaiting)
	return func() {
		cancel()
		waiting.Wait()
		for _, leave := range leave {
			leave()
		}
	}
}

// CrowdLimiter lets as many calls work and wait as may, of so many tenants that one more has
// no share that is not another's, until empty.
func CrowdLimiter(t testing.TB, l *admission.Limiter) (empty func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	var leave []func()
	for i := range l.AtWork {
		leave = append(leave, EnterLimiter(t, l, "org_working"+strconv.Itoa(i)))
	}
	for i := range l.Waiting {
		waiting.Go(func() {
			if _, err := l.Enter(ctx, "org_waiting"+strconv.Itoa(i)); !errors.Is(err, context.Canceled) {
				t.Errorf("a call that waits: %v", err)
			}
		})
	}
	LimiterHas(t, l, l.AtWork, l.Waiting)
	return func() {
		cancel()
		waiting.Wait()
		for _, leave := range leave {
			leave()
		}
	}
}

// WaitMax is how long a test waits for what must come: far longer than it takes.
const WaitMax = 45 * time.Second
