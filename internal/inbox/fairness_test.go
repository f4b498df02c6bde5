package inbox_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/inbox"
)

// membershipOf is an event of the kind about one person's membership.
func membershipOf(org, user, kind string) string {
	return `{"object":"event","type":"organizationMembership.` + kind + `","data":{"id":"orgmem_1","organization":{"id":"` + org + `"},"public_user_data":{"user_id":"` + user + `"}}}`
}

// With 32 events pending an organization's further ones go behind those of others, each
// class behind its own.
func TestAPartyWithManyEventsGoesBehindOthers(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(_ *box, o *options) {
		o.Consumers = []inbox.Consumer{{Name: consumer, Wants: all, Apply: func(context.Context, inbox.Event) error { return nil }}}
	})
	latest := func(org, kind string, n, want int) {
		t.Helper()
		x.put(membershipOf(org, fmt.Sprintf("user_%s%d", kind, n), kind))
		if got := x.count(`SELECT priority FROM river_job WHERE kind = 'inbox_delivery' ORDER BY id DESC LIMIT 1`); got != want {
			t.Errorf("number %d that is %s of %s has priority %d, want %d", n, kind, org, got, want)
		}
	}
	for n := range 32 {
		latest("org_many", "created", n, 2)
	}
	latest("org_many", "created", 32, 4)
	latest("org_many", "deleted", 33, 2)
	latest("org_few", "created", 34, 2)
	latest("org_few", "deleted", 35, 1)
	x.exec(`UPDATE inbox_deliveries SET state = 'done' WHERE event_id <= 3`)
	latest("org_many", "created", 36, 2)
}

// What decides about seats is applied first.
func TestPurchasesGoFirst(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(_ *box, o *options) {
		o.Consumers = []inbox.Consumer{{Name: consumer, Wants: all, Apply: func(context.Context, inbox.Event) error { return nil }}}
	})
	for kind, want := range map[string]int{
		"checkout.session.completed": 1, "customer.subscription.updated": 1, "invoice.paid": 1, "customer.deleted": 1,
		"charge.refunded": 2, "charge.dispute.created": 2, "invoice.payment_failed": 2,
	} {
		id := strings.ReplaceAll(kind, ".", "")
		x.send(signStripe(secretA, "", time.Now(), `{"id":"evt_`+id+`","type":"`+kind+`","data":{"object":{"id":"x_1","customer":"cus_`+id+`"}}}`))
		if got := x.count(`SELECT priority FROM river_job ORDER BY id DESC LIMIT 1`); got != want {
			t.Errorf("%s: %d, want %d", kind, got, want)
		}
	}
}

// A change that is urgent does not wait behind an event of the same subject that is not,
// whose job its fetch makes needless.
func TestAnUrgentEventJoinsNoneThatIsLess(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(x *box, o *options) {
		o.Workers = 1
		withEffects(nil)(x, o)
		o.Consumers[0].Wants = all
	})
	x.put(membershipOf("org_1", "user_1", "created"))
	urgent := x.put(membershipOf("org_1", "user_1", "deleted"))
	x.start()
	x.until(2, doneSQL)
	if n := x.count(`SELECT count(*) FROM effects WHERE event_id = $1`, urgent.ID); n != 1 || x.effects() != 1 {
		t.Errorf("%d effects, %d of the urgent event; want that alone", x.effects(), n)
	}
}

// However busy one provider's workers are, events of the other are applied.
func TestNoProviderWaitsForAnother(t *testing.T) {
	t.Parallel()
	let := make(chan bool)
	x := newBox(t, func(x *box, o *options) {
		o.Workers = 2
		withEffects(func(e inbox.Event) error {
			if e.Provider == "clerk" {
				<-let
			}
			return nil
		})(x, o)
	})
	defer close(let)
	for n := range 10 {
		x.put(membershipOf("org_1", fmt.Sprintf("user_%d", n), "created"))
	}
	x.start()
	x.until(2, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state = 'running'`)
	x.send(signStripe(secretA, "", time.Now(), `{"id":"evt_1","type":"`+stripeKind+`","data":{"object":{"id":"sub_1","customer":"cus_1"}}}`))
	x.until(1, doneSQL)
}

// While something is fetched nothing fetches it a second time.
func TestASubjectIsFetchedOnceAtATime(t *testing.T) {
	t.Parallel()
	var calls, most atomic.Int32
	first := make(chan bool)
	x := newBox(t, withEffects(func(inbox.Event) error {
		defer calls.Add(-1)
		if n := calls.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-first
		return nil
	}))
	x.put(joined("fetched"))
	x.start()
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state = 'running'`)
	x.put(joined("has to wait"))
	x.comes("the second is put off, or begun", func() bool {
		return most.Load() > 1 || x.count(`SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND metadata ? 'snoozes'`) > 0
	})
	close(first)
	x.until(2, doneSQL)
	if most.Load() != 1 || x.effects() != 2 {
		t.Errorf("%d fetches at once and %d effects, want 1 and 2", most.Load(), x.effects())
	}
}

