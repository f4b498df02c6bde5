package inbox_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/inbox"
)

// resend sends a signed event and wants that outcome of it.
func (x *box) resend(s signed, provider, kind string, want inbox.Outcome) {
	x.t.Helper()
	receipt := inbox.Receipt{Provider: provider, Kind: kind, Outcome: want}
	before := x.seen(receipt)
	if status, answer := x.send(s); status != http.StatusNoContent {
		x.t.Fatalf("status %d %s", status, answer)
	}
	if x.seen(receipt) != before+1 {
		x.t.Errorf("not counted as %s: %v", want, x.receipts)
	}
}

// What was set aside is applied when its provider sends it again, and what is done is not.
func TestAnEventThatFailedIsAppliedWhenItComesAgain(t *testing.T) {
	t.Parallel()
	for _, from := range senders {
		t.Run(from.name, func(t *testing.T) {
			t.Parallel()
			var healed atomic.Bool
			x := newBox(t, func(x *box, o *options) {
				o.Attempts = 1
				withEffects(func(inbox.Event) error {
					if healed.Load() {
						return nil
					}
					return errors.New("the provider is away")
				})(x, o)
			})
			x.start()
			id := newID()
			body := from.body(id, from.kind, `{"id":"orgmem_1","object":{"id":"sub_1","customer":"cus_1"}}`)
			signedAt := func(at time.Time) signed { return from.sign(secretA, id, at, body) }
			x.resend(signedAt(time.Now().Add(-time.Minute)), from.name, from.kind, inbox.Stored)
			x.until(1, `SELECT count(*) FROM inbox_deliveries WHERE state = 'failed'`)
			x.resend(signedAt(time.Now()), from.name, from.kind, inbox.Reopened)
			x.until(1, `SELECT count(*) FROM inbox_deliveries WHERE state = 'failed' AND replays = 1 AND attempts = 1`)
			healed.Store(true)
			x.resend(signedAt(time.Now()), from.name, from.kind, inbox.Reopened)
			x.until(1, doneSQL+` AND replays = 2 AND last_error = ''`)
			x.resend(signedAt(time.Now()), from.name, from.kind, inbox.Duplicate)
			x.until(0, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state <> 'completed'`)
			if x.events() != 1 || x.effects() != 1 {
				t.Errorf("%d events with %d effects, want 1 and 1", x.events(), x.effects())
			}
		})
	}
}

// A delivery whose job is gone gets one when the event comes again. While it has one, or may
// get one, it gets none.
func TestAnEventThatLostItsJobGetsOneWhenItComesAgain(t *testing.T) {
	t.Parallel()
	x := newBox(t, withEffects(nil))
	s := sign(secretA, newID(), time.Now(), eventBody(kind))
	const old = `UPDATE inbox_deliveries SET wait_time = now() - interval '2 minutes'`
	jobs := func(want int) {
		t.Helper()
		if n := x.count(`SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery'`); n != want {
			t.Errorf("%d jobs, want %d", n, want)
		}
	}
	x.resend(s, "clerk", kind, inbox.Stored)
	x.exec(old)
	x.resend(s, "clerk", kind, inbox.Duplicate) // it has a job
	jobs(1)
	x.exec(`DELETE FROM river_job`)
	x.exec(`UPDATE inbox_deliveries SET wait_time = now()`)
	x.resend(s, "clerk", kind, inbox.Duplicate) // it has come a moment ago
	jobs(0)
	x.exec(old)
	x.resend(s, "clerk", kind, inbox.Reopened)
	jobs(1)
	x.start()
	x.until(1, doneSQL)
	if x.effects() != 1 {
		t.Errorf("%d effects, want 1", x.effects())
	}
}

// An event that could not be read at first is read when it comes again.
func TestAnEventThatCouldNotBeReadIsReadWhenItComesAgain(t *testing.T) {
	t.Parallel()
	x := newBox(t, withEffects(nil))
	id := newID()
	x.resend(sign(secretA, id, time.Now(), "half of a bo"), "clerk", "other", inbox.Unreadable)
	x.exec(`UPDATE inbox_events SET reduce_time = now()`)
	x.resend(sign(secretA, id, time.Now(), eventBody(kind)), "clerk", kind, inbox.Reopened)
	x.start()
	x.until(1, `SELECT count(*) FROM effects`)
	x.until(0, `SELECT count(*) FROM inbox_deliveries WHERE state <> 'done'`)
	e := x.show(id)
	if body, err := x.inbox.Body(t.Context(), e.ID); e.Kind != kind || e.Instance != "ins_1" || err != nil || len(body) == len("half of a bo") {
		t.Errorf("got %+v, body %s, %v", e, body, err)
	}
}

// An event that no consumer wanted at first is delivered when one does.
func TestAnEventIsDeliveredToAConsumerThatCameLater(t *testing.T) {
	t.Parallel()
	var wanted atomic.Bool
	x := newBox(t, func(x *box, o *options) {
		withEffects(nil)(x, o)
		o.Consumers[0].Wants = func(string) bool { return wanted.Load() }
	})
	x.start()
	s := sign(secretA, newID(), time.Now(), eventBody(kind))
	x.resend(s, "clerk", kind, inbox.Ignored)
	x.resend(s, "clerk", kind, inbox.Duplicate)
	wanted.Store(true)
	x.resend(s, "clerk", kind, inbox.Reopened)
	x.until(1, doneSQL)
	if x.effects() != 1 {
		t.Errorf("%d effects, want 1", x.effects())
	}
}
