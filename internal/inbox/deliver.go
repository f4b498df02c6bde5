package inbox

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"

	"github.com/teamtask/teamtask/internal/fault"
)

const (
	noteWithin = 5 * time.Second // for what is written down after an attempt
	// River would discard a job of its own accord, and its delivery would wait for
	// ever: how often one is tried is decided here.
	riverAttempts = math.MaxInt16
)

// deliveryJob is one event for one consumer, and what its fetch is about. Whoever reads
// jobs reads ids.
type deliveryJob struct {
	Event    int64  `json:"event"`
	Consumer string `json:"consumer"`
	Party    string `json:"party"`
	Subject  string `json:"subject"`
}

// Kind implements river.JobArgs.
func (deliveryJob) Kind() string { return "inbox_delivery" }

// InsertOpts implements river.JobArgsWithInsertOpts. The queue is the provider's.
func (deliveryJob) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: riverAttempts} }

// deliver makes one attempt to apply a delivery. While its subject is being fetched it
// waits: a fetch that has begun may be older than the event.
func (b *Inbox) deliver(ctx context.Context, job *river.Job[deliveryJob]) error {
	if job.Args.Subject != "" {
		end, wait := b.fetches.begin(job.Args, time.Now())
		if end == nil {
			return river.JobSnooze(wait)
		}
		defer end()
	}
	c, err := b.claimDelivery(ctx, job.Args)
	if err != nil {
		return err // not an attempt of the consumer's
	}
	if c == nil {
		return nil // done by another's fetch or by an attempt whose end was not noted, set aside, or removed
	}
	c.event.Attempt = job.Attempt
	if job.Attempt > b.o.Attempts {
		return b.failed(ctx, c.event, job, errors.New("the process ended during the last attempt"))
	}
	consumer, ok := b.consumer(job.Args.Consumer)
	if !ok {
		return b.failed(ctx, c.event, job, errors.New("there is no such consumer in this server"))
	}
	b.step(stepTaken)
	return b.ended(ctx, job, c, apply(ctx, consumer, c.event))
}

// ended notes how an attempt ended.
func (b *Inbox) ended(ctx context.Context, job *river.Job[deliveryJob], c *claim, err error) error {
	switch {
	case err == nil:
		b.step(stepApplied)
		return b.noted(ctx, func(ctx context.Context) error { return b.applied(ctx, job.Args, c) })
	case settled(err):
		return nil
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return river.JobSnooze(0) // the server stops; the attempt does not count
	}
	if until, ok := waiting(err); ok {
		return b.wait(ctx, c.event, job, err, until)
	}
	if unsent(err) {
		return b.unasked(ctx, c.event, job, err)
	}
	return b.failed(ctx, c.event, job, err)
}

// applied marks a delivery done that was applied. Where the consumer has not run DoneSQL it
// has perhaps fetched nothing, so that nothing else of the subject is settled: the next of
// them has its turn, as it has where more are pending than DoneSQL settles at once.
func (b *Inbox) applied(ctx context.Context, args deliveryJob, c *claim) error {
	alone, err := markDone(ctx, b.pool, args.Event, args.Consumer)
	if err != nil || !alone && !c.many {
		return err
	}
	return leadNext(ctx, b.pool, args)
}

// apply survives a panic of the consumer.
func apply(ctx context.Context, c Consumer, e Event) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fault.Panicked(thrown)
		}
	}()
	return c.Apply(ctx, e)
}

func (b *Inbox) consumer(name string) (Consumer, bool) {
	for _, c := range b.o.Consumers {
		if c.Name == name {
			return c, true
		}
	}
	return Consumer{}, false
}

// settled tells whether DoneSQL refused.
func settled(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == CodeSettled
}

