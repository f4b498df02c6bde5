package billing

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// All statuses that Stripe has, and one that it may have one day.
var allStatuses = []string{
	statusActive, statusTrialing, statusPastDue, statusUnpaid, statusPaused, statusIncomplete, statusIncompleteExpired, statusCanceled, "on_holiday",
}

// counted is what one subscription counts as.
type counted struct {
	Known   string
	Seats   int32
	Working bool
	Frozen  bool
	Going   bool
}

func countedOf(k stored) counted {
	t := totalOf([]stored{k})
	return counted{k.KnownStatus, t.purchased, t.working, t.frozen, t.open > 0}
}

// D11. What a subscription of 5 seats pays for, whatever Stripe says of it and whatever it
// was before.
func TestEveryStatusOfASubscriptionHasItsMeaning(t *testing.T) {
	t.Parallel()
	started := map[string]counted{
		statusActive:            {statusActive, 5, true, false, true},
		statusTrialing:          {statusTrialing, 5, true, false, true},
		statusPastDue:           {statusPastDue, 5, true, false, true},
		statusUnpaid:            {statusUnpaid, 0, false, false, true},
		statusPaused:            {statusPaused, 0, false, false, true},
		statusIncomplete:        {statusIncomplete, 0, false, false, true},
		statusIncompleteExpired: {statusCanceled, 0, false, false, false},
		statusCanceled:          {statusCanceled, 0, false, false, false},
		"on_holiday":            {statusIncomplete, 0, false, false, true},
	}
	notStarted := map[string]counted{
		statusActive:   {statusIncomplete, 0, false, false, true},
		statusPastDue:  {statusIncomplete, 0, false, false, true},
		statusTrialing: {statusIncomplete, 0, false, false, true}, // Stripe's trials are always started
	}
	if len(started) != len(allStatuses) {
		t.Fatal("a status is missing")
	}
	before := []*stored{nil}
	for _, status := range allStatuses[:8] {
		was := merged(bought("sub_1", status, 3), nil)
		before = append(before, &was)
	}
	for _, was := range before {
		name := "new"
		if was != nil {
			name = was.Status
		}
		for _, status := range allStatuses {
			for _, first := range []bool{true, false} {
				s := bought("sub_1", status, 5)
				s.Started = first
				want, special := notStarted[status]
				if first || !special {
					want = started[status]
				}
				if status == "on_holiday" && was != nil { // as it was, and no more than it was
					want = countedOf(*was)
					want.Going, want.Frozen = true, was.live()
				}
				if diff := cmp.Diff(want, countedOf(merged(s, was))); diff != "" {
					t.Errorf("%s, then %s, first invoice paid: %t (-want +got):\n%s", name, status, first, diff)
				}
			}
		}
	}
}

func TestAnUnknownStatusTakesSeatsAwayButNeverAddsAny(t *testing.T) {
	t.Parallel()
	was := merged(bought("sub_1", statusActive, 5), nil)
	for quantity, want := range map[int64]int32{0: 0, 3: 3, 5: 5, 9: 5} {
		next := merged(bought("sub_1", "on_holiday", quantity), &was)
		if next.Seats != want {
			t.Errorf("of 5, then %d in an unknown status: got %d seats, want %d", quantity, next.Seats, want)
		}
		if again := merged(bought("sub_1", "another_one", 9), &next); again.Seats != want {
			t.Errorf("of 5, then %d, then 9 in another unknown status: got %d seats, want %d", quantity, again.Seats, want)
		}
	}
}

// The best of several is the license's status, and all that are live add up.
func TestTheBestOfSeveralSubscriptionsIsTheLicenses(t *testing.T) {
	t.Parallel()
	order := []string{statusActive, statusTrialing, statusPastDue, statusUnpaid, statusPaused, statusIncomplete, statusCanceled}
	for i, best := range order {
		for _, other := range order[i:] {
			pair := []stored{merged(bought("sub_1", other, 2), nil), merged(bought("sub_2", best, 3), nil)}
			for range 2 {
				slices.Reverse(pair)
				if got := totalOf(pair).status; got != best {
					t.Errorf("%s and %s: got %s, want %s", best, other, got, best)
				}
			}
		}
	}
	if got := totalOf(nil).status; got != statusNone {
		t.Errorf("none: got %s, want none", got)
	}
	most := []stored{merged(bought("sub_1", statusActive, math.MaxInt64), nil), merged(bought("sub_2", statusActive, math.MaxInt32), nil)}
	if got := totalOf(most).purchased; got != math.MaxInt32 {
		t.Errorf("more than fit: got %d, want as many as fit", got)
	}
	if got := totalOf([]stored{merged(bought("sub_1", statusActive, -1), nil)}).purchased; got != 0 {
		t.Errorf("fewer than none: got %d, want 0", got)
	}
}
