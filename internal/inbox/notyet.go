package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/riverqueue/river"
)

const (
	waitLongest = 10 * time.Minute // between two tries
	waitUntil   = 72 * time.Hour

	// waitWords stand before the words of a delivery that waits. Its state is pending.
	waitWords = "not yet: "
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

// Waits tells whether the delivery is pending because it has to wait for something else;
// LastError says what for.
func (d Delivery) Waits() bool {
	return d.State == "pending" && strings.HasPrefix(d.LastError, waitWords)
}

// wait notes that the delivery waits, or sets it aside.
func (b *Inbox) wait(ctx context.Context, e Event, pendingSince time.Time, job *river.Job[deliveryJob], cause error, until time.Duration) error {
	words := struckOut(cause.Error(), e.Body)
	attrs := []slog.Attr{
		slog.Int64("event", e.ID), slog.String("provider", e.Provider), slog.String("kind", e.Kind),
		slog.String("consumer", job.Args.Consumer), slog.Time("since", pendingSince), slog.String("error", words),
	}
	failed, last := job.Attempt-1, b.o.Now().Sub(pendingSince) >= until
	line := firstLine(words)
	if !last {
		line = waitWords + line
	}
	err := b.noted(ctx, func(ctx context.Context) error {
		return markFailed(ctx, b.pool, e.ID, job.Args.Consumer, failed, line, last)
	})
	if err != nil {
		return err
	}
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
