package admission

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
)

// Where the room is full, whoever has less than a fair share of it gets the place of the
// newest call of whoever has most.
func TestARoomThatIsFullIsSharedFairly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{AtWork: 1, TenantAtWork: 1, Waiting: 6, TenantWaiting: 6, Wait: time.Hour})
		leave := l.enters(t, "org_0")
		var all sync.WaitGroup
		var mu sync.Mutex
		var refused, served []string
		comes := func(call string) {
			all.Go(func() {
				s, err := l.enter(t.Context(), call[:1])
				mu.Lock()
				switch {
				case err == nil:
					served = append(served, call)
				case errors.Is(err, fault.Overloaded):
					refused = append(refused, call)
				default:
					t.Errorf("%s: %v", call, err)
				}
				mu.Unlock()
				if err == nil {
					l.leave(s)
				}
			})
			synctest.Wait()
			if n := l.Queued(); n > l.Waiting {
				t.Errorf("%d wait", n)
			}
		}
		for _, call := range []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7", "b1", "b2", "b3", "b4", "c1", "c2", "c3", "a8"} {
			comes(call)
		}
		slices.Sort(refused) // of two that have the same, either yields
		if want := []string{"a3", "a4", "a5", "a6", "a7", "a8", "b3", "b4", "c3"}; !slices.Equal(refused, want) {
			t.Errorf("refused: %v, want %v", refused, want)
		}
		leave()
		all.Wait()
		if want := []string{"a1", "b1", "c1", "a2", "b2", "c2"}; !slices.Equal(served, want) {
			t.Errorf("served: %v, want %v", served, want)
		}
		l.rests(t)
	})
}

// Nobody has more than one call in a room that is full, so nobody yields: who finds a slot
// is at work all the same, and who does not is refused.
func TestAFullRoomIsNoReasonWhereASlotIsFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{AtWork: 3, TenantAtWork: 1, Waiting: 2, TenantWaiting: 2, Wait: time.Hour})
		var leave []func()
		for _, tenant := range []string{"a", "b"} {
			leave = append(leave, l.enters(t, tenant))
			go func() { l.enters(t, tenant)() }()
			synctest.Wait()
		}
		if !l.admits("c") {
			t.Error("refused on its headers")
		}
		leave = append(leave, l.enters(t, "c"))
		if _, err := l.enter(t.Context(), "c"); l.admits("c") || !errors.Is(err, fault.Overloaded) {
			t.Errorf("one that would have to wait: %v", err)
		}
		for _, leave := range leave {
			leave()
		}
		synctest.Wait()
		l.rests(t)
	})
}

// Two that differ by one call have their fair shares: giving way would only turn them about.
func TestNobodyYieldsForWhoWouldThenHaveMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{AtWork: 1, TenantAtWork: 1, Waiting: 5, TenantWaiting: 5, Wait: time.Hour})
		leave := l.enters(t, "org_0")
		refused := 0
		for _, tenant := range []string{"a", "a", "a", "a", "a", "b", "b", "b"} {
			go func() {
				if s, err := l.enter(t.Context(), tenant); err == nil {
					l.leave(s)
				} else if refused++; tenant != "a" && refused != 3 {
					t.Errorf("a call of %s: %v", tenant, err)
				}
			}()
			synctest.Wait()
		}
		l.mu.Lock()
		if a, b := len(l.tenants["a"].queue), len(l.tenants["b"].queue); a != 3 || b != 2 {
			t.Errorf("%d and %d wait, want 3 and 2", a, b)
		}
		l.mu.Unlock()
		leave()
		synctest.Wait()
		l.rests(t)
	})
}

// Who has waited keeps the turn against who comes anew, again and again.
func TestNobodyIsPassedByForThoseWhoComeLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{AtWork: 1, TenantAtWork: 1, Waiting: 100, TenantWaiting: 50, Wait: time.Hour})
		leave := l.enters(t, "org_0")
		var order []string // guarded by the only slot
		comes := func(tenant string) {
			go func() {
				s, err := l.enter(t.Context(), tenant)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, tenant)
				<-time.After(time.Second)
				l.leave(s)
			}()
			synctest.Wait()
		}
		comes("a")
		comes("a")
		leave()
		for i := range 5 {
			comes("late" + strconv.Itoa(i))
			<-time.After(time.Second)
		}
		<-time.After(time.Minute)
		if at := slices.Index(order[1:], "a"); at > 1 {
			t.Errorf("the order was %v", order)
		}
		l.rests(t)
	})
}

// However many tenants storm, one who calls now and then is served every time, soon, and
// no more calls wait than may. More than there are places at work take more than a turn.
// TEAMTASK_STORMS=all tries every number up to 20.
func TestAQuietTenantIsServedAmongStorms(t *testing.T) {
	t.Parallel()
	const takes = 20 * time.Millisecond
	numbers := []int{1, 3, DefaultLimits(2).AtWork + 1}
	if os.Getenv("TEAMTASK_STORMS") == "all" {
		numbers = nil
		for storms := 1; storms <= 20; storms++ {
			numbers = append(numbers, storms)
		}
	}
	for _, storms := range numbers {
		synctest.Test(t, func(t *testing.T) {
			l := NewLimiter(DefaultLimits(2))
			ctx, stop := context.WithCancel(t.Context())
			var storming sync.WaitGroup
			for i := range storms {
				tenant := strconv.Itoa(i)
				for range 2 * (l.TenantAtWork + l.TenantWaiting) {
					storming.Go(func() {
						for ctx.Err() == nil {
							if !l.admits(tenant) {
								<-time.After(takes)
								continue
							}
							if s, err := l.enter(ctx, tenant); err == nil {
								<-time.After(takes)
								l.leave(s)
							} else {
								<-time.After(takes)
							}
						}
					})
				}
			}
			<-time.After(3 * takes)
			var longest time.Duration
			for range 10 {
				began := time.Now()
				if !l.admits(acme) {
					t.Fatalf("%d storms: refused on its headers", storms)
				}
				s, err := l.enter(t.Context(), acme)
				if err != nil {
					t.Fatalf("%d storms: %v after %v", storms, err, time.Since(began))
				}
				longest = max(longest, time.Since(began))
				if n := l.Queued(); n > l.Waiting {
					t.Fatalf("%d storms: %d wait, of %d that may", storms, n, l.Waiting)
				}
				<-time.After(takes)
				l.leave(s)
				<-time.After(7 * time.Millisecond)
			}
			// One turn of everybody, and the calls that are at work before it.
			if most := takes * time.Duration(storms/l.AtWork+2); longest > most {
				t.Errorf("%d storms: a call waited %v, want %v at most", storms, longest, most)
			}
			stop()
			storming.Wait()
			l.rests(t)
		})
	}
}
