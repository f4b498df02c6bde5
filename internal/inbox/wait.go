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
	waitRetryMax = 10 * time.Minute // between two attempts
	waitMax      = 72 * time.Hour
)

// Wait returns an error with which Apply has the event wait for something else, for instance a
// customer that is not stored yet. It is tried again after 2 s, 8 s and so on, at least every
// 10 min, and that is no failed attempt. Once it has been pending for so long (0: 72 h) it is
// set aside with the text of Apply's error.
func Wait(err error, until time.Duration) error {
	if until == 0 {
		until = waitMax
	}
	return &wait{err: err, until: until}
}

type wait struct {
	err   error
	until time.Duration
}

func (w *wait) Error() string { return w.err.Error() }
func (w *wait) Unwrap() error { return w.err }

// wait writes that the delivery waits, or sets it aside.
func (b *Inbox) wait(ctx context.Context, e Event, job *river.Job[deliveryJob], cause error, until time.Duration) error {
	words := redacted(cause.Error(), e)
	last := b.o.Now().Sub(e.Since) >= until
	err := b.noted(ctx, func(ctx context.Context) error {
		err := markFailed(ctx, b.pool, e.ID, job.Args.Consumer,
			note{attempts: job.Attempt - 1, words: firstLine(words), last: last, waits: !last})
		if err != nil || !last {
			return err
		}
		return enqueueNext(ctx, b.pool, job.Args)
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
	return river.JobSnooze(min(b.jobs.Backoff(snoozes(job.Metadata)+1), waitRetryMax))
}

// snoozes returns how often River has put the job off.
func snoozes(metadata []byte) int {
	var counted struct {
		Snoozes int `json:"snoozes"`
	}
	if json.Unmarshal(metadata, &counted) != nil {
		return 0
	}
	return counted.Snoozes
}

// waitsFor reports whether the error is one of Wait, and how long the event may wait.
func waitsFor(err error) (until time.Duration, ok bool) {
	w, ok := errors.AsType[*wait](err)
	if !ok {
		return 0, false
	}
	return w.until, true
}
