package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const selectWholeSQL = `
	SELECT e.id, e.provider, e.kind, e.body
	  FROM inbox_events e
	 WHERE e.reduce_time IS NULL AND e.id > $1
	   AND ($3 OR NOT EXISTS (SELECT
	                            FROM inbox_deliveries d
	                           WHERE d.event_id = e.id AND d.state <> 'done' AND NOT (e.kind = '' AND e.receive_time < $2)))
	 ORDER BY e.id
	 LIMIT $4`

// selectWhole returns the next so many events after that one whose body is as it came: all,
// or those whose deliveries are done and those that came before the time and cannot be read.
func selectWhole(ctx context.Context, q querier, after int64, unreadableBefore time.Time, all bool, most int) ([]wholeEvent, error) {
	rows, err := q.Query(ctx, selectWholeSQL, after, unreadableBefore, all, most)
	if err != nil {
		return nil, fmt.Errorf("read events to reduce: %w", err)
	}
	page, err := pgx.CollectRows(rows, pgx.RowToStructByName[wholeEvent])
	if err != nil {
		return nil, fmt.Errorf("read events to reduce: %w", err)
	}
	return page, nil
}

const updateReducedSQL = `
	UPDATE inbox_events e
	   SET body = n.body, about = n.about, person = n.person, reduce_time = now()
	  FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::text[]) AS n (id, body, about, person)
	 WHERE e.id = n.id AND e.reduce_time IS NULL`

// updateReduced writes the events with ids alone. What was stored by an older server says
// from then on whom it is about.
func updateReduced(ctx context.Context, q querier, page []wholeEvent) error {
	ids := make([]int64, len(page))
	bodies := make([][]byte, len(page))
	about, people := make([]string, len(page)), make([]string, len(page))
	for i, s := range page {
		t := shapeOf(s.Provider).thing(s.Kind, s.Body)
		ids[i], bodies[i], about[i], people[i] = s.ID, s.reduced(), t.About, t.Person
	}
	if _, err := q.Exec(ctx, updateReducedSQL, ids, bodies, about, people); err != nil {
		return fmt.Errorf("reduce events: %w", err)
	}
	return nil
}

// forgetPersonSQL also says that there is a person, without which no plan for all arguments
// takes the index of people.
const forgetPersonSQL = `
	DELETE FROM inbox_events
	 WHERE id IN (SELECT e.id
	                FROM inbox_events e
	               WHERE e.person = $1
	                 AND e.person <> ''
	                 AND NOT EXISTS (SELECT
	                                   FROM inbox_deliveries d
	                                  WHERE d.event_id = e.id AND d.state = 'pending')
	               ORDER BY e.id
	               LIMIT $2)`

// forgetPerson removes at most so many events about the person that wait for nothing, and
// returns how many.
func forgetPerson(ctx context.Context, q querier, person string, most int) (int64, error) {
	tag, err := q.Exec(ctx, forgetPersonSQL, person, most)
	if err != nil {
		return 0, fmt.Errorf("forget a person: %w", err)
	}
	return tag.RowsAffected(), nil
}
