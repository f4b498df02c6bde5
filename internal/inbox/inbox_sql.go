package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DoneName and DoneSQL are the statement that marks a delivery done: a consumer runs
// it in the transaction of its effect, with Event.ID and its own name. If the delivery
// is not pending any more it fails with the SQLSTATE CodeSettled, and takes the
// transaction with it: so an event has its effect once, however many apply it at once.
const (
	DoneName = "inbox_done"
	DoneSQL  = `
		WITH marked AS (
		    UPDATE inbox_deliveries
		       SET state = 'done', last_error = '', update_time = now()
		     WHERE event_id = $1::bigint AND consumer = $2::text AND state = 'pending'
		 RETURNING event_id
		)
		SELECT CASE WHEN NOT EXISTS (SELECT FROM marked)
		            THEN refuse('` + CodeSettled + `', 'the delivery is settled')
		       END`

	// CodeSettled is the SQLSTATE with which DoneSQL refuses. Apply should answer that
	// error as it is, or wrapped: it means that there is nothing left to do.
	CodeSettled = "TT020"
)

// unreadable stands in place of a consumer for an event that cannot be read.
const unreadable = "inbox"

// jobsVersionWanted is the version of River's tables that this is written for.
const jobsVersionWanted = 7

// querier is the pool or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const insertEventSQL = `
	WITH event AS (
	    INSERT INTO inbox_events (provider, external_id, kind, instance, body, receive_time)
	    VALUES ($1, $2, $3, $4, $5, $6)
	        ON CONFLICT (provider, external_id) DO NOTHING
	 RETURNING id
	), wanted AS (
	    INSERT INTO inbox_deliveries (event_id, consumer)
	    SELECT event.id, name
	      FROM event, unnest($7::text[]) name
	), unreadable AS (
	    INSERT INTO inbox_deliveries (event_id, consumer, state, last_error)
	    SELECT event.id, '` + unreadable + `', 'failed', 'not a JSON object with a type'
	      FROM event
	     WHERE $3::text = ''
	)
	SELECT id
	  FROM event`

// insertEvent answers the event's id, or 0 where it was there already.
func insertEvent(ctx context.Context, q querier, e Event, consumers []string) (id int64, err error) {
	err = q.QueryRow(ctx, insertEventSQL, e.Provider, e.ExternalID, e.Kind, e.Instance, e.Body, e.ReceiveTime, consumers).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("insert the event: %w", err)
	}
	return id, nil
}

const readPendingSQL = `
	SELECT e.id, e.provider, e.external_id, e.kind, e.instance, e.body, e.receive_time, d.wait_time
	  FROM inbox_deliveries d
	  JOIN inbox_events e ON e.id = d.event_id
	 WHERE d.event_id = $1 AND d.consumer = $2 AND d.state = 'pending'`

// readPending answers the event of a delivery that is pending, and since when it is: the
// zero time where it is not.
func readPending(ctx context.Context, q querier, event int64, consumer string) (e Event, since time.Time, err error) {
	err = q.QueryRow(ctx, readPendingSQL, event, consumer).
		Scan(&e.ID, &e.Provider, &e.ExternalID, &e.Kind, &e.Instance, &e.Body, &e.ReceiveTime, &since)
	if errors.Is(err, pgx.ErrNoRows) {
		return Event{}, time.Time{}, nil
	}
	if err != nil {
		return Event{}, time.Time{}, fmt.Errorf("read the delivery: %w", err)
	}
	return e, since, nil
}

const markDoneSQL = `
	UPDATE inbox_deliveries
	   SET state = 'done', last_error = '', update_time = now()
	 WHERE event_id = $1 AND consumer = $2 AND state = 'pending'`

// markDone marks a delivery whose consumer has not done so.
func markDone(ctx context.Context, q querier, event int64, consumer string) error {
	if _, err := q.Exec(ctx, markDoneSQL, event, consumer); err != nil {
		return fmt.Errorf("mark the delivery done: %w", err)
	}
	return nil
}

const markFailedSQL = `
	UPDATE inbox_deliveries
	   SET state = CASE WHEN $5 THEN 'failed' ELSE state END, attempts = $3, last_error = $4, update_time = now()
	 WHERE event_id = $1 AND consumer = $2 AND state = 'pending'`

// markFailed notes a failed attempt, and sets the delivery aside after the last.
func markFailed(ctx context.Context, q querier, event int64, consumer string, attempts int, words string, last bool) error {
	if _, err := q.Exec(ctx, markFailedSQL, event, consumer, attempts, words, last); err != nil {
		return fmt.Errorf("note the failed attempt: %w", err)
	}
	return nil
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

// deleteOld removes at most so many events that came before a time and wait for
// nothing, with their deliveries, and answers how many.
func deleteOld(ctx context.Context, q querier, before time.Time, most int) (int64, error) {
	tag, err := q.Exec(ctx, deleteOldSQL, before, most)
	if err != nil {
		return 0, fmt.Errorf("remove old events: %w", err)
	}
	return tag.RowsAffected(), nil
}

const forgetSQL = `
	WITH page AS (
	    SELECT id, body
	      FROM inbox_events
	     WHERE id > $1
	     ORDER BY id
	     LIMIT $3
	), gone AS (
	    DELETE FROM inbox_events e
	     USING page
	     WHERE e.id = page.id
	       AND position(convert_to($2, 'UTF8') IN page.body) > 0
	       AND NOT EXISTS (SELECT
	                         FROM inbox_deliveries d
	                        WHERE d.event_id = e.id AND d.state = 'pending')
	)
	SELECT coalesce(max(id), 0)
	  FROM page`

// forgetText removes, of the next so many events after that one, those whose body
// holds the text and that wait for nothing. It answers the last one it looked at, or 0
// where there are no more.
func forgetText(ctx context.Context, q querier, after int64, text string, most int) (last int64, err error) {
	if err := q.QueryRow(ctx, forgetSQL, after, text, most).Scan(&last); err != nil {
		return 0, fmt.Errorf("forget a person: %w", err)
	}
	return last, nil
}

const readSuspectsSQL = `
	WITH page AS MATERIALIZED (
	    SELECT id, body, lower(encode(body, 'escape') COLLATE "C") AS text
	      FROM inbox_events
	     WHERE id > $1
	     ORDER BY id
	     LIMIT $3
	)
	SELECT id,
	       CASE WHEN position('\' IN text) > 0
	              OR EXISTS (SELECT
	                           FROM unnest($2::text[]) quoted
	                          WHERE position(quoted IN text) > 0)
	            THEN body
	       END
	  FROM page
	 ORDER BY id`

// readSuspects shows, of the next so many events after that one, those whose body may
// hold one of the texts: it holds a quoted one as it is, or escapes or characters beyond
// ASCII, both of which 'escape' writes with a backslash. It answers the last one it
// looked at, or 0 where there are no more.
func readSuspects(ctx context.Context, q querier, after int64, quoted []string, most int, show func(id int64, body []byte)) (last int64, err error) {
	rows, err := q.Query(ctx, readSuspectsSQL, after, quoted, most)
	if err != nil {
		return 0, err
	}
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&last, &body}, func() error {
		if body != nil {
			show(last, body)
		}
		return nil
	})
	return last, err
}

const deleteSettledSQL = `
	DELETE FROM inbox_events e
	 WHERE e.id = ANY ($1)
	   AND NOT EXISTS (SELECT
	                     FROM inbox_deliveries d
	                    WHERE d.event_id = e.id AND d.state = 'pending')`

// deleteSettled removes those of the events that wait for nothing.
func deleteSettled(ctx context.Context, q querier, events []int64) error {
	_, err := q.Exec(ctx, deleteSettledSQL, events)
	return err
}

const takeChoreSQL = `
	SELECT pg_try_advisory_lock(hashtextextended('inbox chore ' || $1::text, 0)),
	       set_config('idle_session_timeout', '30s', false)`

// takeChore tells whether the chore is the session's now. A session that says nothing
// for 30 s ends, and the chore is free: its machine may be gone without a word.
func takeChore(ctx context.Context, q querier, name string) (taken bool, err error) {
	err = q.QueryRow(ctx, takeChoreSQL, name).Scan(&taken, nil)
	return taken, err
}

const readBacklogSQL = `
	SELECT count(*) FILTER (WHERE state = 'pending') AS pending,
	       count(*) FILTER (WHERE state = 'failed') AS failed,
	       greatest(0, coalesce(extract(epoch FROM now() - min(wait_time) FILTER (WHERE state = 'pending' AND NOT starts_with(last_error, '` + waitWords + `'))), 0))::float8 AS seconds
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

const jobsVersionSQL = `
	SELECT coalesce(max(version), 0)
	  FROM river_migration
	 WHERE line = 'main'`

func jobsVersion(ctx context.Context, q querier) (version int, err error) {
	err = q.QueryRow(ctx, jobsVersionSQL).Scan(&version)
	return version, err
}

const readEntriesSQL = `
	SELECT e.id, e.provider, e.external_id, e.kind, e.instance, octet_length(e.body) AS size, e.receive_time
	  FROM inbox_events e
	 WHERE ($1 = '' OR e.external_id = $1 OR e.id::text = $1)
	   AND (NOT $2 OR EXISTS (SELECT
	                            FROM inbox_deliveries d
	                           WHERE d.event_id = e.id AND d.state = 'failed'))
	 ORDER BY e.id DESC
	 LIMIT $3`

// readEntries answers the newest events, or the one of that id: ours, or the
// provider's.
func readEntries(ctx context.Context, q querier, id string, failedOnly bool, most int) ([]Entry, error) {
	rows, err := q.Query(ctx, readEntriesSQL, id, failedOnly, most)
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[Entry])
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	return all, nil
}

