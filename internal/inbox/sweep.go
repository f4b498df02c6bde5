package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

const (
	sweepEvery  = time.Hour
	sweepQueue  = "inbox" // the one of the servers before, which work this kind too
	sweepBatch  = 500
	sweepWithin = 50 * time.Second
)

// sweepJob removes old events.
type sweepJob struct{}

// Kind implements river.JobArgs.
func (sweepJob) Kind() string { return "inbox_sweep" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (sweepJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: sweepQueue, MaxAttempts: 3, Priority: priorityHousekeeping}
}

// sweep removes events that are older than Retention and wait for nothing, a few at a time.
func (b *Inbox) sweep(ctx context.Context, _ *river.Job[sweepJob]) error {
	ctx, cancel := context.WithTimeout(ctx, sweepWithin)
	defer cancel()
	_, err := b.Sweep(ctx)
	return err
}

// Sweep removes events that came more than Retention ago and wait for nothing, and returns how
// many. A job does so every hour.
func (b *Inbox) Sweep(ctx context.Context) (removed int64, err error) {
	before := b.o.Now().Add(-Retention)
	for {
		n, err := deleteOld(ctx, b.pool, before, sweepBatch)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("sweep: %w", err)
		}
		if n < sweepBatch {
			return removed, nil
		}
	}
}
