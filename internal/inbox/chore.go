package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/teamtask/teamtask/internal/fault"
)

// Chore is something that one of all servers does every so often, and once when the
// first of them starts. It is not begun while it is under way, and not repeated after
// an error before its time has come again.
type Chore struct {
	Name   string // for ever: lower case, digits, dashes
	Every  time.Duration
	Within time.Duration // its context ends then, or when the server stops
	Do     func(ctx context.Context) error
}

// choreJob is one time that a chore is done.
type choreJob struct {
	Name string `json:"name"`
}

// Kind implements river.JobArgs.
func (choreJob) Kind() string { return "inbox_chore" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (choreJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: 1, UniqueOpts: river.UniqueOpts{
		ByArgs: true,
		ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
		},
	}}
}

func periodic(all []Chore) []*river.PeriodicJob {
	var jobs []*river.PeriodicJob
	for _, c := range all {
		jobs = append(jobs, river.NewPeriodicJob(river.PeriodicInterval(c.Every),
			func() (river.JobArgs, *river.InsertOpts) { return choreJob{Name: c.Name}, nil }, &river.PeriodicJobOpts{RunOnStart: true}))
	}
	return jobs
}

type choreWorker struct {
	river.WorkerDefaults[choreJob]

	inbox *Inbox
}

// Timeout implements river.Worker. A job past it is taken for lost.
func (w *choreWorker) Timeout(job *river.Job[choreJob]) time.Duration {
	c, _ := w.chore(job)
	return c.Within
}

// Work implements river.Worker.
func (w *choreWorker) Work(ctx context.Context, job *river.Job[choreJob]) error {
	c, ok := w.chore(job)
	if !ok {
		return nil // of another version of the server
	}
	if err := do(ctx, c); err != nil && !errors.Is(ctx.Err(), context.Canceled) { // the server stops
		w.inbox.o.Log.LogAttrs(ctx, slog.LevelError, "chore not done", slog.String("chore", c.Name), slog.String("error", err.Error()))
	}
	return nil
}

func (w *choreWorker) chore(job *river.Job[choreJob]) (Chore, bool) {
	for _, c := range w.inbox.o.Chores {
		if c.Name == job.Args.Name {
			return c, true
		}
	}
	return Chore{}, false
}

func do(ctx context.Context, c Chore) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("panic: %w", fault.Panicked(thrown))
		}
	}()
	return c.Do(ctx)
}
