package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// mergeMax is how many deliveries DoneSQL marks done beside its own.
const mergeMax = "5000"

// mergeSQL marks a pending delivery done, and with it those of the same consumer and subject
// that came before its fetch began. One that is queued again was reopened meanwhile, and one
// that another transaction holds is left to its job.
const mergeSQL = `
	marked AS (
	    UPDATE inbox_deliveries
	       SET state = 'done', last_error = '', queued = false, waits = false, update_time = now()
	     WHERE event_id = $1::bigint AND consumer = $2::text AND state = 'pending'
	 RETURNING event_id, consumer, party, subject, fetch_time, fetch_bound
	), older AS (
	    SELECT d.event_id, d.consumer
	      FROM marked m
	      JOIN inbox_deliveries d ON d.consumer = m.consumer AND d.party = m.party AND d.subject = m.subject
	     WHERE m.subject <> '' AND d.state = 'pending' AND NOT d.queued
	       AND d.event_id <> m.event_id AND d.event_id <= m.fetch_bound AND d.wait_time <= m.fetch_time
	     ORDER BY d.event_id
	     LIMIT ` + mergeMax + `
	       FOR UPDATE OF d SKIP LOCKED
	), merged AS (
	    UPDATE inbox_deliveries d
	       SET state = 'done', last_error = '', waits = false, update_time = now()
	      FROM older s
	     WHERE d.event_id = s.event_id AND d.consumer = s.consumer
	)`

// DoneName and DoneSQL are the statement that marks a delivery done. A consumer runs it in the
// transaction of its effect, with Event.ID and its own name. It marks the older deliveries of
// the subject too. If the delivery is not pending any more it fails with the SQLSTATE
// CodeNotPending and aborts the transaction: an event has its effect once, however many apply
// it at the same time.
const (
	DoneName = "inbox_done"
	DoneSQL  = `
	WITH ` + mergeSQL + `
	SELECT CASE WHEN NOT EXISTS (SELECT FROM marked)
	            THEN refuse('` + CodeNotPending + `', 'the delivery is not pending')
	       END`

	// CodeNotPending is the SQLSTATE with which DoneSQL refuses. Apply should return that error
	// as it is, or wrapped: nothing is left to do.
	CodeNotPending = "TT020"
)

// unreadable stands in place of a consumer for an event that cannot be read.
const unreadable = "inbox"

// querier is the pool or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const deleteOldSQL = `
	DELETE FROM inbox_events
	 WHERE id IN (SELECT e.id
	                FROM inbox_events e
	               WHERE e.receive_time < $1
	                 AND NOT EXISTS (SELECT
	                                   FROM inbox_deliveries d
	                                  WHERE d.event_id = e.id AND d.state = 'pending')
	               ORDER BY e.receive_time
	               LIMIT $2)`

// deleteOld removes at most so many events that came before a time and wait for nothing, with
// their deliveries, and returns how many.
func deleteOld(ctx context.Context, q querier, before time.Time, most int) (int64, error) {
	tag, err := q.Exec(ctx, deleteOldSQL, before, most)
	if err != nil {
		return 0, fmt.Errorf("remove old events: %w", err)
	}
	return tag.RowsAffected(), nil
}

const readBacklogSQL = `
	SELECT count(*) FILTER (WHERE state = 'pending') AS pending,
	       count(*) FILTER (WHERE state = 'failed') AS failed,
	       greatest(0, coalesce(extract(epoch FROM now() - min(wait_time) FILTER (WHERE state = 'pending' AND NOT waits)), 0))::float8 AS seconds
	  FROM inbox_deliveries
	 WHERE state <> 'done'`

func readBacklog(ctx context.Context, q querier) (Backlog, error) {
	var b Backlog
	var seconds float64
	if err := q.QueryRow(ctx, readBacklogSQL).Scan(&b.Pending, &b.Failed, &seconds); err != nil {
		return Backlog{}, fmt.Errorf("read the backlog: %w", err)
	}
	b.Oldest = time.Duration(seconds * float64(time.Second))
	return b, nil
}
