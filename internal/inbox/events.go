package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// StoredEvent is an event with its deliveries, without its body.
type StoredEvent struct {
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

// The states of a delivery.
const (
	StatePending = "pending"
	StateWaiting = "waiting" // pending until something else happens; LastError says what: see Wait
	StateDone    = "done"
	StateFailed  = "failed" // set aside
)

// Delivery is the state of an event with one consumer.
type Delivery struct {
	EventID    int64
	Consumer   string
	State      string // StatePending and so on
	Attempts   int    // that failed, since it was last set to pending
	LastError  string // without values of the body
	Replays    int
	UpdateTime time.Time
}

// Backlog counts the deliveries that are not done.
type Backlog struct {
	Pending int64 // waiting ones included
	Failed  int64
	Oldest  time.Duration // how long the oldest pending delivery has been pending, those that wait excepted
}

// ErrNoEvent is returned for an id that no event has.
var ErrNoEvent = errors.New("there is no such event")

// Backlog counts the deliveries that are not done.
func (b *Inbox) Backlog(ctx context.Context) (Backlog, error) { return readBacklog(ctx, b.pool) }

// List returns the newest events, or the newest of those with a delivery that was set aside.
func (b *Inbox) List(ctx context.Context, failedOnly bool, most int) ([]StoredEvent, error) {
	return b.events(ctx, "", failedOnly, most)
}

// Show returns the events of an id: one by ours, perhaps several by the providers'. If there is
// none it returns ErrNoEvent.
func (b *Inbox) Show(ctx context.Context, id string) ([]StoredEvent, error) {
	all, err := b.events(ctx, id, false, 10)
	if err == nil && (id == "" || len(all) == 0) {
		return nil, ErrNoEvent
	}
	return all, err
}

func (b *Inbox) events(ctx context.Context, id string, failedOnly bool, most int) ([]StoredEvent, error) {
	all, err := selectEvents(ctx, b.pool, id, failedOnly, most)
	if err != nil {
		return nil, err
	}
	at := make(map[int64]int, len(all))
	ids := make([]int64, 0, len(all))
	for i, e := range all {
		at[e.ID] = i
		ids = append(ids, e.ID)
	}
	deliveries, err := selectDeliveries(ctx, b.pool, ids)
	if err != nil {
		return nil, err
	}
	for _, d := range deliveries {
		e := &all[at[d.EventID]]
		e.Deliveries = append(e.Deliveries, d)
	}
	return all, nil
}

// Body returns an event's body, which holds names and addresses.
func (b *Inbox) Body(ctx context.Context, event int64) ([]byte, error) {
	body, err := selectBody(ctx, b.pool, event)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNoEvent
	}
	return body, err
}

// Replay gives an event again to the consumers that want it now, and returns their names.
// Deliveries that were set aside start over, pending ones get a new job, and a consumer that
// did not want it when it came gets it for the first time. Deliveries that are done stay done
// unless doneToo: then a consumer that fetches the present state finds nothing to change. Each
// replay is counted in its delivery. For an event that cannot be read it returns no consumers.
func (b *Inbox) Replay(ctx context.Context, e StoredEvent, doneToo bool) (consumers []string, err error) {
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
		return b.jobs.EnqueueTx(ctx, tx, deliveries(e, thing, consumers)...)
	})
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return consumers, nil
}
