package jobs

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
	// periodicQueue has its name from the servers before, which work it too.
	periodicQueue    = "inbox"
	periodicWorkers  = 16
	periodicPriority = 4
	periodicAttempts = 6

	lockWithin = 10 * time.Second // for a connection and the lock on it
	pingEvery  = 10 * time.Second // less than the idle time after which lockPeriodicSQL has the session end
	closeWait  = 5 * time.Second  // for PostgreSQL to end a session
)

// Periodic is work that one of all servers does every so often, and once when the first of
// them starts. It does not begin while it is running. After an error it is repeated after
// Options.Backoff, 6 times at most, and then at its next time.
type Periodic struct {
	Name   string // permanent: lower case, digits, dashes
	Every  time.Duration
	Within time.Duration // its context ends then, when the server stops, or when its lock is lost
	Do     func(ctx context.Context) error
}

// periodicArgs are the fields of the row of one run.
type periodicArgs struct {
	Name string `json:"name"`
}

// Kind implements river.JobArgs. The name is stored in rows and cannot change.
func (periodicArgs) Kind() string { return "inbox_chore" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (periodicArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: periodicQueue, MaxAttempts: periodicAttempts, Priority: periodicPriority}
}

type periodicWorker struct {
	river.WorkerDefaults[periodicArgs]

	client *Client
}

// Timeout implements river.Worker. A job past it counts as lost.
func (w *periodicWorker) Timeout(job *river.Job[periodicArgs]) time.Duration {
	p, _ := w.periodic(job)
	return p.Within
}

// Work implements river.Worker.
func (w *periodicWorker) Work(ctx context.Context, job *river.Job[periodicArgs]) error {
	p, ok := w.periodic(job)
	if !ok {
		return nil // of another version of the server
	}
	err := w.client.exclusive(ctx, p)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return river.JobSnooze(0) // the server stops; the attempt does not count
	}
	level, last := slog.LevelWarn, job.Attempt >= periodicAttempts
	if last {
		level = slog.LevelError
	}
	w.client.o.Log.LogAttrs(ctx, level, "periodic job failed", slog.String("job", p.Name), slog.String("error", err.Error()),
		slog.Int("attempt", job.Attempt))
	if last {
		return nil
	}
	return errFailed
}

func (w *periodicWorker) periodic(job *river.Job[periodicArgs]) (Periodic, bool) {
	for _, p := range w.client.o.Periodic {
		if p.Name == job.Args.Name {
			return p, true
		}
	}
	return Periodic{}, false
}

// errLockLost ends a periodic job that another server may begin now.
var errLockLost = errors.New("the connection that holds the lock was lost")

// exclusive does the periodic job, unless it is running. Its lock is one of a session, which
// PostgreSQL releases when the session ends: with this process, or with the way to it.
func (c *Client) exclusive(ctx context.Context, p Periodic) error {
	locking, cancel := context.WithTimeout(ctx, lockWithin)
	defer cancel()
	conn, err := c.pool.Acquire(locking)
	if err != nil {
		return pgpool.Reason(err)
	}
	defer endSession(ctx, conn)
	locked, err := lockPeriodic(locking, conn, p.Name)
	if err != nil {
		return pgpool.Reason(err)
	}
	if !locked {
		return nil
	}
	ctx, end := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { end(watch(ctx, conn.Conn())) })
	err = doPeriodic(ctx, p)
	end(nil)
	watching.Wait()
	if err != nil && errors.Is(context.Cause(ctx), errLockLost) {
		return errors.Join(errLockLost, err)
	}
	return err
}

// watch returns errLockLost when the connection is lost, and nil when ctx ends. It keeps the
// session from ending for being idle.
func watch(ctx context.Context, conn *pgx.Conn) error {
	for {
		idle, cancel := context.WithTimeout(ctx, pingEvery)
		_, err := conn.WaitForNotification(idle) // there are none: it ends with the connection or the time
		cancel()
		switch {
		case conn.IsClosed():
			return errLockLost
		case ctx.Err() != nil:
			return nil
		case err == nil:
			continue
		}
		ping, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingEvery)
		err = conn.Ping(ping)
		cancel()
		if err != nil {
			return errLockLost
		}
	}
}

// endSession ends the session, and with it its locks and settings. Closing waits for
// PostgreSQL to have done so.
func endSession(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer cancel()
	_ = conn.Conn().Close(ctx)
	conn.Release()
}

// doPeriodic calls p.Do and returns a panic as an error.
func doPeriodic(ctx context.Context, p Periodic) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("panic: %w", fault.Panicked(thrown))
		}
	}()
	return p.Do(ctx)
}
