package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/riverqueue/river"

	"github.com/teamtask/teamtask/internal/fault"
)

const (
	jobQueue = "jobs" // its jobs may be many and slow, and delay none of the other queues

	jobPriority   = 2
	attemptsMax   = math.MaxInt16   // River would discard a job after its last attempt
	retryMax      = 5 * time.Minute // between two attempts
	alarmAttempt  = 8               // it and those after it are logged as errors
	errorsMax     = 20              // attempts that River stores an error for; those after it are not counted
	occupiedRetry = 5 * time.Second // for a job whose last run goes on although its time is over

	// nameOther stands in figures for a job that this server does not know.
	nameOther = "other"
)

// Job is work to be done later. It is enqueued with InsertSQL in the caller's transaction and
// repeated until it succeeds: after an error, a panic or the end of the process. Do should read
// what is to be done from the present state, because several requests may be served by one run.
//
// While a job runs in this process it does not run a second time for the same tenant and
// subject: if it is enqueued meanwhile, it runs once more afterwards, however often that was.
// Do's context ends after Options.Timeout or when the server stops. Its error is logged: it
// may hold ids, but nothing else of a person.
type Job struct {
	Name string // permanent: lower case, digits, dashes
	Do   func(ctx context.Context, c Call) error
}

// Call is what a job is done for: the arguments of InsertSQL.
type Call struct {
	Tenant, Subject string
	Attempt         int // from 1; not counted beyond 20
}

// Outcome is how an attempt to do a job ended.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Failed  Outcome = "failed"  // to be tried again
	Joined  Outcome = "joined"  // it is running, and will run once more
	Unknown Outcome = "unknown" // this server has no job of that name
)

// Run is an attempt that has ended. Name is one of Options.Jobs, or "other".
type Run struct {
	Name    string
	Outcome Outcome
	Attempt int
}

// jobArgs are the fields of a job's row. Rows of jobs hold ids only.
type jobArgs struct {
	Name    string `json:"name"`
	Tenant  string `json:"tenant"`
	Subject string `json:"subject"`
}

// Kind implements river.JobArgs. The name is stored in rows and cannot change.
func (jobArgs) Kind() string { return "inbox_job" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (jobArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: jobQueue, MaxAttempts: attemptsMax, Priority: jobPriority}
}

func checkNames(all []Job) error {
	seen := map[string]bool{nameOther: true}
	for _, j := range all {
		if !nameForm.MatchString(j.Name) || seen[j.Name] || j.Do == nil {
			return fmt.Errorf("job %q: needs a unique name in lower case, and Do", j.Name)
		}
		seen[j.Name] = true
	}
	return nil
}

type jobWorker struct {
	river.WorkerDefaults[jobArgs]

	client  *Client
	running running
}

// NextRetry implements river.Worker.
func (w *jobWorker) NextRetry(job *river.Job[jobArgs]) time.Time {
	return time.Now().Add(w.backoff(job.Attempt))
}

func (w *jobWorker) backoff(attempt int) time.Duration {
	return min(w.client.o.Backoff(max(1, attempt)), retryMax)
}

// Work implements river.Worker.
func (w *jobWorker) Work(ctx context.Context, job *river.Job[jobArgs]) error {
	j, ok := w.job(job.Args.Name)
	if !ok { // of another version of the server
		w.client.o.Log.LogAttrs(ctx, slog.LevelWarn, "job not known to this server", jobAttrs(job)...)
		w.client.o.Observe(Run{Name: nameOther, Outcome: Unknown, Attempt: job.Attempt})
		return river.JobSnooze(retryMax)
	}
	mine, joined := w.running.begin(ctx, job.Args)
	switch {
	case joined:
		w.client.o.Observe(Run{Name: j.Name, Outcome: Joined, Attempt: job.Attempt})
		return nil
	case mine == nil:
		return river.JobSnooze(occupiedRetry)
	}
	defer w.running.abandon(mine)
	half := time.Now().Add(w.client.o.Timeout / 2)
	for {
		err := do(ctx, j, Call{Tenant: job.Args.Tenant, Subject: job.Args.Subject, Attempt: job.Attempt})
		switch {
		case err != nil && errors.Is(ctx.Err(), context.Canceled):
			return river.JobSnooze(0) // the server stops; the attempt does not count
		case err != nil:
			return w.failed(ctx, job, err)
		}
		w.client.o.Observe(Run{Name: j.Name, Outcome: Done, Attempt: job.Attempt})
		if w.running.finish(mine) {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(half) {
			return river.JobSnooze(0) // once more, with all of its time
		}
	}
}

// failed logs a failed attempt and returns the error that has River repeat it.
func (w *jobWorker) failed(ctx context.Context, job *river.Job[jobArgs], cause error) error {
	level := slog.LevelWarn
	if job.Attempt >= alarmAttempt {
		level = slog.LevelError
	}
	w.client.o.Log.LogAttrs(ctx, level, "job failed",
		append(jobAttrs(job), slog.String("error", LogText(cause.Error())))...)
	w.client.o.Observe(Run{Name: job.Args.Name, Outcome: Failed, Attempt: job.Attempt})
	if job.Attempt > errorsMax {
		return river.JobSnooze(w.backoff(job.Attempt)) // without another error in its row, nor an end to its attempts
	}
	return errFailed
}

// errFailed is all that River stores of an error.
var errFailed = errors.New("failed: see the log")

func jobAttrs(job *river.Job[jobArgs]) []slog.Attr {
	return []slog.Attr{
		slog.String("job", job.Args.Name), slog.String("tenant", job.Args.Tenant), slog.String("subject", job.Args.Subject),
		slog.Int("attempt", job.Attempt), slog.Time("enqueued", job.CreatedAt),
	}
}

func (w *jobWorker) job(name string) (Job, bool) {
	for _, j := range w.client.o.Jobs {
		if j.Name == name {
			return j, true
		}
	}
	return Job{}, false
}

// do calls j.Do and returns a panic as an error.
func do(ctx context.Context, j Job, c Call) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fault.Panicked(thrown)
		}
	}()
	return j.Do(ctx, c)
}
