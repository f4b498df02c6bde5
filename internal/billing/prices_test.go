package billing

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/stripe"
)

// Prices are asked for every ten minutes, and every minute while that fails; the same
// failure is said once.
func TestPricesAreAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stand := newTill()
		var asked atomic.Int32
		var log bytes.Buffer // written by one goroutine, and read where that waits
		stand.asked = hook(func() { asked.Add(1) })
		stand.broken["prices"] = http.StatusNotFound
		b := &Billing{stripe: stand.stripe(), log: slog.New(slog.NewTextHandler(&log, nil)), alerts: func(string) {}}
		said := func() int { synctest.Wait(); return strings.Count(log.String(), "STRIPE_SEAT_PRICE") }
		ctx, end := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { b.WatchPrices(ctx) })
		<-time.After(5*pricesAgain + time.Second)
		if asked.Load() != 6 || said() != 1 {
			t.Errorf("asked %d times and said %d times, want 6 and 1", asked.Load(), said())
		}
		stand.did(func() { clear(stand.broken) })
		<-time.After(pricesAgain) // it is found right
		asked.Store(0)
		<-time.After(pricesEvery + time.Second)
		if asked.Load() != 1 || b.stripe.SoldPrice() == nil {
			t.Errorf("asked %d times in ten minutes, want once", asked.Load())
		}
		stand.did(func() { stand.broken["prices"] = http.StatusNotFound })
		<-time.After(pricesEvery)
		if said() != 2 {
			t.Errorf("said %d times, want once more", said())
		}
		end()
		all.Wait()
	})
}

// What is wrong with a price is an alert.
func TestPricesAreWatched(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.till.did(func() { f.till.broken["prices"] = http.StatusNotFound })
	ctx, end := context.WithCancel(t.Context())
	over := make(chan struct{})
	asked := make(chan struct{}, 100)
	f.till.did(func() {
		f.till.transport = func(r *http.Request) *http.Response {
			select {
			case asked <- struct{}{}:
			default:
			}
			return f.till.answer(r)
		}
	})
	go func() { f.WatchPrices(ctx); close(over) }()
	<-asked
	end()
	<-over
	if got := f.stripe.SoldPrice(); got != nil {
		t.Errorf("got %v, want that it is not known", got)
	}
	f.till.did(func() { clear(f.till.broken) })
	if err := f.stripe.RefreshPrices(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&stripe.Cost{Amount: 1500, Currency: "eur", Interval: "month", IntervalCount: 1}, f.stripe.SoldPrice()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	f.reportPrices(t.Context(), fmt.Errorf("seat price: %w", stripe.ErrPrice))
	if diff := cmp.Diff([]string{alertPrice}, f.alarmed()); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// What a seat costs is shown from what is stored: nobody waits for Stripe.
func TestNobodyWaitsForAPrice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, "user_a")
	asked := 0
	f.till.asked = hook(func() { asked++ })
	costs := func(want *stripe.Cost) {
		t.Helper()
		s, err := f.License(t.Context(), boss(ours))
		if err != nil {
			t.Fatal(err)
		}
		_, given, err := f.Assign(t.Context(), boss(ours), "user_a")
		if err != nil && !ended(err, seatsExhausted) {
			t.Fatal(err)
		}
		all := []licensing.Summary{s}
		if err == nil {
			all = append(all, given)
		}
		for _, s := range all {
			var got *stripe.Cost
			if s.Amount != nil {
				got = &stripe.Cost{Amount: *s.Amount, Currency: s.Currency, Interval: s.Interval, IntervalCount: s.IntervalCount}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		}
	}
	costs(nil) // not known yet
	if asked != 0 {
		t.Errorf("Stripe was asked %d times", asked)
	}
	if err := f.stripe.RefreshPrices(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked = 0
	costs(&stripe.Cost{Amount: 1500, Currency: "eur", Interval: "month", IntervalCount: 1})
	big := bought("sub_1", statusActive, 2)
	big.Cost = &stripe.Cost{Amount: 99999999999, Currency: "usd", Interval: "year", IntervalCount: 2}
	f.has(ours, big)
	costs(big.Cost)
	vague := bought("sub_1", statusActive, 2)
	vague.Cost = nil
	f.has(ours, vague)
	costs(nil) // and not what is sold now
	f.has(ours, big, bought("sub_2", statusActive, 1))
	costs(nil) // it depends on the seat
	f.has(ours, big, bought("sub_2", statusUnpaid, 1))
	costs(big.Cost)
	f.exec(`UPDATE subscriptions SET unit_amount = 900, currency = 'eur' WHERE id = 'sub_1'`) // by a server of the version before
	costs(nil)
	f.has(ours, bought("sub_1", statusCanceled, 2))
	costs(&stripe.Cost{Amount: 1500, Currency: "eur", Interval: "month", IntervalCount: 1})
	if asked != 0 {
		t.Errorf("Stripe was asked %d times", asked)
	}
}
