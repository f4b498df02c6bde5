package inbox

import "context"

// At tells f of each step.
func (b *Inbox) At(f func(step string)) { b.step = f }

// StruckOut is what is kept of an error.
var StruckOut = struckOut

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
