package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
)

const (
	waitLongest = 10 * time.Minute // between two tries
	waitUntil   = 72 * time.Hour

	// oldWaitWords stand before the words of a delivery that waits where an older server
	// has noted that; now it is a column.
	oldWaitWords = "not yet: "
)

// NotYet is what Apply answers where the event has to wait for something else, for
// instance a customer whom we do not know yet. It is tried again after 2 s, 8 s and so
// on, at least every 10 min, and that does not count as a failed attempt. Once it has been
// pending for so long (0: 72 h) it is set aside with the words of Apply's error.
func NotYet(err error, until time.Duration) error {
	if until == 0 {
		until = waitUntil
	}
	return &notYet{err: err, until: until}
}

type notYet struct {
	err   error
	until time.Duration
}

func (n *notYet) Error() string { return n.err.Error() }
func (n *notYet) Unwrap() error { return n.err }

// wait notes that the delivery waits, or sets it aside.
func (b *Inbox) wait(ctx context.Context, e Event, job *river.Job[deliveryJob], cause error, until time.Duration) error {
	words := redacted(cause.Error(), e)
	last := b.o.Now().Sub(e.Since) >= until
	err := b.noted(ctx, func(ctx context.Context) error {
		err := markFailed(ctx, b.pool, e.ID, job.Args.Consumer,
			note{attempts: job.Attempt - 1, words: firstLine(words), last: last, waits: !last})
		if err != nil || !last {
			return err
		}
		return leadNext(ctx, b.pool, job.Args)
	})
	if err != nil {
		return err
	}
	attrs := append(deliveryAttrs(e, job, words), slog.Time("since", e.Since))
	if last {
		b.o.Log.LogAttrs(ctx, slog.LevelError, "event set aside: it has waited too long", attrs...)
		return nil
	}
	b.o.Log.LogAttrs(ctx, slog.LevelInfo, "event waits", attrs...)
	return river.JobSnooze(min(b.o.Backoff(snoozes(job.Metadata)+1), waitLongest))
}

// snoozes is how often River has put the job off already.
func snoozes(metadata []byte) int {
	var kept struct {
		Snoozes int `json:"snoozes"`
	}
	if json.Unmarshal(metadata, &kept) != nil {
		return 0
	}
	return kept.Snoozes
}

// waiting tells whether there is a NotYet in an error, and how long it is good for.
func waiting(err error) (until time.Duration, ok bool) {
	n, ok := errors.AsType[*notYet](err)
	if !ok {
		return 0, false
	}
	return n.until, true
}