// failed notes a failed attempt. It answers an error, for River to come back, unless
// the delivery is set aside by it: then the next delivery of its subject has its turn.
func (b *Inbox) failed(ctx context.Context, e Event, job *river.Job[deliveryJob], cause error) error {
	words := redacted(cause.Error(), e)
	last := job.Attempt >= b.o.Attempts || hopeless(cause)
	attempts := min(job.Attempt, b.o.Attempts)
	err := b.noted(ctx, func(ctx context.Context) error {
		err := markFailed(ctx, b.pool, e.ID, job.Args.Consumer, note{attempts: attempts, words: firstLine(words), last: last})
		if err != nil || !last {
			return err
		}
		return leadNext(ctx, b.pool, job.Args)
	})
	if err != nil {
		return err
	}
	attrs := append(deliveryAttrs(e, job, words), slog.Int("attempt", attempts))
	if last {
		b.o.Log.LogAttrs(ctx, slog.LevelError, "event set aside", attrs...)
		return nil
	}
	b.o.Log.LogAttrs(ctx, slog.LevelWarn, "event not applied", attrs...)
	return errAgain
}

// Never is what Apply returns where the event can never be applied: it is set aside at once,
// with the words of the error.
func Never(err error) error { return &never{err} }

type never struct{ err error }

func (n *never) Error() string { return n.err.Error() }
func (n *never) Unwrap() error { return n.err }

// hopeless reports whether there is a Never in an error.
func hopeless(err error) bool {
	_, ok := errors.AsType[*never](err)
	return ok
}

// errAgain is all that River keeps of a failed attempt.
var errAgain = errors.New("not applied: see inbox_deliveries")

func deliveryAttrs(e Event, job *river.Job[deliveryJob], words string) []slog.Attr {
	return []slog.Attr{
		slog.Int64("event", e.ID), slog.String("provider", e.Provider), slog.String("kind", e.Kind),
		slog.String("consumer", job.Args.Consumer), slog.String("error", words),
	}
}

// unsent reports whether the consumer failed because a request to a provider was never
// sent: the provider could not be reached a moment ago, or takes no more now. An error says
// so with a method Unsent.
func unsent(err error) bool {
	var e interface {
		error
		Unsent() bool
	}
	return errors.As(err, &e) && e.Unsent()
}

// unasked puts off a delivery whose provider was not asked. That is no failed attempt.
func (b *Inbox) unasked(ctx context.Context, e Event, job *river.Job[deliveryJob], cause error) error {
	words := redacted(cause.Error(), e)
	err := b.noted(ctx, func(ctx context.Context) error {
		return markFailed(ctx, b.pool, e.ID, job.Args.Consumer, note{attempts: job.Attempt - 1, words: firstLine(words)})
	})
	if err != nil {
		return err
	}
	b.o.Log.LogAttrs(ctx, slog.LevelInfo, "event put off", deliveryAttrs(e, job, words)...)
	return river.JobSnooze(min(b.o.Backoff(snoozes(job.Metadata)+1), unaskedLongest))
}

// unaskedLongest is how long a delivery waits that was put off; Wake ends the wait.
const unaskedLongest = time.Minute

// noted writes down how an attempt ended, also where its own time is over.
func (b *Inbox) noted(ctx context.Context, note func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
	defer cancel()
	return note(ctx)
}

// Wake has deliveries of the provider that wait for their next attempt tried at once, and
// jobs that failed. It is called when a provider that could not be reached answers again.
func (b *Inbox) Wake(ctx context.Context, provider string) error {
	return wake(ctx, b.pool, queueOf(provider))
}

// mendJob gives pending deliveries that have no job a job.
type mendJob struct{}

// Kind implements river.JobArgs.
func (mendJob) Kind() string { return "inbox_mend" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (mendJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: mendQueue, MaxAttempts: 1, Priority: priorityHouse}
}

// mend looks for deliveries whose job is gone: discarded, removed, or taken by a server
// that does not know of those that joined it.
func (b *Inbox) mend(ctx context.Context, _ *river.Job[mendJob]) error {
	n, err := mendDeliveries(ctx, b.pool)
	if err == nil && n > 0 {
		b.o.Log.LogAttrs(ctx, slog.LevelWarn, "deliveries without a job were enqueued again", slog.Int("jobs", n))
	}
	return err
}
