// Package jobs does work in the background: jobs are rows in PostgreSQL, kept by River. A job
// is enqueued in the transaction that makes it necessary and repeated until it succeeds; a
// periodic job is done by one of all servers every so often.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/teamtask/teamtask/internal/pgpool"
)

// Options are what Open needs to know. The zero value of a number is its default.
type Options struct {
	URL      string // of the runtime role
	Log      *slog.Logger
	Jobs     []Job
	Periodic []Periodic

	Observe func(Run) // called after every attempt of a job; may be nil

	Backoff func(attempt int) time.Duration // after a failed attempt: 2 s, 8 s, 32 s and so on, at most 3 h; for jobs at most 5 min
	Workers int                             // jobs done at once: 4
	Timeout time.Duration                   // of one attempt: 60 s
	Rescue  time.Duration                   // after which an attempt whose process died is repeated: 2 min
}

const (
	softStop           = 15 * time.Second
	hardStop           = 2 * time.Second
	completedRetention = time.Hour // of the rows of finished jobs
	fetchCooldown      = 10 * time.Millisecond
	fetchPoll          = time.Second
)

// Client enqueues jobs and works them. It is safe to share once it is started.
type Client struct {
	o       Options
	pool    *pgxpool.Pool
	workers *river.Workers
	queues  map[string]river.QueueConfig
	every   []*river.PeriodicJob
	river   func() (*river.Client[pgx.Tx], error) // made when it is first needed: kinds are added before
	working atomic.Bool
}

