package notes

import (
	"context"

	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// Statements are all statements of this package, for tenancy.Open.
var Statements = []tenancy.Statement{insertNoteSQL, selectNoteSQL}

// insertNoteSQL returns no row where the tenant has no such task. The lock keeps the task until
// the note is stored; only a deletion of the task waits for it.
var insertNoteSQL = tenancy.Statement{Name: "insert_note", SQL: `
	WITH task AS (
	    SELECT id
	      FROM tasks
	     WHERE tenant_id = $1
	       AND id = $3
	       FOR KEY SHARE
	)
	INSERT INTO task_notes (tenant_id, id, task_id, text, created_by)
	SELECT $1, $2, id, $4, $5
	  FROM task
	RETURNING id, task_id, text, created_by, create_time`}

func insertNote(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, id, task uuid.UUID, text string) (note, error) {
	rows, err := tenancy.Rows[note](ctx, tx, insertNoteSQL, actor.Tenant, tenancy.Stored(id), tenancy.Stored(task), text, actor.User)
	return one(rows, err, TaskNotFound)
}

var selectNoteSQL = tenancy.Statement{Name: "select_note", SQL: `
	SELECT id, task_id, text, created_by, create_time
	  FROM task_notes
	 WHERE tenant_id = $1
	   AND id = $2`}

func selectNote(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, id uuid.UUID) (note, error) {
	rows, err := tenancy.Rows[note](ctx, tx, selectNoteSQL, actor.Tenant, tenancy.Stored(id))
	return one(rows, err, NotFound)
}
