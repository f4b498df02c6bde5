// Package tasks is the TaskService: the shared tasks of a tenant.
package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

var (
	// NotFound is a task that is not in the tenant, whether or not it is in another.
	NotFound = fault.New(connect.CodeNotFound, teamtaskv1.Reason_REASON_TASK_NOT_FOUND, "there is no such task")
	// NotOwner is a change of another person's task by a person who may change their own.
	NotOwner = fault.New(connect.CodePermissionDenied, teamtaskv1.Reason_REASON_NOT_OWNER,
		"the task belongs to another person")
	// ETagMismatch is a change meant for another state of the task.
	ETagMismatch = fault.New(connect.CodeAborted, teamtaskv1.Reason_REASON_ETAG_MISMATCH,
		"the task has changed since it was read; read it again")
	// RequestIDReused is a request id that stands for another request.
	RequestIDReused = fault.New(connect.CodeAlreadyExists, teamtaskv1.Reason_REASON_REQUEST_ID_REUSED,
		"the request id was used for a different request")
)

// createAttempts bounds how often a creation is tried that met its own twin.
const createAttempts = 3

// Tasks are the tasks of all tenants, each call in the scope of its actor.
type Tasks struct {
	db        *tenancy.DB
	creations *creations
}

// New makes the tasks kept in db, which must have been opened with Statements. Each tenant
// may create perSecond tasks a second on this server; 0: any number.
func New(db *tenancy.DB, perSecond int) *Tasks {
	return &Tasks{db: db, creations: newCreations(perSecond)}
}

// task is a task as it is stored.
type task struct {
	ID          tenancy.UUID
	Name        string
	Description string
	Done        bool
	CreatedBy   string
	CreateTime  time.Time
	UpdatedBy   string
	UpdateTime  time.Time
	Revision    int64
}

func (t *task) etag() string { return strconv.FormatInt(t.Revision, 10) }

// revisionOf is the revision that the etag stands for: nil for no etag, and one that
// no task has for an etag that none was ever given.
func revisionOf(etag string) *int64 {
	if etag == "" {
		return nil
	}
	revision, err := strconv.ParseInt(etag, 10, 64)
	if err != nil || strconv.FormatInt(revision, 10) != etag {
		revision = -1
	}
	return &revision
}

// draft is a task to be made.
type draft struct {
	name        string
	description string
	requestID   string // "": not remembered
}

// hash tells requests with the same request id apart.
func (d draft) hash() []byte {
	h := sha256.New()
	for _, field := range []string{d.name, d.description} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(field))))
		h.Write([]byte(field))
	}
	return h.Sum(nil)
}

// Create makes a task that belongs to the actor. With a request id that the actor
// used within 24 hours it answers the task of that time, as it is now.
//
// Faults: RateLimited, RequestIDReused; NotFound where the task of that time was deleted.
func (s *Tasks) Create(ctx context.Context, actor tenancy.Actor, d draft) (made task, err error) {
	if err := s.creations.admit(actor); err != nil {
		return task{}, err
	}
	defer func() {
		if err == nil {
			s.creations.count(actor)
		}
	}()
	id, err := uuid.NewV7()
	if err != nil {
		return task{}, fmt.Errorf("make a task id: %w", err)
	}
	if d.requestID == "" {
		err = s.db.Once(ctx, actor, func(tx *tenancy.Tx) error {
			tx.Touch(id.String())
			made, err = insertTask(ctx, tx, actor, id, d)
			return err
		})
		return made, err
	}
	for range createAttempts {
		var found []remembered
		err = s.db.Once(ctx, actor, func(tx *tenancy.Tx) error {
			tx.Touch(id.String())
			found, err = insertTaskOnce(ctx, tx, actor, id, d)
			if len(found) == 1 {
				tx.Touch(uuid.UUID(found[0].ID.Bytes).String()) // another one, if the request is repeated
			}
			return err
		})
		if err != nil {
			return task{}, err
		}
		if len(found) == 1 {
			return found[0].outcome()
		}
		// The same request is being served elsewhere: it claimed the id after this
		// statement had begun. The next one sees it.
	}
	return task{}, fmt.Errorf("create a task: the request id stayed contended over %d attempts", createAttempts)
}

// remembered is what a request id stands for.
type remembered struct {
	Same  bool // the request is the one that was made then
	There bool // the task is still there
	task
}

func (r remembered) outcome() (task, error) {
	switch {
	case !r.Same:
		return task{}, RequestIDReused
	case !r.There:
		return task{}, NotFound
	}
	return r.task, nil
}

// Task returns one task. Faults: NotFound.
func (s *Tasks) Task(ctx context.Context, actor tenancy.Actor, id uuid.UUID) (found task, err error) {
	err = s.db.Once(ctx, actor, func(tx *tenancy.Tx) error {
		found, err = selectTask(ctx, tx, actor, id)
		return err
	})
	return found, err
}

// change is what is to become of a task; nil leaves a field as it is.
type change struct {
	name        *string
	description *string
	done        *bool
	etag        string // "": whatever is there
}

// Update changes a task. Faults: NotFound, NotOwner, ETagMismatch.
func (s *Tasks) Update(ctx context.Context, actor tenancy.Actor, id uuid.UUID, c change) (task, error) {
	var found []touched
	err := s.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		found, err = updateTask(ctx, tx, actor, id, c)
		return err
	})
	if err != nil {
		return task{}, err
	}
	return outcome(actor, found, c.etag)
}

// Delete removes a task. Faults: NotFound, NotOwner, ETagMismatch.
func (s *Tasks) Delete(ctx context.Context, actor tenancy.Actor, id uuid.UUID, etag string) error {
	var found []touched
	err := s.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		found, err = deleteTask(ctx, tx, actor, id, etag)
		return err
	})
	if err != nil {
		return err
	}
	_, err = outcome(actor, found, etag)
	return err
}

// touched is a task that was to be changed, and whether it was.
type touched struct {
	Changed bool
	task
}

// outcome says why a task was left alone: the statement found it, but its conditions,
// ownership and etag, did not hold.
func outcome(actor tenancy.Actor, found []touched, etag string) (task, error) {
	switch {
	case len(found) == 0:
		return task{}, NotFound
	case found[0].Changed:
		return found[0].task, nil
	case !owns(actor, found[0].task):
		return task{}, NotOwner
	case etag != "":
		return task{}, ETagMismatch
	}
	return task{}, NotFound // it was deleted while the statement ran
}

// owns reports whether the actor may change the task: their own, or all with manage.
func owns(actor tenancy.Actor, t task) bool {
	return t.CreatedBy == actor.User || actor.Permissions.Has(tenancy.TasksManage)
}
