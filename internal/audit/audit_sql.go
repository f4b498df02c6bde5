package audit

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// Statements are all statements of this package, for tenancy.Open.
var Statements = []tenancy.Statement{
	insertEventSQL, insertChangeSQL, expireEventsSQL,
	selectEventsSQL, selectEventsOfActorSQL, selectEventsOfMethodSQL, selectEventsOfBothSQL,
	selectEventsRefusedSQL, selectEventsOfActorRefusedSQL, selectEventsOfMethodRefusedSQL,
}

var insertEventSQL = tenancy.Statement{Name: "insert_audit_event", SQL: `
	INSERT INTO audit_events (tenant_id, actor, impersonator, method, target, outcome, reason, request_id, details)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`}

func insertEvent(ctx context.Context, tx *tenancy.Tx, e line) error {
	_, err := tenancy.Exec(ctx, tx, insertEventSQL, e.args()...)
	return err
}

// insertChangeSQL is the witness: it writes the line only where the transaction has
// changed something.
var insertChangeSQL = tenancy.Statement{Name: "insert_audit_change", SQL: `
	INSERT INTO audit_events (tenant_id, actor, impersonator, method, target, outcome, reason, request_id, details)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb
	 WHERE current_setting('app.changed', true) = 'on'`}

// expireEventsSQL names no tenant: what has expired has expired in all of them, and the
// database decides what has.
var expireEventsSQL = tenancy.Statement{Name: "expire_audit_events", SQL: `
	SELECT expire_audit($1) AS removed`}

func expireEvents(ctx context.Context, tx *tenancy.Tx, atMost int) (int64, error) {
	return tenancy.Scalar[int64](ctx, tx, expireEventsSQL, atMost)
}

// The lists differ in the index that they walk down, which the order names to its last
// column: a range that stands for an equality leaves the planner no other index. Ids are in
// the order of times, so a period is a range of ids ($2 down to $3), and the times
// themselves only settle its first and last millisecond.
//
// A combination of filters has no index of its own where it would cost every line that is
// written. So each statement looks at 1,000 lines at most, and says where it stopped.
const (
	eventsFrom = `
	SELECT id, time, actor, impersonator, method, target, outcome, reason, request_id, details
	  FROM audit_events
	 WHERE tenant_id = $1`
	eventsLook = `
	SELECT id, time, actor, impersonator, method, target, outcome, reason, request_id, details, matches, stopped
	  FROM (SELECT *,
	               id >= $3
	                   AND ($4::timestamptz IS NULL OR time >= $4)
	                   AND ($5::timestamptz IS NULL OR time < $5)
	                   AND ($7 = '' OR actor = $7)
	                   AND ($8 = '' OR method = $8)
	                   AND ($9 = '' OR outcome = $9) AS matches,
	               id >= $3 AND row_number() OVER (`
	eventsLooked = `) = 1000 AS stopped
	          FROM (`
	eventsShown = ` LIMIT 1000) AS looked) AS looked
	 WHERE matches OR stopped`
	eventsMost = ` LIMIT $6`

	byID      = ` ORDER BY id DESC`
	byActor   = ` ORDER BY actor DESC, id DESC`
	byMethod  = ` ORDER BY method DESC, id DESC`
	byOutcome = ` ORDER BY outcome DESC, id DESC`

	byActorRefused  = ` ORDER BY actor DESC, outcome DESC, id DESC`
	byMethodRefused = ` ORDER BY method DESC, outcome DESC, id DESC`

	eventsOfActor = eventsLook + byActor + eventsLooked + eventsFrom + `
	   AND (actor, id) < ($7, $2)
	   AND actor >= $7` + byActor + eventsShown + byActor + eventsMost
	eventsOfMethod = eventsLook + byMethod + eventsLooked + eventsFrom + `
	   AND (method, id) < ($8, $2)
	   AND method >= $8` + byMethod + eventsShown + byMethod + eventsMost
)

