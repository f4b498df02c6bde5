package inbox

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const selectEventsSQL = `
	SELECT e.id, e.provider, e.external_id, e.kind, e.instance, e.about, e.person, octet_length(e.body) AS size,
	       e.reduce_time IS NOT NULL AS reduced, e.receive_time
	  FROM inbox_events e
	 WHERE ($1 = '' OR e.external_id = $1 OR e.id::text = $1)
	   AND (NOT $2 OR EXISTS (SELECT
	                            FROM inbox_deliveries d
	                           WHERE d.event_id = e.id AND d.state = 'failed'))
	 ORDER BY e.id DESC
	 LIMIT $3`

// selectEvents returns the newest events, or those of that id: ours, or the provider's.
func selectEvents(ctx context.Context, q querier, id string, failedOnly bool, most int) ([]StoredEvent, error) {
	rows, err := q.Query(ctx, selectEventsSQL, id, failedOnly, most)
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[StoredEvent])
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	return all, nil
}

const selectDeliveriesSQL = `
	SELECT event_id, consumer, CASE WHEN waits THEN 'waiting' ELSE state END AS state, attempts, last_error, replays, update_time
	  FROM inbox_deliveries
	 WHERE event_id = ANY ($1)
	 ORDER BY event_id, consumer`

func selectDeliveries(ctx context.Context, q querier, events []int64) ([]Delivery, error) {
	rows, err := q.Query(ctx, selectDeliveriesSQL, events)
	if err != nil {
		return nil, fmt.Errorf("read the deliveries: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[Delivery])
	if err != nil {
		return nil, fmt.Errorf("read the deliveries: %w", err)
	}
	return all, nil
}

const selectBodySQL = `
	SELECT body
	  FROM inbox_events
	 WHERE id = $1`

func selectBody(ctx context.Context, q querier, event int64) (body []byte, err error) {
	err = q.QueryRow(ctx, selectBodySQL, event).Scan(&body)
	return body, err
}

const reopenSQL = `
	INSERT INTO inbox_deliveries AS d (event_id, consumer, party, subject, priority, queued)
	SELECT $1, name, $4, $5, $6, true
	  FROM unnest($2::text[]) name
	    ON CONFLICT (event_id, consumer) DO UPDATE
	   SET state = 'pending', attempts = 0, last_error = '', replays = d.replays + 1, wait_time = now(), update_time = now(),
	       party = excluded.party, subject = excluded.subject, priority = excluded.priority, queued = true, waits = false
	 WHERE d.state <> 'done' OR $3
	RETURNING consumer`

// reopen sets the deliveries of an event back to pending that may be applied again, inserts
// those that are missing, and returns their consumers. A pending one is among them: its job may
// be gone.
func reopen(ctx context.Context, q querier, e StoredEvent, t Thing, wanting []string, doneToo bool) ([]string, error) {
	rows, err := q.Query(ctx, reopenSQL, e.ID, wanting, doneToo, t.Party, t.Subject, priority(e.Provider, e.Kind))
	if err != nil {
		return nil, fmt.Errorf("reopen the deliveries: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("reopen the deliveries: %w", err)
	}
	return names, nil
}
