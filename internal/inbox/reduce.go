package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

const (
	reduceEvery = time.Minute
	reduceBatch = 500
	reduceRest  = 5 * time.Millisecond // between batches: others have the database too

	// unreadableRetention is how long an event that cannot be read is stored as it came, for an
	// operator to read.
	unreadableRetention = 7 * 24 * time.Hour
)

// reduceJob reduces the bodies of events to ids once they wait for nothing: a consumer
// fetches what it needs, so that applying one again takes no more.
type reduceJob struct{}

// Kind implements river.JobArgs.
func (reduceJob) Kind() string { return "inbox_reduce" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (reduceJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: erasureQueue, MaxAttempts: 3, Priority: priorityHousekeeping}
}

// reduce continues in its next run where its time was over.
func (b *Inbox) reduce(ctx context.Context, _ *river.Job[reduceJob]) error {
	ctx, cancel := context.WithTimeout(ctx, b.jobs.Timeout()/2)
	defer cancel()
	_, err := b.reduceFrom(ctx, 0, false)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Reduce reduces the bodies of events that wait for nothing. A job does so every minute.
func (b *Inbox) Reduce(ctx context.Context) error {
	_, err := b.reduceFrom(ctx, 0, false)
	return err
}

// reduceFrom reduces the bodies of events after that one: all of them, or those that wait for
// nothing. It returns the last event that it read, also with an error.
func (b *Inbox) reduceFrom(ctx context.Context, after int64, all bool) (last int64, err error) {
	unreadableBefore := b.o.Now().Add(-unreadableRetention)
	for last = after; ; {
		page, err := selectWhole(ctx, b.pool, last, unreadableBefore, all, reduceBatch)
		if err != nil {
			return last, err
		}
		if len(page) == 0 {
			return last, nil
		}
		if err := updateReduced(ctx, b.pool, page); err != nil {
			return last, err
		}
		last = page[len(page)-1].ID
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("reduce events: %w", ctx.Err())
		case <-time.After(reduceRest):
		}
	}
}

// wholeEvent is an event whose body is as it came.
type wholeEvent struct {
	ID             int64
	Provider, Kind string
	Body           []byte
}

// reduced returns the body with ids alone. An event that cannot be read becomes a hash.
func (s wholeEvent) reduced() []byte {
	if s.Kind == "" {
		sum := sha256.Sum256(s.Body)
		return written(map[string]string{"sha256": hex.EncodeToString(sum[:])})
	}
	return shapeOf(s.Provider).reduced(s.Body)
}
