package inbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/inbox"
)

// invited is an event of an invitation. Its body names who accepted it, if anybody did.
func invited(kind, user string) string {
	body := `{"object":"event","type":"organizationInvitation.` + kind + `","data":{"id":"orginv_1","organization_id":"org_1"`
	if user != "" {
		body += `,"user_id":"` + user + `"`
	}
	return body + `}}`
}

// Who accepted an invitation is in the event of that alone: no fetch for another settles it.
func TestAnAcceptanceIsAppliedItself(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var accepters []string
	x := newBox(t, func(x *box, o *options) {
		pool, err := pgxpool.New(x.t.Context(), x.db.AppURL)
		if err != nil {
			x.t.Fatal(err)
		}
		x.t.Cleanup(pool.Close)
		o.Consumers = []inbox.Consumer{{Name: consumer, Wants: all, Apply: func(ctx context.Context, e inbox.Event) error {
			var body struct {
				Data struct {
					UserID string `json:"user_id"`
				} `json:"data"`
			}
			if err := json.Unmarshal(e.Body, &body); err != nil {
				return err
			}
			if body.Data.UserID != "" {
				mu.Lock()
				defer mu.Unlock()
				accepters = append(accepters, body.Data.UserID)
			}
			return effect(ctx, pool, e, func(string) {})
		}}}
	})
	x.put(invited("created", ""))
	x.put(invited("accepted", "user_1"))
	x.put(invited("revoked", ""))
	x.start()
	x.until(3, doneSQL)
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"user_1"}; !slices.Equal(accepters, want) {
		t.Errorf("accepted by %v, want %v", accepters, want)
	}
}

// joined is an event about one membership, with a note.
func joined(note string) string {
	return `{"object":"event","type":"` + kind + `","data":{"id":"orgmem_1","organization":{"id":"org_1"},"public_user_data":{"user_id":"user_1"},"note":"` + note + `"}}`
}

// An event with which nothing was fetched settles none of the others of its subject.
func TestAnEventThatFetchesNothingSettlesItselfAlone(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	x := newBox(t, func(x *box, o *options) {
		pool, err := pgxpool.New(x.t.Context(), x.db.AppURL)
		if err != nil {
			x.t.Fatal(err)
		}
		x.t.Cleanup(pool.Close)
		o.Consumers = []inbox.Consumer{{Name: consumer, Wants: all, Apply: func(ctx context.Context, e inbox.Event) error {
			calls.Add(1)
			if strings.Contains(string(e.Body), "nothing") {
				return nil
			}
			return effect(ctx, pool, e, func(string) {})
		}}}
	})
	x.put(joined("nothing"))
	x.put(joined("settled with the one after it"))
	x.put(joined("applied"))
	x.put(joined("nothing"))
	x.start()
	x.until(4, doneSQL)
	if x.effects() != 1 || calls.Load() != 3 {
		t.Errorf("%d effects after %d calls, want 1 after 3", x.effects(), calls.Load())
	}
	if n := x.count(`SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery'`); n != 3 {
		t.Errorf("%d jobs, want 3", n)
	}
}

// What one statement has no room for is settled by further fetches.
func TestAStormOfOneSubjectIsSettledByFewFetches(t *testing.T) {
	t.Parallel()
	const storm = 5010
	x := newBox(t, withEffects(nil))
	x.put(joined("first"))
	x.exec(`INSERT INTO inbox_events (provider, external_id, kind, instance, body, receive_time)
		SELECT 'clerk', 'evt_' || n, $1, '', '{}', now() FROM generate_series(1, $2) n`, kind, storm)
	x.exec(`INSERT INTO inbox_deliveries (event_id, consumer, party, subject)
		SELECT e.id, d.consumer, d.party, d.subject FROM inbox_events e, inbox_deliveries d WHERE e.external_id LIKE 'evt\_%'`)
	x.start()
	x.until(storm+1, doneSQL)
	if n := x.effects(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// What can never be applied is tried once, and the next of its subject has its turn.
func TestAnEventThatCanNeverBeAppliedIsSetAsideAtOnce(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	x := newBox(t, withEffects(func(e inbox.Event) error {
		calls.Add(1)
		if strings.Contains(string(e.Body), "hopeless") {
			return fmt.Errorf("apply: %w", inbox.Permanent(errors.New("of another mode")))
		}
		return nil
	}))
	e := x.put(joined("hopeless"))
	x.put(joined("applied"))
	x.start()
	x.until(1, doneSQL)
	if d := x.show(e.ExternalID).Deliveries[0]; d.State != "failed" || d.Attempts != 1 || d.LastError != "apply: of another mode" || calls.Load() != 2 {
		t.Errorf("%d calls, %+v", calls.Load(), d)
	}
}

// A server of the version before works the queue of the house and discards kinds of jobs
// that it does not know.
func TestOlderServersAreGivenNoJobThatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	x.put(`{"type":"user.deleted","data":{"id":"user_1"}}`)
	x.start()
	x.until(3, `SELECT count(DISTINCT kind) FROM river_job WHERE kind IN ('inbox_mend', 'inbox_reduce', 'inbox_forget') AND state = 'completed'`)
	const known = `('inbox_delivery', 'inbox_sweep', 'inbox_chore', 'inbox_job')`
	if n := x.count(`SELECT count(*) FROM river_job WHERE queue IN ('inbox', 'jobs') AND kind NOT IN ` + known); n != 0 {
		t.Errorf("%d jobs, want none", n)
	}
}
