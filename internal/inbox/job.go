package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/teamtask/teamtask/internal/fault"
)

const (
	jobLongest  = 5 * time.Minute // between two attempts
	jobAlarm    = 8               // the attempt that is logged as an error, as are those after it
	jobErrors   = 20              // attempts that River keeps a line of each; those after it are not counted
	jobOccupied = 5 * time.Second // until a job is looked at again that a worker does not let go of though its time is over
)

// Job is something to be done later, asked for with JobSQL in the transaction of
// whoever holds one, and repeated until it succeeds, for ever: after an error, a panic or
// the end of the process. Do should look at what is wanted now and not rely on what was
// wanted when it was asked for. Where it is asked for while it is under way for the same
// tenant and subject, it is done once more afterwards, however often that was; in one
// process it is never under way twice. Jobs have workers of their own, so that a delivery
// waits for none, however many are asked for and however slow they are. Its context ends
// after Options.Timeout or when the server stops. What its error says is logged: it must
// hold ids at most.
type Job struct {
	Name string // for ever: lower case, digits, dashes
	Do   func(ctx context.Context, c JobCall) error
}

// JobCall is what a job is done for, as whoever asked for it said.
type JobCall struct {
	Tenant, Subject string
	Attempt         int // from 1; it stays where it is after 20
}

// JobOutcome is how an attempt to do a job ended.
type JobOutcome string

// The outcomes that there are.
const (
	JobDone    JobOutcome = "done"
	JobFailed  JobOutcome = "failed"  // to be tried again
	JobJoined  JobOutcome = "joined"  // it is under way, and will be done once more
	JobUnknown JobOutcome = "unknown" // this server has no job of that name
)

// JobRun is an attempt that has ended. Names are those of Options.Jobs, or "other".
type JobRun struct {
	Name    string
	Outcome JobOutcome
	Attempt int
}

// askedJob is one time that a job was asked for. Whoever reads jobs reads ids.
type askedJob struct {
	Name    string `json:"name"`
	Tenant  string `json:"tenant"`
	Subject string `json:"subject"`
}

// Kind implements river.JobArgs.
func (askedJob) Kind() string { return "inbox_job" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (askedJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: jobQueue, MaxAttempts: riverAttempts, Priority: priorityChange}
}

func checkJobs(all []Job) error {
	seen := map[string]bool{otherKind: true}
	for _, j := range all {
		if !nameForm.MatchString(j.Name) || seen[j.Name] || j.Do == nil {
			return fmt.Errorf("job %q: wants a name of its own in lower case, and Do", j.Name)
		}
		seen[j.Name] = true
	}
	return nil
}

type jobWorker struct {
	river.WorkerDefaults[askedJob]

	inbox *Inbox
	under underWay
}

// NextRetry implements river.Worker.
func (w *jobWorker) NextRetry(job *river.Job[askedJob]) time.Time {
	return time.Now().Add(w.wait(job.Attempt))
}

func (w *jobWorker) wait(attempt int) time.Duration {
	return min(w.inbox.o.Backoff(max(1, attempt)), jobLongest)
}

// Work implements river.Worker.
func (w *jobWorker) Work(ctx context.Context, job *river.Job[askedJob]) error {
	j, ok := w.job(job.Args.Name)
	if !ok { // of another version of the server
		w.inbox.o.Log.LogAttrs(ctx, slog.LevelWarn, "job not known to this server", jobAttrs(job)...)
		w.inbox.o.ObserveJob(JobRun{Name: otherKind, Outcome: JobUnknown, Attempt: job.Attempt})
		return river.JobSnooze(jobLongest)
	}
	mine, joined := w.under.take(ctx, job.Args)
	switch {
	case joined:
		w.inbox.o.ObserveJob(JobRun{Name: j.Name, Outcome: JobJoined, Attempt: job.Attempt})
		return nil
	case mine == nil:
		return river.JobSnooze(jobOccupied)
	}
	defer w.under.leave(mine)
	half := time.Now().Add(w.inbox.o.Timeout / 2)
	for {
		err := doJob(ctx, j, JobCall{Tenant: job.Args.Tenant, Subject: job.Args.Subject, Attempt: job.Attempt})
		switch {
		case err != nil && errors.Is(ctx.Err(), context.Canceled):
			return river.JobSnooze(0) // the server stops; the attempt does not count
		case err != nil:
			return w.failed(ctx, job, err)
		}
		w.inbox.o.ObserveJob(JobRun{Name: j.Name, Outcome: JobDone, Attempt: job.Attempt})
		if w.under.finish(mine) {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(half) {
			return river.JobSnooze(0) // once more, with all of its time
		}
	}
}

// failed logs a failed attempt, and answers what has River come back.
func (w *jobWorker) failed(ctx context.Context, job *river.Job[askedJob], cause error) error {
	level := slog.LevelWarn
	if job.Attempt >= jobAlarm {
		level = slog.LevelError
	}
	w.inbox.o.Log.LogAttrs(ctx, level, "job not done",
		append(jobAttrs(job), slog.String("error", cleaned(cause.Error())))...)
	w.inbox.o.ObserveJob(JobRun{Name: job.Args.Name, Outcome: JobFailed, Attempt: job.Attempt})
	if job.Attempt > jobErrors {
		return river.JobSnooze(w.wait(job.Attempt)) // without a further line in its row, nor an end to its attempts
	}
	return errJob
}

// errJob is all that River keeps of it.
var errJob = errors.New("not done: see the log")

func jobAttrs(job *river.Job[askedJob]) []slog.Attr {
	return []slog.Attr{
		slog.String("job", job.Args.Name), slog.String("tenant", job.Args.Tenant), slog.String("subject", job.Args.Subject),
		slog.Int("attempt", job.Attempt), slog.Time("asked", job.CreatedAt),
	}
}

func (w *jobWorker) job(name string) (Job, bool) {
	for _, j := range w.inbox.o.Jobs {
		if j.Name == name {
			return j, true
		}
	}
	return Job{}, false
}

// doJob survives a panic.
func doJob(ctx context.Context, j Job, c JobCall) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fault.Panicked(thrown)
		}
	}()
	return j.Do(ctx, c)
}
