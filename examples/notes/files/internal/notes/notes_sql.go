package notes

import (
	"context"

	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// Statements are all statements of this package, for tenancy.Open.
var Statements = []tenancy.Statement{upsertNoteSQL, selectNoteSQL}

// upsertNoteSQL returns no row where the tenant has no such task. The lock keeps the task until
// the note is stored; only a deletion of the task waits for it.
var upsertNoteSQL = tenancy.Statement{Name: "upsert_note", SQL: `
	WITH task AS (
	    SELECT id
	      FROM tasks
	     WHERE tenant_id = $1
	       AND id = $2
	       FOR KEY SHARE
	)
	INSERT INTO task_notes (tenant_id, task_id, text, updated_by)
	SELECT $1, id, $3, $4
	  FROM task
	    ON CONFLICT (tenant_id, task_id) DO UPDATE
	   SET text = excluded.text, updated_by = excluded.updated_by, update_time = now()
	RETURNING task_id, text, updated_by, update_time`}

func upsertNote(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, task uuid.UUID, text string) (note, error) {
	return one(tenancy.Rows[note](ctx, tx, upsertNoteSQL, actor.Tenant, tenancy.Stored(task), text, actor.User))
}

var selectNoteSQL = tenancy.Statement{Name: "select_note", SQL: `
	SELECT t.id AS task_id, coalesce(n.text, '') AS text, coalesce(n.updated_by, '') AS updated_by,
	       coalesce(n.update_time, t.create_time) AS update_time
	  FROM tasks t
	  LEFT JOIN task_notes n ON n.tenant_id = t.tenant_id AND n.task_id = t.id
	 WHERE t.tenant_id = $1
	   AND t.id = $2`}

func selectNote(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, task uuid.UUID) (note, error) {
	return one(tenancy.Rows[note](ctx, tx, selectNoteSQL, actor.Tenant, tenancy.Stored(task)))
}
