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
	selectEventsSQL, selectEventsOfActorSQL, selectEventsOfMethodSQL, selectEventsRefusedSQL, selectEventsSucceededSQL,
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
	rows, err := tenancy.Rows[struct{ Removed int64 }](ctx, tx, expireEventsSQL, atMost)
	if err != nil {
		return 0, err
	}
	return rows[0].Removed, nil
}

// The lists differ in the index that they walk down: each begins with what its filter
// names and ends with the id. Ids are in the order of times, so a period is a range of
// ids, and the times themselves only settle its first and last millisecond.
const (
	selectColumns = `
	SELECT id, time, actor, impersonator, method, target, outcome, reason, request_id, details
	  FROM audit_events
	 WHERE tenant_id = $1
	   AND id < $2
	   AND id >= $3
	   AND ($4::timestamptz IS NULL OR time >= $4)
	   AND ($5::timestamptz IS NULL OR time < $5)`
	selectOrder = `
	 ORDER BY id DESC
	 LIMIT $6`
)

var (
	selectEventsSQL = tenancy.Statement{Name: "select_audit_events", SQL: selectColumns + selectOrder}

	selectEventsOfActorSQL = tenancy.Statement{Name: "select_audit_events_of_actor", SQL: selectColumns + `
	   AND actor = $7
	   AND ($8 = '' OR method = $8)
	   AND ($9 = '' OR outcome = $9)` + selectOrder}

	selectEventsOfMethodSQL = tenancy.Statement{Name: "select_audit_events_of_method", SQL: selectColumns + `
	   AND method = $7
	   AND ($8 = '' OR outcome = $8)` + selectOrder}

	// Most lines went well, and those are in no index of their own.
	selectEventsRefusedSQL = tenancy.Statement{Name: "select_audit_events_refused", SQL: selectColumns + `
	   AND outcome <> 'ok'
	   AND outcome = $7` + selectOrder}
	selectEventsSucceededSQL = tenancy.Statement{Name: "select_audit_events_succeeded", SQL: selectColumns + `
	   AND outcome = 'ok'` + selectOrder}
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

func selectEvents(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, f filter, before uuid.UUID, limit int) ([]event, error) {
	args := []any{actor.Tenant, tenancy.Stored(before), tenancy.Stored(f.lowest()), f.since, f.until, limit}
	switch {
	case f.actor != "":
		return tenancy.Rows[event](ctx, tx, selectEventsOfActorSQL, append(args, f.actor, f.method, f.outcome)...)
	case f.method != "":
		return tenancy.Rows[event](ctx, tx, selectEventsOfMethodSQL, append(args, f.method, f.outcome)...)
	case f.outcome == succeeded:
		return tenancy.Rows[event](ctx, tx, selectEventsSucceededSQL, args...)
	case f.outcome != "":
		return tenancy.Rows[event](ctx, tx, selectEventsRefusedSQL, append(args, f.outcome)...)
	}
	return tenancy.Rows[event](ctx, tx, selectEventsSQL, args...)
}
