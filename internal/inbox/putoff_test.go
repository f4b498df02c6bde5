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

var errSettled = errors.New("it was not settled by another")

// unsent is an error of a request that was never sent.
type unsent struct{ bool }

func (unsent) Error() string  { return "the provider cannot be reached" }
func (u unsent) Unsent() bool { return u.bool }

// A request that was never sent is no failed attempt, and is made when the provider is
// there again.
func TestWhatWasNotAskedForIsNoFailedAttempt(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	away.Store(true)
	x := newBox(t, func(x *box, o *options) {
		o.Attempts = 1
		o.Jobs.Backoff = func(attempt int) time.Duration {
			if attempt < 4 {
				return 0
			}
			return time.Hour
		}
		withEffects(func(inbox.Event) error {
			if away.Load() {
				return fmt.Errorf("fetch: %w", unsent{true})
			}
			return nil
		})(x, o)
	})
	clerks := x.put(eventBody(kind))
	x.send(signStripe(secretA, "", time.Now(), `{"id":"evt_1","type":"`+stripeKind+`","data":{"object":{"id":"sub_1","customer":"cus_1"}}}`))
	x.start()
	const waits = `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND (metadata->>'snoozes')::int = 4 AND scheduled_at > now() + interval '10 s'`
	x.until(2, waits)
	if d := x.show(clerks.ExternalID).Deliveries[0]; d.State != "pending" || d.Attempts != 0 || !strings.Contains(d.LastError, "cannot be reached") {
		t.Errorf("delivery %+v", d)
	}
	if n := x.count(`SELECT count(*) FROM river_job WHERE scheduled_at > now() + interval '70 s' AND kind = 'inbox_delivery'`); n != 0 {
		t.Errorf("%d wait for more than a minute", n)
	}
	away.Store(false)
	if err := x.inbox.Wake(t.Context(), "stripe"); err != nil {
		t.Fatal(err)
	}
	x.until(1, doneSQL)
	if n := x.count(waits); n != 1 {
		t.Errorf("%d events of the other provider wait, want 1", n)
	}
	if err := x.inbox.Wake(t.Context(), "clerk"); err != nil {
		t.Fatal(err)
	}
	x.until(2, doneSQL)
}

// An error that says that the request was sent is a failed attempt.
func TestWhatWasAskedForInVainHasFailed(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(x *box, o *options) {
		o.Attempts = 1
		withEffects(func(inbox.Event) error { return unsent{false} })(x, o)
	})
	x.put(eventBody(kind))
	x.start()
	x.until(1, `SELECT count(*) FROM inbox_deliveries WHERE state = 'failed'`)
}
