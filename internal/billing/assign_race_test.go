package billing

import (
	"errors"
	"log/slog"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/teamtask/teamtask/internal/fault"
)

// metadataOf is what the caller is told beside the reason.
func metadataOf(t *testing.T, err error) map[string]string {
	t.Helper()
	exit := fault.NewExit(slog.New(slog.DiscardHandler), func(fault.Outcome) {})
	told, ok := errors.AsType[*connect.Error](exit.State(t.Context(), "/test", err))
	if !ok {
		t.Fatalf("got %v, want what goes to the caller", err)
	}
	for _, d := range told.Details() {
		if value, err := d.Value(); err == nil {
			if info, ok := value.(*errdetails.ErrorInfo); ok {
				return info.GetMetadata()
			}
		}
	}
	return nil
}

// D01. Whoever is refused is told that the seats are exhausted: a race that only the
// database's own guard decides would be an internal error.
func TestSeatsAreNeitherOversoldNorUndersoldByManyAtOnce(t *testing.T) {
	t.Parallel()
	const callers, seats = 32, 10
	f := newFixtureWith(t, setting{grace: week, connections: callers})
	users := persons(callers)
	f.put(ours, users...)
	f.has(ours, bought("sub_1", statusActive, seats))
	for round := range seatRounds(t) {
		errs := together(callers, func(i int) error {
			_, _, err := f.Assign(t.Context(), boss(ours), users[i])
			return err
		})
		given := 0
		for i, err := range errs {
			switch {
			case err == nil:
				given++
			case !ended(err, seatsExhausted):
				t.Errorf("round %d, caller %d: got %v, want SEATS_EXHAUSTED", round, i, err)
			case round == 0:
				if diff := cmp.Diff(map[string]string{"purchased": "10", "assigned": "10"}, metadataOf(t, err)); diff != "" {
					t.Errorf("metadata (-want +got):\n%s", diff)
				}
			}
		}
		if held := f.count(`SELECT count(*) FROM seats WHERE tenant_id = $1`, ours); given != seats || held != seats {
			t.Errorf("round %d: %d callers were given a seat and %d hold one, want %d", round, given, held, seats)
		}
		if t.Failed() {
			return
		}
		f.exec(`DELETE FROM seats`)
	}
	f.sound(ours)
}

// D02.
func TestTheSamePersonGetsOneSeatHoweverManyGiveIt(t *testing.T) {
	t.Parallel()
	const callers = 32
	f := newFixtureWith(t, setting{grace: week, connections: callers})
	f.put(ours, "user_one", "user_two")
	f.has(ours, bought("sub_1", statusActive, 2))
	for range 10 {
		for i, err := range together(callers, func(int) error {
			s, _, err := f.Assign(t.Context(), boss(ours), "user_one")
			if err == nil && !s.Held() {
				return errors.New("the answer is a member without a seat")
			}
			return err
		}) {
			if err != nil {
				t.Fatalf("caller %d: got %v, want a seat", i, err)
			}
		}
		if got := f.summary(ours).Assigned; got != 1 {
			t.Fatalf("%d seats are given, want 1", got)
		}
		for i, err := range together(callers, func(int) error {
			_, _, err := f.Revoke(t.Context(), boss(ours), "user_one")
			return err
		}) {
			if err != nil {
				t.Fatalf("caller %d: got %v, want the seat taken", i, err)
			}
		}
		if got := f.summary(ours).Assigned; got != 0 {
			t.Fatalf("%d seats are given, want 0", got)
		}
	}
	f.sound(ours)
}
