package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/teamtask/teamtask/internal/fault"
)

const (
	queue       = "inbox"         // of deliveries and of what is done for the house
	jobQueue    = "jobs"          // of what others asked for: it may be much and slow, and holds up none of the above
	noteWithin  = 5 * time.Second // for what is written down after an attempt
	sweepBatch  = 500
	sweepWithin = 50 * time.Second
	// River would discard a job of its own accord, and its delivery would wait for
	// ever: how often one is tried is decided here.
	riverAttempts = math.MaxInt16
)

// How soon a job is taken up, whatever came before it: River begins with 1. A removal
// must be seen soon, also behind thousands of additions.
const (
	priorityRemoval  = 1
	priorityChange   = 2
	priorityAddition = 3
	priorityHouse    = 4
)

func priority(kind string) int {
	switch {
	case strings.HasSuffix(kind, ".deleted"):
		return priorityRemoval
	case strings.HasSuffix(kind, ".created"):
		return priorityAddition
	}
	return priorityChange
}

// deliveryJob is one event for one consumer. Whoever reads jobs reads ids.
type deliveryJob struct {
	Event    int64  `json:"event"`
	Consumer string `json:"consumer"`
}

// Kind implements river.JobArgs.
func (deliveryJob) Kind() string { return "inbox_delivery" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (deliveryJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: riverAttempts}
}

// sweepJob removes what is old.
type sweepJob struct{}

// Kind implements river.JobArgs.
func (sweepJob) Kind() string { return "inbox_sweep" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (sweepJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: 3, Priority: priorityHouse}
}

func (b *Inbox) newClient() (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(b.deliver))
	river.AddWorker(workers, river.WorkFunc(b.sweep))
	river.AddWorker(workers, river.WorkFunc(b.forget))
	river.AddWorker(workers, &choreWorker{inbox: b})
	river.AddWorker(workers, &jobWorker{inbox: b})
	sweeping := river.NewPeriodicJob(river.PeriodicInterval(sweepEvery),
		func() (river.JobArgs, *river.InsertOpts) { return sweepJob{}, nil }, &river.PeriodicJobOpts{RunOnStart: true})
	return river.NewClient(riverpgxv5.New(b.pool), &river.Config{
		Queues:                      map[string]river.QueueConfig{queue: {MaxWorkers: b.o.Workers}, jobQueue: {MaxWorkers: b.o.JobWorkers}},
		Workers:                     workers,
		PeriodicJobs:                append(periodic(b.o.Chores), sweeping),
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		JobTimeout:                  b.o.Timeout,
		RescueStuckJobsAfter:        b.o.Rescue,
		RetryPolicy:                 retryPolicy{b.o.Backoff},
		CompletedJobRetentionPeriod: keepCompleted,
		SoftStopTimeout:             softStop,
		ReindexerIndexNames:         []string{}, // the runtime role owns no index
		ReindexerSchedule:           river.NeverSchedule(),
		Logger:                      slog.New(warnings{b.o.Log.Handler()}),
	})
}

// retryPolicy is Options.Backoff, as River asks for it.
type retryPolicy struct {
	backoff func(attempt int) time.Duration
}

// NextRetry implements river.ClientRetryPolicy. A rescued attempt has no error yet, so
// that attempts are counted, and not errors.
func (p retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(p.backoff(max(1, job.Attempt)))
}

// warnings lets River's warnings and errors through: it is talkative below.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// deliver makes one attempt to apply a delivery.
func (b *Inbox) deliver(ctx context.Context, job *river.Job[deliveryJob]) error {
	e, since, err := readPending(ctx, b.pool, job.Args.Event, job.Args.Consumer)
	if err != nil {
		return err // not an attempt of the consumer's
	}
	if since.IsZero() {
		return nil // done by an attempt whose end was not noted, set aside, or removed
	}
	e.Attempt = job.Attempt
	if job.Attempt > b.o.Attempts {
		return b.failed(ctx, e, job, errors.New("the process ended during the last attempt"))
	}
	consumer, ok := b.consumer(job.Args.Consumer)
	if !ok {
		return b.failed(ctx, e, job, errors.New("there is no such consumer in this server"))
	}
	b.step(stepTaken)
	err = apply(ctx, consumer, e)
	switch {
	case err == nil:
		b.step(stepApplied)
		return b.noted(ctx, func(ctx context.Context) error {
			return markDone(ctx, b.pool, e.ID, consumer.Name)
		})
	case settled(err):
		return nil
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return river.JobSnooze(0) // the server stops; the attempt does not count
	}
	if until, ok := waiting(err); ok {
		return b.wait(ctx, e, since, job, err, until)
	}
	return b.failed(ctx, e, job, err)
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
// the delivery is set aside by it.
func (b *Inbox) failed(ctx context.Context, e Event, job *river.Job[deliveryJob], cause error) error {
	words := struckOut(cause.Error(), e.Body)
	last := job.Attempt >= b.o.Attempts
	attempts := min(job.Attempt, b.o.Attempts)
	err := b.noted(ctx, func(ctx context.Context) error {
		return markFailed(ctx, b.pool, e.ID, job.Args.Consumer, attempts, firstLine(words), last)
	})
	if err != nil {
		return err
	}
	attrs := []slog.Attr{
		slog.Int64("event", e.ID), slog.String("provider", e.Provider), slog.String("kind", e.Kind),
		slog.String("consumer", job.Args.Consumer), slog.Int("attempt", attempts), slog.String("error", words),
	}
	if last {
		b.o.Log.LogAttrs(ctx, slog.LevelError, "event set aside", attrs...)
		return nil
	}
	b.o.Log.LogAttrs(ctx, slog.LevelWarn, "event not applied", attrs...)
	return errAgain
}

// errAgain is all that River keeps of a failed attempt.
var errAgain = errors.New("not applied: see inbox_deliveries")

// noted writes down how an attempt ended, also where its own time is over.
func (b *Inbox) noted(ctx context.Context, note func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
	defer cancel()
	return note(ctx)
}

// sweep removes events that are past Keep and wait for nothing, a few at a time.
func (b *Inbox) sweep(ctx context.Context, _ *river.Job[sweepJob]) error {
	ctx, cancel := context.WithTimeout(ctx, sweepWithin)
	defer cancel()
	_, err := b.Sweep(ctx)
	return err
}

// Sweep removes events that came more than Keep ago and wait for nothing, and answers
// how many. A started inbox does so every hour.
func (b *Inbox) Sweep(ctx context.Context) (removed int64, err error) {
	before := b.o.Now().Add(-Keep)
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
