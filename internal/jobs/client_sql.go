package jobs

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// versionWanted is the version of River's tables that this package is written for.
const versionWanted = 7

// querier is the pool or one of its connections.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const selectVersionSQL = `
	SELECT coalesce(max(version), 0)
	  FROM river_migration
	 WHERE line = 'main'`

func selectVersion(ctx context.Context, q querier) (version int, err error) {
	err = q.QueryRow(ctx, selectVersionSQL).Scan(&version)
	return version, err
}

const wakeFailedSQL = `
	WITH woken AS (
	    UPDATE river_job
	       SET state = 'available', scheduled_at = now()
	     WHERE kind = 'inbox_job' AND state = 'retryable'
	 RETURNING queue
	)
	SELECT count(pg_notify(concat(current_schema(), '.river_insert'), '{"queue": "' || queue || '"}'))
	  FROM (SELECT DISTINCT queue FROM woken) queues`

// wakeFailed makes jobs that wait for their next attempt after a failed one due now. A job
// that was enqueued for later keeps its time.
func wakeFailed(ctx context.Context, q querier) error {
	var notified int
	if err := q.QueryRow(ctx, wakeFailedSQL).Scan(&notified); err != nil {
		return fmt.Errorf("wake failed jobs: %w", err)
	}
	return nil
}
