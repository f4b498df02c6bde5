package inbox

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
)

const (
	queue        = "inbox"         // what is done for the house, and deliveries that an older server has stored
	mendQueue    = "inbox-mend"    // a queue of its own: older servers work the one above, and discard what they do not know
	erasureQueue = "inbox-erasure" // what removes people: it may be much, and holds up none of the others
	jobQueue     = "jobs"          // what others asked for: it may be much and slow, and holds up none of the above
	sweepBatch   = 500
	sweepWithin  = 50 * time.Second
	mendEvery    = time.Minute

	erasureWorkers = 1
)

// queueOf is the queue of a provider's deliveries: no provider waits for another.
func queueOf(provider string) string { return "inbox-" + provider }

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
	river.AddWorker(workers, river.WorkFunc(b.mend))
	river.AddWorker(workers, river.WorkFunc(b.reduce))
	river.AddWorker(workers, river.WorkFunc(b.forget))
	river.AddWorker(workers, &choreWorker{inbox: b})
	river.AddWorker(workers, &jobWorker{inbox: b})
	queues := map[string]river.QueueConfig{
		queue: {MaxWorkers: b.o.Workers}, mendQueue: {MaxWorkers: 1}, erasureQueue: {MaxWorkers: erasureWorkers}, jobQueue: {MaxWorkers: b.o.JobWorkers},
	}
	for provider := range shapes {
		queues[queueOf(provider)] = river.QueueConfig{MaxWorkers: b.o.Workers}
	}
	return river.NewClient(riverpgxv5.New(b.pool), &river.Config{
		Queues:                      queues,
		Workers:                     workers,
		PeriodicJobs:                append(periodic(b.o.Chores), every(sweepEvery, sweepJob{}), every(mendEvery, mendJob{}), every(reduceEvery, reduceJob{})),
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

// every is a job that one of all servers does so often, and when the first of them starts.
func every(d time.Duration, args river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(d),
		func() (river.JobArgs, *river.InsertOpts) { return args, nil }, &river.PeriodicJobOpts{RunOnStart: true})
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
