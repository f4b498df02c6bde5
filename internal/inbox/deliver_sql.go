package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// beginSQL keeps events that come from now on from joining a queued delivery of the subject:
// its fetch may begin before them. It waits for transactions that are joining one.
const beginSQL = `
	UPDATE inbox_deliveries
	   SET queued = false
	 WHERE consumer = $1 AND party = $2 AND subject = $3 AND state = 'pending' AND queued`

// claimSQL writes when the attempt begins, and which event is the newest then: an event up to
// that one is about a change older than the fetch, whenever it is committed.
const claimSQL = `
	UPDATE inbox_deliveries d
	   SET queued = false, fetch_time = clock_timestamp(), fetch_bound = (SELECT max(id) FROM inbox_events)
	  FROM inbox_events e
	 WHERE d.event_id = $1 AND d.consumer = $2 AND d.state = 'pending' AND e.id = d.event_id
	RETURNING e.id, e.provider, e.external_id, e.kind, e.instance, e.body, e.receive_time, d.wait_time, d.fetch_time, d.fetch_bound,
	       d.subject <> '' AND ` + mergeMax + ` < (SELECT count(*)
	                                 FROM (SELECT
	                                         FROM inbox_deliveries o
	                                        WHERE o.consumer = d.consumer AND o.party = d.party AND o.subject = d.subject AND o.state = 'pending'
	                                        LIMIT ` + mergeMax + ` + 1) few)`

// claim is a delivery that an attempt has begun to apply.
type claim struct {
	event Event
	time  time.Time
	bound int64
	many  bool // more of the subject are pending than DoneSQL marks at once
}

