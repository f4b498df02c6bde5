package inbox

import (
	"context"
	"time"

	"github.com/riverqueue/river"
)

// At tells f of each step.
func (b *Inbox) At(f func(step string)) { b.step = f }

// Redacted is what is kept of an error about an event with that body.
func Redacted(text string, body []byte) string { return redacted(text, Event{Body: body}) }

// Backoff is the default of Options.Backoff.
var Backoff = backoff

// Steps are the places at which a test may end the process.
var Steps = []string{stepVerified, stepInserted, stepCommitted, stepTaken, stepApplied}

// JobArgs answers what stands in the jobs.
func (b *Inbox) JobArgs(ctx context.Context) (text string, err error) {
	err = b.pool.QueryRow(ctx, `SELECT coalesce(string_agg(to_jsonb(j)::text, E'\n'), '') FROM river_job j`).Scan(&text)
	return text, err
}

// TasksSeen is how many tasks the inbox's own connections are shown.
func (b *Inbox) TasksSeen(ctx context.Context) (n int, err error) {
	err = b.pool.QueryRow(ctx, `SELECT count(*) FROM tasks`).Scan(&n)
	return n, err
}

// WatchEvery is how often the session that keeps others off a chore says something.
const WatchEvery = watchEvery

// SilenceOfAChore is how long that session may say nothing.
func (b *Inbox) SilenceOfAChore(ctx context.Context) (most time.Duration, err error) {
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer endSession(ctx, conn)
	if _, err := takeChore(ctx, conn, "silent"); err != nil {
		return 0, err
	}
	var milliseconds int64
	err = conn.QueryRow(ctx, `SELECT setting::bigint FROM pg_settings WHERE name = 'idle_session_timeout'`).Scan(&milliseconds)
	return time.Duration(milliseconds) * time.Millisecond, err
}

// InsertJob asks for a job by River's own insert.
func (b *Inbox) InsertJob(ctx context.Context, name, tenant, subject string, notBefore time.Time) error {
	_, err := b.river.Insert(ctx, askedJob{Name: name, Tenant: tenant, Subject: subject}, &river.InsertOpts{ScheduledAt: notBefore})
	return err
}

// UnderWay are the jobs that a process is doing.
type UnderWay struct{ all underWay }

// Take joins the run of that subject that is under way, or begins one.
func (u *UnderWay) Take(ctx context.Context, subject string) (finish func() bool, leave func(), joined bool) {
	r, joined := u.all.take(ctx, askedJob{Subject: subject})
	if r == nil {
		return nil, nil, joined
	}
	return func() bool { return u.all.finish(r) }, func() { u.all.leave(r) }, joined
}

// Working tells whether jobs are worked: neither before Start nor once Stop has begun.
func (b *Inbox) Working() bool { return b.working.Load() }

// The bounds of what is read at once.
const (
	BodiesMax    = bodiesMax
	BodyBytesMax = bodyBytesMax
)

// Bodies returns how many bodies are being read, and what they take of memory.
func (b *Inbox) Bodies() (n, bytes int) { return b.bodies.used() }
