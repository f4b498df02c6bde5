package inbox

import (
	"context"
)

// At has f called at each step.
func (b *Inbox) At(f func(step string)) { b.step = f }

// Redacted returns what is stored of an error about an event with that body.
func Redacted(text string, body []byte) string { return redacted(text, Event{Body: body}) }

// Steps are the places at which a test may end the process.
var Steps = []string{stepVerified, stepInserted, stepCommitted, stepTaken, stepApplied}

// JobArgs returns the rows of all jobs as text.
func (b *Inbox) JobArgs(ctx context.Context) (text string, err error) {
	err = b.pool.QueryRow(ctx, `SELECT coalesce(string_agg(to_jsonb(j)::text, E'\n'), '') FROM river_job j`).Scan(&text)
	return text, err
}

// TasksSeen returns how many tasks are visible over the inbox's connections.
func (b *Inbox) TasksSeen(ctx context.Context) (n int, err error) {
	err = b.pool.QueryRow(ctx, `SELECT count(*) FROM tasks`).Scan(&n)
	return n, err
}

// The bounds of what is read at once.
const (
	BodiesMax    = bodiesMax
	BodyBytesMax = bodyBytesMax
)

// Bodies returns how many bodies are being read, and what they take of memory.
func (b *Inbox) Bodies() (n, bytes int) { return b.bodies.used() }

// ForgetPersonSQL is the statement that removes a person's events.
const ForgetPersonSQL = forgetPersonSQL
