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
	noteWithin = 5 * time.Second // for what is written after an attempt

	// riverAttempts keeps River from discarding a job: its delivery would be pending without
	// one. How often a delivery is tried is decided here.
	riverAttempts = math.MaxInt16

	repairEvery = time.Minute

	// postponeMax is how long a delivery waits whose provider was not called; Wake ends the wait.
	postponeMax = time.Minute
)

// deliveryJob is one event for one consumer, and what its fetch is about. Rows of jobs hold ids
// only.
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

// deliver makes one attempt to apply a delivery. It waits while its subject is being fetched: a
// fetch that has begun may be older than the event.
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
		return nil // done by another fetch or by an attempt whose end was not written, set aside, or removed
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

// ended writes how an attempt ended.
func (b *Inbox) ended(ctx context.Context, job *river.Job[deliveryJob], c *claim, err error) error {
	switch {
	case err == nil:
		b.step(stepApplied)
		return b.noted(ctx, func(ctx context.Context) error { return b.applied(ctx, job.Args, c) })
	case notPending(err):
		return nil
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return river.JobSnooze(0) // the server stops; the attempt does not count
	}
	if until, ok := waitsFor(err); ok {
		return b.wait(ctx, c.event, job, err, until)
	}
	if unsent(err) {
		return b.postpone(ctx, c.event, job, err)
	}
	return b.failed(ctx, c.event, job, err)
}

// applied marks a delivery done that was applied. A consumer that has not run DoneSQL may have
// fetched nothing, so no other delivery of the subject is done with it: the next one gets a job.
// So it does if more are pending than DoneSQL marks at once.
func (b *Inbox) applied(ctx context.Context, args deliveryJob, c *claim) error {
	alone, err := markDone(ctx, b.pool, args.Event, args.Consumer)
	if err != nil || !alone && !c.many {
		return err
	}
	return enqueueNext(ctx, b.pool, args)
}

// apply calls c.Apply and returns a panic as an error.
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

// notPending reports whether DoneSQL refused.
func notPending(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == CodeNotPending
}

// failed writes a failed attempt. It returns an error, so that River repeats the job, unless the
// delivery is set aside: then the next delivery of its subject gets a job.
func (b *Inbox) failed(ctx context.Context, e Event, job *river.Job[deliveryJob], cause error) error {
	words := redacted(cause.Error(), e)
	last := job.Attempt >= b.o.Attempts || isPermanent(cause)
	attempts := min(job.Attempt, b.o.Attempts)
	err := b.noted(ctx, func(ctx context.Context) error {
		err := markFailed(ctx, b.pool, e.ID, job.Args.Consumer, note{attempts: attempts, words: firstLine(words), last: last})
		if err != nil || !last {
			return err
		}
		return enqueueNext(ctx, b.pool, job.Args)
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

// Permanent returns an error with which Apply has the event set aside at once: it can never be
// applied.
func Permanent(err error) error { return &permanent{err} }

type permanent struct{ err error }

func (p *permanent) Error() string { return p.err.Error() }
func (p *permanent) Unwrap() error { return p.err }

func isPermanent(err error) bool {
	_, ok := errors.AsType[*permanent](err)
	return ok
}

// errAgain is all that River stores of a failed attempt.
var errAgain = errors.New("not applied: see inbox_deliveries")

func deliveryAttrs(e Event, job *river.Job[deliveryJob], words string) []slog.Attr {
	return []slog.Attr{
		slog.Int64("event", e.ID), slog.String("provider", e.Provider), slog.String("kind", e.Kind),
		slog.String("consumer", job.Args.Consumer), slog.String("error", words),
	}
}

// unsent reports whether the consumer failed because a request to a provider was not sent: the
// provider was unreachable a moment ago, or takes no more requests now. Such an error has a
// method Unsent.
func unsent(err error) bool {
	var e interface {
		error
		Unsent() bool
	}
	return errors.As(err, &e) && e.Unsent()
}

// postpone puts off a delivery whose provider was not called. That is no failed attempt.
func (b *Inbox) postpone(ctx context.Context, e Event, job *river.Job[deliveryJob], cause error) error {
	words := redacted(cause.Error(), e)
	err := b.noted(ctx, func(ctx context.Context) error {
		return markFailed(ctx, b.pool, e.ID, job.Args.Consumer, note{attempts: job.Attempt - 1, words: firstLine(words)})
	})
	if err != nil {
		return err
	}
	b.o.Log.LogAttrs(ctx, slog.LevelInfo, "event put off", deliveryAttrs(e, job, words)...)
	return river.JobSnooze(min(b.jobs.Backoff(snoozes(job.Metadata)+1), postponeMax))
}

// noted calls note with time of its own: the time of the attempt may be over.
func (b *Inbox) noted(ctx context.Context, note func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
	defer cancel()
	return note(ctx)
}

// Wake has deliveries of the provider that wait for their next attempt tried now, and jobs that
// failed. It is called when a provider that was unreachable responds again.
func (b *Inbox) Wake(ctx context.Context, provider string) error {
	return errors.Join(wakeDeliveries(ctx, b.pool, queueOf(provider)), b.jobs.Wake(ctx))
}

// repairJob gives pending deliveries that have no job a job.
type repairJob struct{}

// Kind implements river.JobArgs.
func (repairJob) Kind() string { return "inbox_mend" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (repairJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: repairQueue, MaxAttempts: 1, Priority: priorityHousekeeping}
}

// repair enqueues deliveries whose job is gone: discarded, removed, or taken by a server that
// does not know of those that joined it.
func (b *Inbox) repair(ctx context.Context, _ *river.Job[repairJob]) error {
	n, err := repairDeliveries(ctx, b.pool)
	if err == nil && n > 0 {
		b.o.Log.LogAttrs(ctx, slog.LevelWarn, "deliveries without a job were enqueued again", slog.Int("jobs", n))
	}
	return err
}
