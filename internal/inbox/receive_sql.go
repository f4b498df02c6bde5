package inbox

import (
	"context"
	"fmt"
)

// partyMax is how many pending deliveries a party has before further ones go behind those
// of others.
const partyMax = "32"

// insertJobSQL inserts a job for each row of "due": the event, consumer, party, subject and
// priority of a delivery, and the provider. Row and notification are those of River's own
// insert.
const insertJobSQL = `
	job AS (
	    INSERT INTO river_job (kind, args, queue, priority, max_attempts, created_at, scheduled_at, state, metadata, tags)
	    SELECT 'inbox_delivery',
	           jsonb_build_object('event', event_id, 'consumer', consumer, 'party', party, 'subject', subject),
	           'inbox-' || provider, priority, 32767, now(), now(), 'available', '{}', '{}'
	      FROM due
	 RETURNING queue
	)
	SELECT (SELECT count(*) FROM job) AS jobs,
	       (SELECT count(pg_notify(concat(current_schema(), '.river_insert'), '{"queue": "' || queue || '"}')) FROM job) AS told`

// storeSQL stores an event that is not there yet with a delivery for each consumer, and a
// job for each delivery that joins none: one of the same subject whose job has not begun
// will mark it done. The lock on that one makes the job's beginning wait until this
// transaction ends, so that the fetch begins after it.
const storeSQL = `
	WITH event AS (
	    INSERT INTO inbox_events (provider, external_id, kind, instance, body, receive_time, about, person, reduce_time)
	    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $13 THEN now() END)
	        ON CONFLICT (provider, external_id) DO NOTHING
	 RETURNING id, provider
	), leaders AS (
	    SELECT consumer
	      FROM inbox_deliveries
	     WHERE $11::text <> '' AND consumer = ANY ($9) AND party = $10 AND subject = $11
	       AND state = 'pending' AND queued AND priority <= $12
	       FOR SHARE
	), busy AS (
	    SELECT name AS consumer
	      FROM unnest($9::text[]) name
	     WHERE $10::text <> ''
	       AND ` + partyMax + ` <= (SELECT count(*)
	                     FROM (SELECT
	                             FROM inbox_deliveries d
	                            WHERE d.consumer = name AND d.party = $10 AND d.state = 'pending'
	                            LIMIT ` + partyMax + `) few)
	), delivered AS (
	    INSERT INTO inbox_deliveries (event_id, consumer, party, subject, priority, queued)
	    SELECT event.id, name, $10, $11,
	           CASE WHEN name IN (SELECT consumer FROM busy)
	                THEN CASE $12::smallint WHEN 1 THEN 2 ELSE 4 END
	                ELSE $12
	           END,
	           name NOT IN (SELECT consumer FROM leaders)
	      FROM event, unnest($9::text[]) name
	 RETURNING event_id, consumer, party, subject, priority, queued
	), unreadable AS (
	    INSERT INTO inbox_deliveries (event_id, consumer, state, last_error)
	    SELECT event.id, '` + unreadable + `', 'failed', 'not a JSON object with a type'
	      FROM event
	     WHERE $3::text = ''
	), due AS (
	    SELECT d.*, event.provider
	      FROM delivered d, event
	     WHERE d.queued
	), ` + insertJobSQL + `,
	       EXISTS (SELECT FROM event) AS stored`

// insertEvent reports whether the event was stored: it is not where it was there already.
// Reduced says that the body holds ids alone.
func insertEvent(ctx context.Context, q querier, e Event, t Thing, consumers []string, reduced bool) (stored bool, err error) {
	var jobs, told int
	err = q.QueryRow(ctx, storeSQL, e.Provider, e.ExternalID, e.Kind, e.Instance, e.Body, e.ReceiveTime, t.About, t.Person,
		consumers, t.Party, t.Subject, priority(e.Provider, e.Kind), reduced).Scan(&jobs, &told, &stored)
	if err != nil {
		return false, fmt.Errorf("insert the event: %w", err)
	}
	return stored, nil
}

// liveJobs are the states of a job that is not over.
const liveJobs = `('available', 'pending', 'retryable', 'running', 'scheduled')`

// resendSQL hands an event that is there to the consumers that should have it and do not:
// where the delivery was set aside, where it is missing, and where it is pending and has no
// job. One that could not be read when it came first is replaced. What is done stays done.
const resendSQL = `
	WITH was AS (
	    SELECT id, provider
	      FROM inbox_events
	     WHERE provider = $1 AND external_id = $2
	), read AS (
	    UPDATE inbox_events e
	       SET kind = $3, instance = $4, body = $5, about = $6, person = $7, reduce_time = NULL
	      FROM was
	     WHERE e.id = was.id AND e.kind = ''
	 RETURNING e.id
	), cleared AS (
	    UPDATE inbox_deliveries
	       SET state = 'done', last_error = '', update_time = now()
	     WHERE event_id IN (SELECT id FROM read) AND consumer = '` + unreadable + `'
	), opened AS (
	    INSERT INTO inbox_deliveries AS d (event_id, consumer, party, subject, priority, queued)
	    SELECT was.id, name, $9, $10, $11, true
	      FROM was, unnest($8::text[]) name
	        ON CONFLICT (event_id, consumer) DO UPDATE
	       SET state = 'pending', attempts = 0, last_error = '', replays = d.replays + 1, wait_time = now(), update_time = now(),
	           party = excluded.party, subject = excluded.subject, priority = excluded.priority, queued = true, waits = false
	     WHERE d.state = 'failed'
	        OR d.state = 'pending' AND d.wait_time < now() - interval '1 minute'
	           AND NOT EXISTS (SELECT
	                             FROM river_job j
	                            WHERE j.kind = 'inbox_delivery' AND j.state IN ` + liveJobs + `
	                              AND j.args @> jsonb_build_object('event', d.event_id, 'consumer', d.consumer))
	 RETURNING event_id, consumer, party, subject, priority
	), due AS (
	    SELECT o.*, was.provider
	      FROM opened o, was
	), ` + insertJobSQL

// resend reports whether the event was handed to a consumer once more.
func resend(ctx context.Context, q querier, e Event, t Thing, consumers []string) (reopened bool, err error) {
	var jobs, told int
	err = q.QueryRow(ctx, resendSQL, e.Provider, e.ExternalID, e.Kind, e.Instance, e.Body, t.About, t.Person,
		consumers, t.Party, t.Subject, priority(e.Provider, e.Kind)).Scan(&jobs, &told)
	if err != nil {
		return false, fmt.Errorf("open the event again: %w", err)
	}
	return jobs > 0, nil
}