// nameForm is the form of the names of jobs.
var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Open connects as the runtime role. It does not work jobs before Start. Errors never quote
// the URL. The pool size in the URL does not apply to this pool.
func Open(ctx context.Context, o Options) (*Client, error) {
	if err := checkNames(o.Jobs); err != nil {
		return nil, err
	}
	o = withDefaults(o)
	if o.Rescue < o.Timeout {
		return nil, errors.New("an attempt cannot be rescued before its timeout")
	}
	pool, err := openPool(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	if err := checkTables(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	c := &Client{o: o, pool: pool, workers: river.NewWorkers(), queues: map[string]river.QueueConfig{}}
	c.river = sync.OnceValues(c.newRiver)
	c.AddQueue(periodicQueue, periodicWorkers)
	c.AddQueue(jobQueue, c.o.Workers)
	river.AddWorker(c.workers, &periodicWorker{client: c})
	river.AddWorker(c.workers, &jobWorker{client: c})
	for _, p := range o.Periodic {
		c.Every(p.Every, periodicArgs{Name: p.Name})
	}
	return c, nil
}

func withDefaults(o Options) Options {
	if o.Observe == nil {
		o.Observe = func(Run) {}
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	if o.Workers == 0 {
		o.Workers = 4
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Rescue == 0 {
		o.Rescue = 2 * time.Minute
	}
	return o
}

// checkTables checks that the pool reaches the database, and that River's tables are there.
func checkTables(ctx context.Context, pool *pgxpool.Pool) error {
	if err := pool.Ping(ctx); err != nil {
		return pgpool.Reason(err)
	}
	version, err := selectVersion(ctx, pool)
	if err != nil || version < versionWanted {
		return errors.Join(errors.New("the job tables are missing or too old: run `migrate up`"), pgpool.Reason(err))
	}
	return nil
}

// Add has the client work a kind of job of another package, before Start.
func Add[A river.JobArgs](c *Client, work func(context.Context, *river.Job[A]) error) {
	river.AddWorker(c.workers, river.WorkFunc(work))
}

// AddQueue adds a queue with so many workers, before Start. The jobs of one queue do not wait
// for those of another.
func (c *Client) AddQueue(name string, workers int) {
	c.queues[name] = river.QueueConfig{MaxWorkers: workers}
}

// Every has one of all servers enqueue a job every so often, and when the first of them
// starts. It is called before Start.
func (c *Client) Every(d time.Duration, args river.JobArgs) {
	c.every = append(c.every, river.NewPeriodicJob(river.PeriodicInterval(d),
		func() (river.JobArgs, *river.InsertOpts) { return args, nil }, &river.PeriodicJobOpts{RunOnStart: true}))
}

func (c *Client) newRiver() (*river.Client[pgx.Tx], error) {
	client, err := river.NewClient(riverpgxv5.New(c.pool), &river.Config{
		Queues:                      c.queues,
		Workers:                     c.workers,
		PeriodicJobs:                c.every,
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		JobTimeout:                  c.o.Timeout,
		RescueStuckJobsAfter:        c.o.Rescue,
		RetryPolicy:                 retryPolicy{c.o.Backoff},
		CompletedJobRetentionPeriod: completedRetention,
		SoftStopTimeout:             softStop,
		ReindexerIndexNames:         []string{}, // the runtime role owns no index
		ReindexerSchedule:           river.NeverSchedule(),
		Logger:                      slog.New(warnings{c.o.Log.Handler()}),
	})
	if err != nil {
		return nil, fmt.Errorf("make the job client: %w", err)
	}
	return client, nil
}

// Start begins to work jobs, until Stop.
func (c *Client) Start(ctx context.Context) error {
	client, err := c.river()
	if err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the job workers: %w", pgpool.Reason(err))
	}
	c.working.Store(true)
	return nil
}

// Stop takes no more jobs and waits for those that are running. After 15 s, or when ctx ends,
// it cancels them: they are repeated later, and the attempt does not count. Jobs can be
// enqueued until Close.
func (c *Client) Stop(ctx context.Context) error {
	if !c.working.CompareAndSwap(true, false) {
		return nil
	}
	client, err := c.river()
	if err != nil {
		return err
	}
	if err := client.Stop(ctx); err != nil {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), hardStop)
		defer cancel()
		if err := client.StopAndCancel(hard); err != nil {
			return fmt.Errorf("jobs were still running: %w", err)
		}
	}
	return nil
}

// Close closes the connections.
func (c *Client) Close() { c.pool.Close() }

// Pool returns the connections that jobs are worked over. No tenant's rows are visible there.
func (c *Client) Pool() *pgxpool.Pool { return c.pool }

// Backoff returns how long to wait after the failed attempt, from 1.
func (c *Client) Backoff(attempt int) time.Duration { return c.o.Backoff(attempt) }

// Timeout returns how long one attempt may take.
func (c *Client) Timeout() time.Duration { return c.o.Timeout }

// Enqueue enqueues jobs of kinds given to Add.
func (c *Client) Enqueue(ctx context.Context, jobs ...river.InsertManyParams) error {
	client, err := c.river()
	if err != nil {
		return err
	}
	if _, err := client.InsertMany(ctx, jobs); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	return nil
}

// EnqueueTx is Enqueue in a transaction over Pool.
func (c *Client) EnqueueTx(ctx context.Context, tx pgx.Tx, jobs ...river.InsertManyParams) error {
	client, err := c.river()
	if err != nil {
		return err
	}
	if _, err := client.InsertManyTx(ctx, tx, jobs); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	return nil
}

// Wake has jobs whose last attempt failed tried again now.
func (c *Client) Wake(ctx context.Context) error { return wakeFailed(ctx, c.pool) }

// backoff waits 2 s after the first failed attempt and four times as long after each further
// one: 8 attempts take about 3 hours.
func backoff(attempt int) time.Duration {
	const most = 3 * time.Hour
	wait := 2 * time.Second
	for range attempt - 1 {
		if wait *= 4; wait >= most {
			return most
		}
	}
	return wait
}

// retryPolicy is Options.Backoff as River calls it.
type retryPolicy struct {
	backoff func(attempt int) time.Duration
}

// NextRetry implements river.ClientRetryPolicy. A rescued attempt has no error yet, so
// attempts are counted, not errors.
func (p retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(p.backoff(max(1, job.Attempt)))
}

// warnings passes on River's warnings and errors; it logs much below them.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}
