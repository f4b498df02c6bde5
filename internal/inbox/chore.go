package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/pgpool"
)

const (
	choreAttempts = 6
	takeWithin    = 10 * time.Second // for a connection and the lock on it
	watchEvery    = 10 * time.Second // less than the time after which takeChoreSQL has the session end
)

// Chore is something that one of all servers does every so often, and once when the
// first of them starts. It is not begun while it is under way. After an error it is
// done again when Options.Backoff has passed, 6 times at most, and then when its time
// has come again.
type Chore struct {
	Name   string // for ever: lower case, digits, dashes
	Every  time.Duration
	Within time.Duration // its context ends then, when the server stops, or with the connection that keeps others off
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
	return river.InsertOpts{Queue: queue, MaxAttempts: choreAttempts, Priority: priorityHouse}
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
	err := w.inbox.alone(ctx, c)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return river.JobSnooze(0) // the server stops; the attempt does not count
	}
	level, last := slog.LevelWarn, job.Attempt >= choreAttempts
	if last {
		level = slog.LevelError
	}
	w.inbox.o.Log.LogAttrs(ctx, level, "chore not done", slog.String("chore", c.Name), slog.String("error", err.Error()),
		slog.Int("attempt", job.Attempt))
	if last {
		return nil
	}
	return errChore
}

// errChore is all that River keeps of it.
var errChore = errors.New("not done: see the log")

func (w *choreWorker) chore(job *river.Job[choreJob]) (Chore, bool) {
	for _, c := range w.inbox.o.Chores {
		if c.Name == job.Args.Name {
			return c, true
		}
	}
	return Chore{}, false
}

// errLost ends a chore that others may begin now.
var errLost = errors.New("the connection that keeps others off was lost")

// alone does the chore, unless it is under way. What keeps others off is a lock of a
// session, which PostgreSQL gives up when the session ends: with this process, or with
// the way to it.
func (b *Inbox) alone(ctx context.Context, c Chore) error {
	taking, cancel := context.WithTimeout(ctx, takeWithin)
	defer cancel()
	conn, err := b.pool.Acquire(taking)
	if err != nil {
		return pgpool.Reason(err)
	}
	defer endSession(ctx, conn)
	taken, err := takeChore(taking, conn, c.Name)
	if err != nil {
		return pgpool.Reason(err)
	}
	if !taken {
		return nil
	}
	ctx, end := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { end(watch(ctx, conn.Conn())) })
	err = do(ctx, c)
	end(nil)
	watching.Wait()
	if err != nil && errors.Is(context.Cause(ctx), errLost) {
		return errors.Join(errLost, err)
	}
	return err
}

// watch answers errLost when the connection is gone, and nil when ctx ends. It lets the
// session's time not run out.
func watch(ctx context.Context, conn *pgx.Conn) error {
	for {
		quiet, cancel := context.WithTimeout(ctx, watchEvery)
		_, err := conn.WaitForNotification(quiet) // nobody notifies: it ends with the connection or the time
		cancel()
		switch {
		case conn.IsClosed():
			return errLost
		case ctx.Err() != nil:
			return nil
		case err == nil:
			continue
		}
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), watchEvery)
		err = conn.Ping(asking)
		cancel()
		if err != nil {
			return errLost
		}
	}
}

// endSession gives up the session's locks and settings with it. Closing waits for
// PostgreSQL to have done so.
func endSession(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
	defer cancel()
	_ = conn.Conn().Close(ctx)
	conn.Release()
}

func do(ctx context.Context, c Chore) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("panic: %w", fault.Panicked(thrown))
		}
	}()
	return c.Do(ctx)
}