// A fetch settles events that are older than it, and no other, for every consumer.
func TestAFetchSettlesOnlyWhatIsOlder(t *testing.T) {
	t.Parallel()
	const other = ` WHERE event_id = (SELECT max(event_id) FROM inbox_deliveries)`
	for name, c := range map[string]struct {
		late   bool   // the other event comes while the first is fetched
		then   string // is done meanwhile
		before bool   // it came before
	}{
		"before it":                             {before: true},
		"before it, begun by another server":    {then: `UPDATE inbox_deliveries SET queued = false` + other, before: true},
		"after it":                              {late: true},
		"after it, in a transaction before it":  {late: true, then: `UPDATE inbox_deliveries SET queued = false, wait_time = 'epoch'` + other},
		"before it, and opened again meanwhile": {then: `UPDATE inbox_deliveries SET wait_time = clock_timestamp()` + other},
		"before it, and has a job of its own":   {then: `UPDATE inbox_deliveries SET queued = true` + other},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fetching, fetched := make(chan bool), make(chan bool)
			x := newBox(t, func(x *box, o *options) {
				pool, err := pgxpool.New(t.Context(), x.db.AppURL)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(pool.Close)
				o.Attempts = 1
				o.Consumers = []inbox.Consumer{{Name: consumer, Wants: all, Apply: func(ctx context.Context, e inbox.Event) error {
					if strings.Contains(string(e.Body), "other") {
						return errSettled
					}
					fetching <- true
					<-fetched
					return effect(ctx, pool, e, func(string) {})
				}}}
			})
			first := x.put(joined("first"))
			if !c.late {
				x.put(joined("other"))
			}
			x.start()
			<-fetching
			if c.late {
				x.put(joined("other"))
			}
			if c.then != "" {
				x.exec(c.then)
			}
			close(fetched)
			x.until(1, `SELECT count(*) FROM inbox_deliveries WHERE event_id = $1 AND state = 'done'`, first.ID)
			if before := x.count(`SELECT count(*) FROM inbox_deliveries WHERE event_id <> $1 AND state = 'done'`, first.ID) == 1; before != c.before {
				t.Errorf("settled: %v, want %v", before, c.before)
			}
		})
	}
}

// Each refund and each dispute has an alert of its own.
func TestRefundsMergeWithNone(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(x *box, o *options) {
		withEffects(nil)(x, o)
		o.Consumers[0].Wants = all
	})
	for i, kind := range []string{"charge.refunded", "charge.refunded", "charge.dispute.created", "charge.dispute.created"} {
		x.send(signStripe(secretA, "", time.Now(), fmt.Sprintf(`{"id":"evt_%d","type":"%s","data":{"object":{"id":"ch_%d","customer":"cus_1"}}}`, i, kind, i)))
	}
	x.start()
	x.until(4, doneSQL)
	if x.effects() != 4 {
		t.Errorf("%d effects, want 4", x.effects())
	}
}

// A pending delivery without a job is found, and one that has a job is left.
func TestADeliveryWithoutAJobIsFound(t *testing.T) {
	t.Parallel()
	x := newBox(t, withEffects(nil))
	lost := x.put(membershipOf("org_1", "user_lost", "created"))
	alone := x.put(`{"type":"` + kind + `","data":{}}`) // merges with none
	x.exec(`DELETE FROM river_job`)
	x.put(membershipOf("org_1", "user_has", "created"))
	x.exec(`UPDATE river_job SET scheduled_at = now() + interval '1 hour', state = 'scheduled'`)
	young := x.put(membershipOf("org_1", "user_young", "created"))
	x.exec(`DELETE FROM river_job WHERE state = 'available'`)
	x.exec(`UPDATE inbox_deliveries SET wait_time = now() - interval '2 minutes', update_time = now() - interval '2 minutes' WHERE event_id <> $1`, young.ID)
	x.start()
	x.until(2, doneSQL+` AND event_id IN ($1, $2)`, lost.ID, alone.ID)
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_mend' AND state = 'completed'`)
	if n := x.count(`SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery'`); n != 3 || x.effects() != 2 {
		t.Errorf("%d jobs and %d effects, want 3 and 2", n, x.effects())
	}
	if !strings.Contains(x.log.String(), "deliveries without a job") {
		t.Error("the log does not say so")
	}
}
