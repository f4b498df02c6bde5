package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"
)

// Backoff is the default of Options.Backoff.
var Backoff = backoff

// PingEvery is how often the session that holds a lock says something.
const PingEvery = pingEvery

// IdleTimeout is how long that session may be idle.
func (c *Client) IdleTimeout(ctx context.Context) (most time.Duration, err error) {
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer endSession(ctx, conn)
	if _, err := lockPeriodic(ctx, conn, "idle"); err != nil {
		return 0, err
	}
	var milliseconds int64
	err = conn.QueryRow(ctx, `SELECT setting::bigint FROM pg_settings WHERE name = 'idle_session_timeout'`).Scan(&milliseconds)
	return time.Duration(milliseconds) * time.Millisecond, err
}

// InsertJob enqueues a job by River's own insert.
func (c *Client) InsertJob(ctx context.Context, name, tenant, subject string, notBefore time.Time) error {
	client, err := c.river()
	if err != nil {
		return err
	}
	_, err = client.Insert(ctx, jobArgs{Name: name, Tenant: tenant, Subject: subject}, &river.InsertOpts{ScheduledAt: notBefore})
	return err
}

// Running are the jobs that a process is doing.
type Running struct{ all running }

// Begin joins the run of that subject, or begins one.
func (r *Running) Begin(ctx context.Context, subject string) (finish func() bool, abandon func(), joined bool) {
	mine, joined := r.all.begin(ctx, jobArgs{Subject: subject})
	if mine == nil {
		return nil, nil, joined
	}
	return func() bool { return r.all.finish(mine) }, func() { r.all.abandon(mine) }, joined
}
