package inbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Entry is an event as an operator sees it: without its body.
type Entry struct {
	ID          int64
	Provider    string
	ExternalID  string
	Kind        string // empty: it cannot be read
	Instance    string
	About       string // the thing it is about, such as "customer cus_1"; "" where it names none
	Person      string // the id of the person it is about, or ""
	Size        int    // of the body, in bytes
	Reduced     bool   // the body holds ids alone
	ReceiveTime time.Time
	Deliveries  []Delivery `db:"-"` // empty: no consumer wants it
}

// Delivery is what has become of an event with one consumer. State is pending, done or
// failed, which is set aside.
type Delivery struct {
	EventID    int64
	Consumer   string
	State      string
	Waits      bool   // it is pending because it has to wait for something else; LastError says what for
	Attempts   int    // that failed, since it was last set to pending
	LastError  string // without values of the body
	Replays    int
	UpdateTime time.Time
}

// Backlog is what waits and what was set aside.
type Backlog struct {
	Pending int64
	Failed  int64
	Oldest  time.Duration // how long the oldest pending delivery has been waiting, other than those of NotYet
}

// ErrNoEvent is an id that no event has.
var ErrNoEvent = errors.New("there is no such event")

// Backlog counts the deliveries that are not done.
func (b *Inbox) Backlog(ctx context.Context) (Backlog, error) { return readBacklog(ctx, b.pool) }

// List answers the newest events, or of those the ones with a delivery that was set
// aside.
func (b *Inbox) List(ctx context.Context, failedOnly bool, most int) ([]Entry, error) {
	return b.entries(ctx, "", failedOnly, most)
}

// Show answers the events of an id: one by ours, perhaps several by the providers'.
// No event is ErrNoEvent.
func (b *Inbox) Show(ctx context.Context, id string) ([]Entry, error) {
	all, err := b.entries(ctx, id, false, 10)
	if err == nil && (id == "" || len(all) == 0) {
		return nil, ErrNoEvent
	}
	return all, err
}

func (b *Inbox) entries(ctx context.Context, id string, failedOnly bool, most int) ([]Entry, error) {
	all, err := readEntries(ctx, b.pool, id, failedOnly, most)
	if err != nil {
		return nil, err
	}
	at := make(map[int64]int, len(all))
	ids := make([]int64, 0, len(all))
	for i, e := range all {
		at[e.ID] = i
		ids = append(ids, e.ID)
	}
	deliveries, err := readDeliveries(ctx, b.pool, ids)
	if err != nil {
		return nil, err
	}
	for _, d := range deliveries {
		d.Waits = d.State == "pending" && (d.Waits || strings.HasPrefix(d.LastError, oldWaitWords))
		e := &all[at[d.EventID]]
		e.Deliveries = append(e.Deliveries, d)
	}
	return all, nil
}

// Body answers an event's body, which holds names and addresses.
func (b *Inbox) Body(ctx context.Context, event int64) ([]byte, error) {
	body, err := readStored(ctx, b.pool, event)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNoEvent
	}
	return body, err
}

// Replay hands an event again to the consumers that want it now, and answers which.
// Deliveries that were set aside begin anew, pending ones get a new job, and a consumer
// that did not want it when it came gets it for the first time. What is done stays done
// unless doneToo, which is a new run: a consumer that fetches the present state then
// finds nothing to change. Each replay is counted in its delivery. An event that cannot
// be read is answered without consumers.
func (b *Inbox) Replay(ctx context.Context, e Entry, doneToo bool) (consumers []string, err error) {
	wanting := b.wanting(e.Kind)
	if len(wanting) == 0 {
		return nil, nil
	}
	body, err := b.Body(ctx, e.ID)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	thing := shapeOf(e.Provider).thing(e.Kind, body)
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		if consumers, err = reopen(ctx, tx, e, thing, wanting, doneToo); err != nil || len(consumers) == 0 {
			return err
		}
		return b.enqueue(ctx, tx, deliveries(e, thing, consumers))
	})
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return consumers, nil
}