var (
	selectEventsSQL = tenancy.Statement{Name: "select_audit_events", Listing: true, SQL: eventsLook + byID + eventsLooked + eventsFrom + `
	   AND id < $2` + byID + eventsShown + byID + eventsMost}

	selectEventsOfActorSQL  = tenancy.Statement{Name: "select_audit_events_of_actor", Listing: true, SQL: eventsOfActor}
	selectEventsOfMethodSQL = tenancy.Statement{Name: "select_audit_events_of_method", Listing: true, SQL: eventsOfMethod}

	// selectEventsOfBothSQL walks down both indexes, the second where the first has stopped,
	// and returns what the one found that came further.
	selectEventsOfBothSQL = tenancy.Statement{Name: "select_audit_events_of_both", Listing: true, SQL: `
	WITH by_actor AS MATERIALIZED (` + eventsOfActor + `), by_method AS MATERIALIZED (` + eventsOfMethod + `), other AS MATERIALIZED (
	    SELECT CASE WHEN a.id IS NULL THEN false
	                ELSE coalesce((SELECT m.id < a.id FROM by_method m WHERE m.stopped), true) END AS further
	      FROM (SELECT (SELECT id FROM by_actor WHERE stopped) AS id) AS a
	)
	SELECT * FROM by_actor WHERE NOT (SELECT further FROM other)
	UNION ALL
	SELECT * FROM by_method WHERE (SELECT further FROM other)
	 ORDER BY id DESC`}

	// Most lines went well, and those are in no index of their own.
	selectEventsRefusedSQL = tenancy.Statement{Name: "select_audit_events_refused", Listing: true, SQL: eventsLook + byOutcome + eventsLooked + eventsFrom + `
	   AND outcome <> 'ok'
	   AND (outcome, id) < ($9, $2)
	   AND outcome >= $9` + byOutcome + eventsShown + byOutcome + eventsMost}
	selectEventsOfActorRefusedSQL = tenancy.Statement{Name: "select_audit_events_of_actor_refused", Listing: true, SQL: eventsLook + byActorRefused + eventsLooked + `
	SELECT *
	  FROM (` + eventsFrom + `
	           AND outcome <> 'ok'
	           AND (actor, outcome, id) < ($7, $9, $2)
	           AND actor >= $7` + byActorRefused + ` LIMIT 1000) AS refused
	 WHERE outcome = $9` + byActorRefused + eventsShown + byActorRefused + eventsMost}
	selectEventsOfMethodRefusedSQL = tenancy.Statement{Name: "select_audit_events_of_method_refused", Listing: true, SQL: eventsLook + byMethodRefused + eventsLooked + `
	SELECT *
	  FROM (` + eventsFrom + `
	           AND outcome <> 'ok'
	           AND (method, outcome, id) < ($8, $9, $2)
	           AND method >= $8` + byMethodRefused + ` LIMIT 1000) AS refused
	 WHERE outcome = $9` + byMethodRefused + eventsShown + byMethodRefused + eventsMost}
)

// event is a line as it is stored.
type event struct {
	ID           tenancy.UUID
	Time         time.Time
	Actor        string
	Impersonator string
	Method       string
	Target       string
	Outcome      string
	Reason       string
	RequestID    string
	Details      []byte
}

// listedEvent is an event with how far the statement looked.
type listedEvent struct {
	event
	tenancy.Look
}

func selectEvents(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, f filter, before uuid.UUID, limit int) ([]listedEvent, error) {
	statement, args := eventsOf(actor.Tenant, f, before, limit)
	return tenancy.Rows[listedEvent](ctx, tx, statement, args...)
}

// eventsOf returns the statement that the filter is for, and its arguments.
func eventsOf(tenant string, f filter, before uuid.UUID, limit int) (tenancy.Statement, []any) {
	args := []any{tenant, tenancy.Stored(before), tenancy.Stored(f.lowest()), f.since, f.until, limit, f.actor, f.method, f.outcome}
	refused := f.outcome != "" && f.outcome != succeeded
	switch {
	case refused && f.actor != "":
		return selectEventsOfActorRefusedSQL, args
	case refused && f.method != "":
		return selectEventsOfMethodRefusedSQL, args
	case refused:
		return selectEventsRefusedSQL, args
	case f.actor != "" && f.method != "":
		return selectEventsOfBothSQL, args
	case f.actor != "":
		return selectEventsOfActorSQL, args
	case f.method != "":
		return selectEventsOfMethodSQL, args
	}
	return selectEventsSQL, args
}
