package billing

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// life is what Stripe has of a customer, one event after the other.
var life = [][]stripe.Subscription{
	{bought("sub_1", statusIncomplete, 5)},
	{bought("sub_1", statusActive, 5)},
	{raised("sub_1", statusActive, 5, 8)},
	{raised("sub_1", statusPastDue, 5, 8)},
	{bought("sub_1", statusActive, 8)},
	{bought("sub_1", statusActive, 3)},
	{bought("sub_1", statusCanceled, 3)},
	{bought("sub_1", statusCanceled, 3), raised("sub_2", statusActive, 4, 900)},
}

// permutations calls with every order of the numbers below n; it may not keep it.
func permutations(n int, with func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var place func(int)
	place = func(at int) {
		if at == n {
			with(order)
			return
		}
		for i := at; i < n; i++ {
			order[at], order[i] = order[i], order[at]
			place(at + 1)
			order[at], order[i] = order[i], order[at]
		}
	}
	place(0)
}

// verdictOf is what of a license must not depend on the order of events.
func verdictOf(s licensing.Summary) string {
	return fmt.Sprintf("%s working:%t frozen:%t purchased:%d assigned:%d over:%d grace:%t",
		s.Status, s.Working, s.Frozen, s.Purchased, s.Assigned, s.OverAssigned(), s.GraceEndTime != nil)
}

// E12. What was fetched when, is said by its ticket; it may be kept in any order, and
// twice.
func TestAnyOrderOfKeepingEndsInWhatWasFetchedLast(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var orders [][]int
	each, n := 53, 0 // of the 40,320; more of them where more rounds are asked for
	if seatRounds(t) > 100 {
		each = 7
	}
	permutations(len(life), func(order []int) {
		if n++; n%each == 0 {
			orders = append(orders, slices.Clone(order))
		}
	})
	const lanes = 8
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for n := lane; n < len(orders) && !t.Failed(); n += lanes {
				f.keepsInOrder(t, fmt.Sprintf("org_%d", n), orders[n])
			}
		})
	}
	wg.Wait()
}

// keepsInOrder keeps the life of a subscription in that order, each twice, in one
// transaction: what one has written the next one reads.
func (f *fixture) keepsInOrder(t *testing.T, org string, order []int) {
	t.Helper()
	err := f.in(t.Context(), org, nil, func(tx *tenancy.Tx) error {
		for i, at := range order {
			if err := f.mergeState(t.Context(), tx, org, int64(at+1), &state{subscriptions: life[at]}); err != nil {
				return err
			}
			again := order[i/2]
			if err := f.mergeState(t.Context(), tx, org, int64(again+1), &state{subscriptions: life[again]}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("order %v: %v", order, err)
		return
	}
	if got := verdictOf(f.summary(org)); got != "active working:true frozen:false purchased:4 assigned:0 over:0 grace:false" {
		t.Errorf("order %v ends in: %s", order, got)
	}
}

// The fetch of a newer ticket may come home before that of an older one, through the
// doors that events use: with Stripe between the ticket and the keeping.
func TestAFetchThatComesHomeLateChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a")
	for _, c := range []struct {
		late, now stripe.Subscription
		want      string
	}{
		{bought("sub_1", statusActive, 5), bought("sub_1", statusActive, 2), "active working:true frozen:false purchased:2 assigned:0 over:0 grace:false"},
		{bought("sub_1", statusActive, 5), bought("sub_1", statusCanceled, 5), "canceled working:false frozen:false purchased:0 assigned:0 over:0 grace:false"},
		{bought("sub_1", statusUnpaid, 5), bought("sub_1", statusActive, 5), "active working:true frozen:false purchased:5 assigned:0 over:0 grace:false"},
		{bought("sub_1", "on_holiday", 5), bought("sub_1", statusActive, 6), "active working:true frozen:false purchased:6 assigned:0 over:0 grace:false"},
	} {
		old, err := f.query(t.Context(), ours)
		if err != nil {
			t.Fatal(err)
		}
		f.has(ours, c.now)
		before := f.lines(ours)
		if err := f.keepsWith(t.Context(), ours, old.ticket, c.late); err != nil {
			t.Fatal(err)
		}
		if got := verdictOf(f.summary(ours)); got != c.want {
			t.Errorf("%s kept late over %s: got %s, want %s", c.late.Status, c.now.Status, got, c.want)
		}
		if diff := cmp.Diff(before, f.lines(ours)); diff != "" {
			t.Errorf("what came late has left audit lines:\n%s", diff)
		}
	}
	if got := f.alarmed(); len(got) != 0 {
		t.Errorf("got alerts %v, want none", got)
	}
}

// Many fetches at once end in the state of the newest, whoever comes home first.
func TestManyFetchesAtOnceEndInTheNewest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a")
	for round := range 10 {
		var tickets []int64
		for range life {
			q, err := f.query(t.Context(), ours)
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, q.ticket)
		}
		for _, err := range together(2*len(life), func(i int) error {
			return f.keepsWith(t.Context(), ours, tickets[i/2], life[i/2]...)
		}) {
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		if got := verdictOf(f.summary(ours)); got != "active working:true frozen:false purchased:4 assigned:0 over:0 grace:false" {
			t.Fatalf("round %d ends in: %s", round, got)
		}
	}
}

// What is fetched is what there is after the ticket was taken: nothing is fetched before.
func TestTheTicketIsTakenBeforeStripeIsAsked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.till.knows("cus_1", ours)
	f.till.sells("sub_1", "cus_1", statusActive, 5)
	f.exec(`INSERT INTO licensing_customers VALUES ('cus_1', $1)`, ours)
	asked := 0
	f.till.asked = hook(func() {
		if asked++; asked > 1 {
			return
		}
		if _, used := f.db.Connections(); used != 0 {
			t.Errorf("%d connections are in use while Stripe is asked, want 0", used)
		}
		f.has(ours, bought("sub_1", statusActive, 9)) // a fetch that began later, and is home already
	})
	if err := f.sync(t.Context(), ours, nil); err != nil {
		t.Fatal(err)
	}
	if got := f.summary(ours).Purchased; asked == 0 || got != 9 {
		t.Errorf("got %d seats after %d questions, want those of the newer ticket: 9", got, asked)
	}
}
