package billing

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// seatRounds is how often a race is run; TEAMTASK_SEAT_ROUNDS says otherwise.
func seatRounds(t testing.TB) int {
	t.Helper()
	text, ok := os.LookupEnv("TEAMTASK_SEAT_ROUNDS")
	if !ok {
		return 100
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatal("TEAMTASK_SEAT_ROUNDS: not a number from 1")
	}
	return n
}

// together runs do for each number below n, all at once, and answers their errors.
func together(n int, do func(i int) error) []error {
	all := make([]error, n)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			all[i] = do(i)
		})
	}
	close(begin)
	wg.Wait()
	return all
}

// D03. Whoever looks in between sees a number that is true.
func TestTheNumberOfSeatsIsTrueAtAnyMoment(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, setting{grace: week, connections: 16})
	users := persons(12)
	f.put(ours, users...)
	f.has(ours, bought("sub_1", statusActive, 8))
	ctx, stop := context.WithCancel(t.Context())
	looked, wrong := atomic.Int64{}, make(chan string, 1)
	var reader sync.WaitGroup
	reader.Go(func() {
		for ctx.Err() == nil {
			var assigned, rows, seated int
			err := f.admin.QueryRow(t.Context(), `
				SELECT assigned,
				       (SELECT count(*) FROM seats WHERE tenant_id = $1),
				       (SELECT count(*) FROM standings WHERE tenant_id = $1 AND seated)
				  FROM licenses
				 WHERE tenant_id = $1`, ours).Scan(&assigned, &rows, &seated)
			if err != nil || assigned != rows || assigned != seated || assigned > 8 {
				select {
				case wrong <- fmt.Sprintf("assigned %d, rows %d, seated %d, %v", assigned, rows, seated, err):
				default:
				}
			}
			looked.Add(1)
		}
	})
	for i, err := range together(8, func(lane int) error {
		random := rand.New(rand.NewPCG(uint64(lane), 1)) // a story that can be told again
		for range 60 {
			user := users[random.IntN(len(users))]
			if random.IntN(2) == 0 {
				if _, _, err := f.Revoke(t.Context(), boss(ours), user); err != nil {
					return err
				}
			} else if _, _, err := f.Assign(t.Context(), boss(ours), user); err != nil && !ended(err, seatsExhausted) {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			t.Errorf("lane %d: %v", i, err)
		}
	}
	stop()
	reader.Wait()
	select {
	case what := <-wrong:
		t.Error(what)
	default:
	}
	if looked.Load() < 10 {
		t.Errorf("looked %d times: this test sees nothing", looked.Load())
	}
	f.sound(ours)
}

// D04. Of what was given before the downgrade nothing is taken back at once; nothing
// beyond it is given after.
func TestNothingIsGivenBeyondADowngradeThatRacesIt(t *testing.T) {
	t.Parallel()
	const before, after, callers = 10, 6, 5
	f := newFixtureWith(t, setting{grace: week, connections: 8})
	users := persons(3 + callers)
	f.put(ours, users...)
	raced := map[int32]int{}
	for round := range seatRounds(t) {
		f.has(ours, bought("sub_1", statusActive, before))
		f.gives(ours, users[:3]...)
		f.exec(`DELETE FROM audit_events`)
		var over atomic.Int32
		errs := together(callers+1, func(i int) error {
			if i == callers {
				return f.keeps(t.Context(), ours, bought("sub_1", statusActive, after))
			}
			_, s, err := f.Assign(t.Context(), boss(ours), users[3+i])
			if err == nil && s.Purchased == after && s.Assigned > after {
				over.Add(1)
			}
			return err
		})
		for i, err := range errs {
			if err != nil && (i == callers || !ended(err, seatsExhausted)) {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		s := f.summary(ours)
		begun := f.texts(`SELECT details->>'over_assigned' FROM audit_events WHERE method = 'licensing.grace.begin'`)
		want := []string{}
		if s.OverAssigned() > 0 {
			want = []string{strconv.Itoa(int(s.OverAssigned()))} // as it was when the downgrade came
		}
		if over.Load() > 0 || s.Assigned < after || !slices.Equal(begun, want) {
			t.Fatalf("round %d: %d given of %d, %d beyond the downgrade; it found %v too many", round, s.Assigned, s.Purchased, over.Load(), begun)
		}
		raced[s.OverAssigned()]++
		f.takes(ours, users...)
	}
	t.Logf("too many when the downgrade came: %v", raced)
	f.sound(ours)
}

// With a seat for everybody nobody is refused, whatever else goes on.
func TestNobodyIsRefusedWhileThereAreSeats(t *testing.T) {
	t.Parallel()
	const callers = 16
	f := newFixtureWith(t, setting{grace: week, connections: callers})
	users := persons(callers)
	f.put(ours, users...)
	f.has(ours, bought("sub_1", statusActive, callers))
	for i, err := range together(callers+1, func(i int) error {
		for round := range 10 {
			if i == callers { // what Stripe says comes in between, always the same
				if err := f.keeps(t.Context(), ours, bought("sub_1", []string{statusActive, statusPastDue}[round%2], callers)); err != nil {
					return err
				}
				continue
			}
			if _, _, err := f.Assign(t.Context(), boss(ours), users[i]); err != nil {
				return err
			}
			if round%3 == 0 {
				if _, _, err := f.Revoke(t.Context(), boss(ours), users[i]); err != nil {
					return err
				}
			}
		}
		return nil
	}) {
		if err != nil {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	f.sound(ours)
}