// claimDelivery begins an attempt. It returns nil if the delivery is not pending.
func (b *Inbox) claimDelivery(ctx context.Context, args deliveryJob) (*claim, error) {
	var batch pgx.Batch
	if args.Subject != "" {
		batch.Queue(beginSQL, args.Consumer, args.Party, args.Subject)
	}
	var c claim
	e := &c.event
	err := pgx.ErrNoRows
	batch.Queue(claimSQL, args.Event, args.Consumer).QueryRow(func(row pgx.Row) error {
		err = row.Scan(&e.ID, &e.Provider, &e.ExternalID, &e.Kind, &e.Instance, &e.Body, &e.ReceiveTime, &e.Since, &c.time, &c.bound, &c.many)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if sent := b.pool.SendBatch(ctx, &batch).Close(); sent != nil {
		return nil, fmt.Errorf("begin the delivery: %w", sent)
	}
	if err != nil {
		return nil, nil //nolint:nilerr // no rows: the delivery is not pending
	}
	return &c, nil
}

const markDoneSQL = `
	UPDATE inbox_deliveries
	   SET state = 'done', last_error = '', queued = false, waits = false, update_time = now()
	 WHERE event_id = $1 AND consumer = $2 AND state = 'pending'`

// markDone marks one delivery done. It reports whether it was still pending: then the consumer
// did not run DoneSQL.
func markDone(ctx context.Context, q querier, event int64, consumer string) (marked bool, err error) {
	tag, err := q.Exec(ctx, markDoneSQL, event, consumer)
	if err != nil {
		return false, fmt.Errorf("mark the delivery done: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

const markFailedSQL = `
	UPDATE inbox_deliveries
	   SET state = CASE WHEN $5 THEN 'failed' ELSE state END, waits = $6, attempts = $3, last_error = $4, update_time = now()
	 WHERE event_id = $1 AND consumer = $2 AND state = 'pending'`

// note is what is stored of an attempt that did not apply a delivery.
type note struct {
	attempts int // that failed
	words    string
	last     bool // the delivery is set aside
	waits    bool // see Wait
}

// markFailed writes an attempt.
func markFailed(ctx context.Context, q querier, event int64, consumer string, n note) error {
	if _, err := q.Exec(ctx, markFailedSQL, event, consumer, n.attempts, n.words, n.last, n.waits); err != nil {
		return fmt.Errorf("write the failed attempt: %w", err)
	}
	return nil
}

const enqueueNextSQL = `
	WITH due AS (
	    UPDATE inbox_deliveries d
	       SET queued = true
	      FROM (SELECT o.event_id, e.provider
	              FROM inbox_deliveries o
	              JOIN inbox_events e ON e.id = o.event_id
	             WHERE o.consumer = $1 AND o.party = $2 AND o.subject = $3 AND o.state = 'pending'
	               AND NOT EXISTS (SELECT
	                                 FROM inbox_deliveries q
	                                WHERE q.consumer = $1 AND q.party = $2 AND q.subject = $3 AND q.state = 'pending' AND q.queued)
	             ORDER BY o.event_id DESC
	             LIMIT 1) newest
	     WHERE d.event_id = newest.event_id AND d.consumer = $1 AND d.state = 'pending'
	 RETURNING d.event_id, d.consumer, d.party, d.subject, d.priority, newest.provider
	), ` + insertJobSQL

// enqueueNext gives the newest pending delivery of the subject a job, if there is one: those had
// joined a delivery that ended without them. If one of the subject has a job that has not
// begun, it does nothing.
func enqueueNext(ctx context.Context, q querier, args deliveryJob) error {
	if args.Subject == "" {
		return nil
	}
	var jobs, told int
	if err := q.QueryRow(ctx, enqueueNextSQL, args.Consumer, args.Party, args.Subject).Scan(&jobs, &told); err != nil {
		return fmt.Errorf("enqueue the next delivery of the subject: %w", err)
	}
	return nil
}

const repairSQL = `
	WITH live AS (
	    SELECT d.event_id, d.consumer, d.party, d.subject
	      FROM river_job j
	      JOIN inbox_deliveries d ON d.event_id = (j.args->>'event')::bigint AND d.consumer = j.args->>'consumer'
	     WHERE j.kind = 'inbox_delivery' AND j.state IN ` + liveJobs + `
	), lost AS (
	    SELECT DISTINCT ON (d.consumer, d.party, d.subject, CASE WHEN d.subject = '' THEN d.event_id END)
	           d.event_id, d.consumer
	      FROM inbox_deliveries d
	     WHERE d.state = 'pending' AND d.wait_time < now() - interval '1 minute' AND d.update_time < now() - interval '1 minute'
	       AND NOT EXISTS (SELECT
	                         FROM live l
	                        WHERE l.event_id = d.event_id AND l.consumer = d.consumer)
	       AND (d.subject = '' OR NOT EXISTS (SELECT
	                                            FROM live l
	                                           WHERE l.consumer = d.consumer AND l.party = d.party AND l.subject = d.subject))
	     ORDER BY d.consumer, d.party, d.subject, CASE WHEN d.subject = '' THEN d.event_id END, d.event_id DESC
	     LIMIT 1000
	), due AS (
	    UPDATE inbox_deliveries d
	       SET queued = true
	      FROM lost
	      JOIN inbox_events e ON e.id = lost.event_id
	     WHERE d.event_id = lost.event_id AND d.consumer = lost.consumer AND d.state = 'pending'
	 RETURNING d.event_id, d.consumer, d.party, d.subject, d.priority, e.provider
	), ` + insertJobSQL

// repairDeliveries gives pending deliveries that have no job one, and returns how many.
func repairDeliveries(ctx context.Context, q querier) (jobs int, err error) {
	var told int
	if err := q.QueryRow(ctx, repairSQL).Scan(&jobs, &told); err != nil {
		return 0, fmt.Errorf("find deliveries without a job: %w", err)
	}
	return jobs, nil
}

const wakeDeliveriesSQL = `
	WITH woken AS (
	    UPDATE river_job
	       SET state = 'available', scheduled_at = now()
	     WHERE kind = 'inbox_delivery' AND queue IN ($1, 'inbox') AND state IN ('available', 'retryable', 'scheduled') AND scheduled_at > now()
	 RETURNING queue
	)
	SELECT count(pg_notify(concat(current_schema(), '.river_insert'), '{"queue": "' || queue || '"}'))
	  FROM (SELECT DISTINCT queue FROM woken) queues`

// wakeDeliveries makes the provider's deliveries that wait for their next attempt due now.
func wakeDeliveries(ctx context.Context, q querier, queue string) error {
	var told int
	if err := q.QueryRow(ctx, wakeDeliveriesSQL, queue).Scan(&told); err != nil {
		return fmt.Errorf("wake the provider's deliveries: %w", err)
	}
	return nil
}
