// Package notes is the NoteService: notes on the tasks of a tenant.
package notes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

var (
	// NotFound is a note that is not in the tenant, whether or not it is in another.
	NotFound = fault.New(connect.CodeNotFound, teamtaskv1.Reason_REASON_NOTE_NOT_FOUND, "there is no such note")
	// TaskNotFound is a task that is not in the tenant, whether or not it is in another.
	TaskNotFound = fault.New(connect.CodeNotFound, teamtaskv1.Reason_REASON_TASK_NOT_FOUND, "there is no such task")
)

// Notes are the notes of all tenants, each call in the scope of its actor.
type Notes struct{ db *tenancy.DB }

// New returns the notes kept in db, which must have been opened with Statements.
func New(db *tenancy.DB) *Notes { return &Notes{db: db} }

// note is a note as it is stored.
type note struct {
	ID         tenancy.UUID
	TaskID     tenancy.UUID
	Text       string
	CreatedBy  string
	CreateTime time.Time
}

// Create adds a note of the actor to a task. Faults: TaskNotFound.
func (s *Notes) Create(ctx context.Context, actor tenancy.Actor, task uuid.UUID, text string) (made note, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return note{}, fmt.Errorf("make a note id: %w", err)
	}
	tenancy.Touch(ctx, id.String()) // the audit line names the note
	err = s.db.Once(ctx, actor, func(tx *tenancy.Tx) error {
		made, err = insertNote(ctx, tx, actor, id, task, text)
		return err
	})
	return made, err
}

// Note returns one note. Faults: NotFound.
func (s *Notes) Note(ctx context.Context, actor tenancy.Actor, id uuid.UUID) (found note, err error) {
	err = s.db.Once(ctx, actor, func(tx *tenancy.Tx) error {
		found, err = selectNote(ctx, tx, actor, id)
		return err
	})
	return found, err
}

// one returns the only row, or the fault where there is none.
func one(rows []note, err error, missing error) (note, error) {
	switch {
	case err != nil:
		return note{}, err
	case len(rows) == 0:
		return note{}, missing
	case len(rows) > 1:
		return note{}, errors.New("a statement on one note returned several")
	}
	return rows[0], nil
}