const readDeliveriesSQL = `
	SELECT event_id, consumer, state, attempts, last_error, replays, update_time
	  FROM inbox_deliveries
	 WHERE event_id = ANY ($1)
	 ORDER BY event_id, consumer`

func readDeliveries(ctx context.Context, q querier, events []int64) ([]Delivery, error) {
	rows, err := q.Query(ctx, readDeliveriesSQL, events)
	if err != nil {
		return nil, fmt.Errorf("read the deliveries: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[Delivery])
	if err != nil {
		return nil, fmt.Errorf("read the deliveries: %w", err)
	}
	return all, nil
}

const readStoredSQL = `
	SELECT body
	  FROM inbox_events
	 WHERE id = $1`

func readStored(ctx context.Context, q querier, event int64) (body []byte, err error) {
	err = q.QueryRow(ctx, readStoredSQL, event).Scan(&body)
	return body, err
}

const reopenSQL = `
	INSERT INTO inbox_deliveries AS d (event_id, consumer)
	SELECT $1, name
	  FROM unnest($2::text[]) name
	    ON CONFLICT (event_id, consumer) DO UPDATE
	   SET state = 'pending', attempts = 0, last_error = '', replays = d.replays + 1, wait_time = now(), update_time = now()
	 WHERE d.state <> 'done' OR $3
	RETURNING consumer`

// reopen sets those deliveries of an event back to pending that may be applied again,
// makes those that are missing, and answers the consumers concerned. A pending one is
// among them: its job may be gone.
func reopen(ctx context.Context, q querier, event int64, wanting []string, doneToo bool) ([]string, error) {
	rows, err := q.Query(ctx, reopenSQL, event, wanting, doneToo)
	if err != nil {
		return nil, fmt.Errorf("reopen the deliveries: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("reopen the deliveries: %w", err)
	}
	return names, nil
}
