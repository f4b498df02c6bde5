package jobs

import "context"

// lockPeriodicSQL has the key of the servers before, which take the same lock.
const lockPeriodicSQL = `
	SELECT pg_try_advisory_lock(hashtextextended('inbox chore ' || $1::text, 0)),
	       set_config('idle_session_timeout', '30s', false)`

// lockPeriodic reports whether the session holds the lock of the periodic job now. A session
// that is idle for 30 s ends and releases the lock: its machine may be gone without a word.
func lockPeriodic(ctx context.Context, q querier, name string) (locked bool, err error) {
	err = q.QueryRow(ctx, lockPeriodicSQL, name).Scan(&locked, nil)
	return locked, err
}
