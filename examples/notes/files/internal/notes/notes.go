// Package notes is the NoteService: notes on the tasks of a tenant.
package notes

import (
	"context"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// TaskNotFound is a task that is not in the tenant, whether or not it is in another.
var TaskNotFound = fault.New(connect.CodeNotFound, teamtaskv1.Reason_REASON_TASK_NOT_FOUND, "there is no such task")

// Notes are the notes of all tenants, each call in the scope of its actor.
type Notes struct{ db *tenancy.DB }

// New returns the notes kept in db, which must have been opened with Statements.
func New(db *tenancy.DB) *Notes { return &Notes{db: db} }

// note is the note of a task. Its text is empty where the task has none.
type note struct {
	TaskID     tenancy.UUID
	Text       string
	UpdatedBy  string
	UpdateTime time.Time
}

// Set writes the note of a task. Faults: TaskNotFound.
func (s *Notes) Set(ctx context.Context, actor tenancy.Actor, task uuid.UUID, text string) (stored note, err error) {
	err = s.db.Once(ctx, actor, func(tx *tenancy.Tx) error {
		stored, err = upsertNote(ctx, tx, actor, task, text)
		return err
	})
	return stored, err
}

// Note returns the note of a task. Faults: TaskNotFound.
func (s *Notes) Note(ctx context.Context, actor tenancy.Actor, task uuid.UUID) (found note, err error) {
	err = s.db.Once(ctx, actor, func(tx *tenancy.Tx) error {
		found, err = selectNote(ctx, tx, actor, task)
		return err
	})
	return found, err
}

// one returns the only row, or TaskNotFound.
func one(rows []note, err error) (note, error) {
	switch {
	case err != nil:
		return note{}, err
	case len(rows) == 0:
		return note{}, TaskNotFound
	}
	return rows[0], nil
}
