package inbox_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/inbox"
)

var errUnknown = errors.New("customer cus_1 is not known")

// Parked until what it waits for is there, however often that takes a look.
func TestAnEventThatHasToWaitWaitsWithoutFailing(t *testing.T) {
	t.Parallel()
	var known atomic.Bool
	var calls atomic.Int32
	x := newBox(t, func(x *box, o *options) {
		o.Attempts = 2
		withEffects(func(e inbox.Event) error {
			if e.Attempt != 1 {
				t.Errorf("attempt %d", e.Attempt)
			}
			if calls.Add(1); !known.Load() {
				return fmt.Errorf("find whose it is: %w", inbox.Wait(fmt.Errorf("%w, says %s", errUnknown, e.Body), 0))
			}
			return nil
		})(x, o)
	})
	x.start()
	e := x.put(`{"type":"` + kind + `","data":{"note":"canary-note"}}`)
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND (metadata->>'snoozes')::int >= 4`)
	d := x.show(e.ExternalID).Deliveries[0]
	if d.State != inbox.StateWaiting || d.Attempts != 0 || !strings.HasPrefix(d.LastError, "find whose it is: customer cus_1") {
		t.Errorf("delivery %+v", d)
	}
	if b, err := x.inbox.Backlog(t.Context()); err != nil || b.Pending != 1 || b.Oldest != 0 {
		t.Errorf("backlog %+v, %v: what waits is no sign of slow workers", b, err)
	}
	known.Store(true)
	x.until(1, doneSQL)
	if d := x.show(e.ExternalID).Deliveries[0]; d.State != inbox.StateDone || d.LastError != "" || x.effects() != 1 || calls.Load() < 5 {
		t.Errorf("after %d calls: %+v", calls.Load(), d)
	}
	if log := x.log.String(); strings.Contains(log, "canary") || strings.Contains(log, "event not applied") || !strings.Contains(log, "event waits") {
		t.Errorf("the log:\n%s", log)
	}
}

func TestAnEventThatHasWaitedForThreeDaysIsSetAside(t *testing.T) {
	t.Parallel()
	var shift atomic.Int64
	x := newBox(t, func(x *box, o *options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
		withEffects(func(inbox.Event) error { return inbox.Wait(errUnknown, 0) })(x, o)
	})
	x.start()
	e := x.put(eventBody(kind))
	shift.Store(int64(72*time.Hour - time.Minute))
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND (metadata->>'snoozes')::int >= 2`)
	if d := x.show(e.ExternalID).Deliveries[0]; d.State != inbox.StateWaiting {
		t.Errorf("too early: %+v", d)
	}
	shift.Store(int64(72*time.Hour + time.Minute))
	x.until(1, `SELECT count(*) FROM inbox_deliveries WHERE state = 'failed'`)
	if d := x.show(e.ExternalID).Deliveries[0]; d.State != inbox.StateFailed || d.LastError != errUnknown.Error() || d.Attempts != 0 {
		t.Errorf("delivery %+v", d)
	}
	if !strings.Contains(x.log.String(), "event set aside") {
		t.Error("the log does not say so")
	}
	// A replay gives it as long again.
	shift.Store(0)
	if names, err := x.inbox.Replay(t.Context(), e, false); err != nil || len(names) != 1 {
		t.Fatalf("replay: %v, %v", names, err)
	}
	x.until(1, `SELECT count(*) FROM inbox_deliveries WHERE state = 'pending' AND last_error <> ''`)
}

func TestAnEventThatHasToWaitIsLookedAtEveryTenMinutes(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(x *box, o *options) {
		o.Jobs.Backoff = nil
		withEffects(func(inbox.Event) error { return inbox.Wait(errUnknown, time.Hour) })(x, o)
	})
	x.put(eventBody(kind))
	x.put(eventBody(kind))
	x.exec(`UPDATE river_job SET metadata = '{"snoozes": 12}' WHERE id = (SELECT max(id) FROM river_job)`)
	x.start()
	x.until(2, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state IN ('scheduled', 'available') AND metadata->>'snoozes' IN ('1', '13') AND attempt = 0`)
	const wait = `SELECT extract(epoch FROM scheduled_at - attempted_at)::int FROM river_job WHERE metadata->>'snoozes' = $1`
	if first, later := x.count(wait, "1"), x.count(wait, "13"); first < 1 || first > 20 || later < 590 || later > 630 {
		t.Errorf("waits %d s at first and %d s later, want 2 and 600", first, later)
	}
}
