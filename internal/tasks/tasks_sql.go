package tasks

import (
	"context"

	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// Statements are all statements of this package, for tenancy.Open.
var Statements = []tenancy.Statement{
	insertTaskSQL, insertTaskOnceSQL, selectTaskSQL, selectTasksSQL, selectTasksDoneSQL, selectTasksBySQL,
	selectTasksByDoneSQL, updateTaskSQL, deleteTaskSQL,
}

var insertTaskSQL = tenancy.Statement{Name: "insert_task", SQL: `
	INSERT INTO tasks (tenant_id, id, name, description, created_by, updated_by)
	VALUES ($1, $2, $3, $4, $5, $5)
	RETURNING id, name, description, done, created_by, create_time, updated_by, update_time, revision`}

func insertTask(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, id uuid.UUID, d draft) (task, error) {
	return there(tenancy.One[task](ctx, tx, insertTaskSQL, actor.Tenant, tenancy.Stored(id), d.name, d.description, actor.User))
}

// insertTaskOnceSQL makes the task only if its request id can be claimed: it is new,
// or older than 24 hours. Otherwise it returns what the id stands for. Two of the same
// at once wait for each other on the row of the request id, and the one that comes
// second returns no row: its snapshot is older than the first. Along the way a few
// request ids of the tenant that have expired are swept out.
var insertTaskOnceSQL = tenancy.Statement{Name: "insert_task_once", SQL: `
	WITH swept AS (
	    DELETE FROM task_requests
	     WHERE tenant_id = $1
	       AND (user_id, request_id) IN (
	               SELECT user_id, request_id
	                 FROM task_requests
	                WHERE tenant_id = $1
	                  AND create_time < now() - interval '24 hours'
	                  AND (user_id, request_id) <> ($5, $6)
	                ORDER BY create_time
	                LIMIT 16
	                  FOR UPDATE SKIP LOCKED)
	), claimed AS (
	    INSERT INTO task_requests AS r (tenant_id, user_id, request_id, request_hash, task_id)
	    VALUES ($1, $5, $6, $7, $2)
	    ON CONFLICT (tenant_id, user_id, request_id) DO UPDATE
	       SET request_hash = excluded.request_hash, task_id = excluded.task_id, create_time = now()
	     WHERE r.create_time < now() - interval '24 hours'
	    RETURNING r.task_id
	), made AS (
	    INSERT INTO tasks (tenant_id, id, name, description, created_by, updated_by)
	    SELECT $1, task_id, $3, $4, $5, $5
	      FROM claimed
	    RETURNING id, name, description, done, created_by, create_time, updated_by, update_time, revision
	)
	SELECT true AS same, true AS there,
	       id, name, description, done, created_by, create_time, updated_by, update_time, revision
	  FROM made
	UNION ALL
	SELECT r.request_hash = $7, t.id IS NOT NULL,
	       r.task_id, coalesce(t.name, ''), coalesce(t.description, ''), coalesce(t.done, false),
	       coalesce(t.created_by, ''), coalesce(t.create_time, r.create_time),
	       coalesce(t.updated_by, ''), coalesce(t.update_time, r.create_time), coalesce(t.revision, 0)
	  FROM task_requests r
	  LEFT JOIN tasks t ON t.tenant_id = r.tenant_id AND t.id = r.task_id
	 WHERE r.tenant_id = $1
	   AND r.user_id = $5
	   AND r.request_id = $6
	   AND r.create_time >= now() - interval '24 hours'
	   AND NOT EXISTS (SELECT FROM claimed)`}

func insertTaskOnce(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, id uuid.UUID, d draft) ([]remembered, error) {
	return tenancy.Rows[remembered](ctx, tx, insertTaskOnceSQL,
		actor.Tenant, tenancy.Stored(id), d.name, d.description, actor.User, d.requestID, d.hash())
}

var selectTaskSQL = tenancy.Statement{Name: "select_task", SQL: `
	SELECT id, name, description, done, created_by, create_time, updated_by, update_time, revision
	  FROM tasks
	 WHERE tenant_id = $1
	   AND id = $2`}

func selectTask(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, id uuid.UUID) (task, error) {
	return there(tenancy.One[task](ctx, tx, selectTaskSQL, actor.Tenant, tenancy.Stored(id)))
}

// The lists differ in the index that they are read off, which the order names down to its
// last column: a range that stands for an equality leaves the planner no other index.
const (
	selectTasksFrom = `
	SELECT id, name, description, done, created_by, create_time, updated_by, update_time, revision
	  FROM tasks
	 WHERE tenant_id = $1`
)

var selectTasksSQL = tenancy.Statement{Name: "select_tasks", Listing: true, SQL: selectTasksFrom + `
	   AND id < $2
	 ORDER BY id DESC
	 LIMIT $3`}

var selectTasksDoneSQL = tenancy.Statement{Name: "select_tasks_done", Listing: true, SQL: selectTasksFrom + `
	   AND (done, id) < ($4, $2)
	   AND done >= $4
	 ORDER BY done DESC, id DESC
	 LIMIT $3`}

// The lists of one person's tasks are read off one index, which has those that are open
// before those that are done. A range of several columns ends by its first one: what comes
// behind the tasks that are done is left out afterwards.
const (
	selectTasksByFrom = `
	SELECT id, name, description, done, created_by, create_time, updated_by, update_time, revision
	  FROM `
	selectTasksByOrder = `
	   AND created_by >= $4
	 ORDER BY created_by DESC, done DESC, id DESC
	 LIMIT $3`
)

var selectTasksBySQL = tenancy.Statement{Name: "select_tasks_by", Listing: true, SQL: selectTasksByFrom + `(
	    (SELECT * FROM (` + selectTasksFrom + ` AND (created_by, done, id) < ($4, true, $2)` + selectTasksByOrder + `) AS found WHERE done)
	    UNION ALL
	    (` + selectTasksFrom + ` AND (created_by, done, id) < ($4, false, $2)` + selectTasksByOrder + `)) AS found
	 ORDER BY id DESC
	 LIMIT $3`}

var selectTasksByDoneSQL = tenancy.Statement{Name: "select_tasks_by_done", Listing: true, SQL: selectTasksByFrom + `(` +
	selectTasksFrom + ` AND (created_by, done, id) < ($4, $5, $2)` + selectTasksByOrder + `) AS found
	 WHERE done = $5`}

func selectTasks(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, f filter, before uuid.UUID, limit int) ([]task, error) {
	statement, args := listOf(actor.Tenant, f, before, limit)
	return tenancy.RowsWhile(ctx, tx, statement, untilFull(), args...)
}

// listOf returns the statement that the filter is for, and its arguments.
func listOf(tenant string, f filter, before uuid.UUID, limit int) (tenancy.Statement, []any) {
	args := []any{tenant, tenancy.Stored(before), limit}
	switch {
	case f.createdBy != "" && f.done != nil:
		return selectTasksByDoneSQL, append(args, f.createdBy, *f.done)
	case f.createdBy != "":
		return selectTasksBySQL, append(args, f.createdBy)
	case f.done != nil:
		return selectTasksDoneSQL, append(args, *f.done)
	}
	return selectTasksSQL, args
}

// updateTaskSQL changes the task where the actor may and the etag fits, and returns
// it either way. It waits for other changes of the task.
var updateTaskSQL = tenancy.Statement{Name: "update_task", Locks: true, SQL: `
	WITH changed AS (
	    UPDATE tasks
	       SET name = coalesce($3, name),
	           description = coalesce($4, description),
	           done = coalesce($5, done),
	           updated_by = $6,
	           update_time = now(),
	           revision = revision + 1
	     WHERE tenant_id = $1
	       AND id = $2
	       AND ($7::boolean OR created_by = $6)
	       AND ($8::bigint IS NULL OR revision = $8)
	    RETURNING id, name, description, done, created_by, create_time, updated_by, update_time, revision
	)
	SELECT true AS changed,
	       id, name, description, done, created_by, create_time, updated_by, update_time, revision
	  FROM changed
	UNION ALL
	SELECT false,
	       id, name, description, done, created_by, create_time, updated_by, update_time, revision
	  FROM tasks
	 WHERE tenant_id = $1
	   AND id = $2
	   AND NOT EXISTS (SELECT FROM changed)`}

func updateTask(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, id uuid.UUID, c change) ([]touched, error) {
	return tenancy.Rows[touched](ctx, tx, updateTaskSQL,
		actor.Tenant, tenancy.Stored(id), c.name, c.description, c.done, actor.User,
		actor.Permissions.Has(tenancy.TasksManage), revisionOf(c.etag))
}

// deleteTaskSQL removes the task where the actor may and the etag fits, and returns it
// either way. It waits for other changes of the task.
var deleteTaskSQL = tenancy.Statement{Name: "delete_task", Locks: true, SQL: `
	WITH changed AS (
	    DELETE FROM tasks
	     WHERE tenant_id = $1
	       AND id = $2
	       AND ($3::boolean OR created_by = $4)
	       AND ($5::bigint IS NULL OR revision = $5)
	    RETURNING id, name, description, done, created_by, create_time, updated_by, update_time, revision
	)
	SELECT true AS changed,
	       id, name, description, done, created_by, create_time, updated_by, update_time, revision
	  FROM changed
	UNION ALL
	SELECT false,
	       id, name, description, done, created_by, create_time, updated_by, update_time, revision
	  FROM tasks
	 WHERE tenant_id = $1
	   AND id = $2
	   AND NOT EXISTS (SELECT FROM changed)`}

func deleteTask(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, id uuid.UUID, etag string) ([]touched, error) {
	return tenancy.Rows[touched](ctx, tx, deleteTaskSQL,
		actor.Tenant, tenancy.Stored(id), actor.Permissions.Has(tenancy.TasksManage), actor.User, revisionOf(etag))
}

// there returns the task, or NotFound for nil.
func there(found *task, err error) (task, error) {
	switch {
	case err != nil:
		return task{}, err
	case found == nil:
		return task{}, NotFound
	}
	return *found, nil
}
