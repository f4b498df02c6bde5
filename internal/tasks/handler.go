package tasks

import (
	"context"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// maskPathUnknown is an update mask that names a field that cannot be updated. The
// metadata entry `path` names it.
var maskPathUnknown = fault.Invalid.Saying("update_mask: names a field that cannot be updated")

// Handler is the TaskService on the wire.
type Handler struct{ tasks *Tasks }

var _ teamtaskv1connect.TaskServiceHandler = (*Handler)(nil)

// NewHandler makes the service over tasks.
func NewHandler(tasks *Tasks) *Handler { return &Handler{tasks: tasks} }

// CreateTask implements teamtask.v1.TaskService.
func (h *Handler) CreateTask(ctx context.Context, r *teamtaskv1.CreateTaskRequest) (*teamtaskv1.CreateTaskResponse, error) {
	made, err := h.tasks.Create(ctx, tenancy.ActorOf(ctx), draft{
		name:        r.GetName(),
		description: r.GetDescription(),
		requestID:   r.GetRequestId(),
	})
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.CreateTaskResponse{Task: made.proto()}, nil
}

// GetTask implements teamtask.v1.TaskService.
func (h *Handler) GetTask(ctx context.Context, r *teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error) {
	id, err := parseID(r.GetId())
	if err != nil {
		return nil, err
	}
	found, err := h.tasks.Task(ctx, tenancy.ActorOf(ctx), id)
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.GetTaskResponse{Task: found.proto()}, nil
}

// ListTasks implements teamtask.v1.TaskService.
func (h *Handler) ListTasks(ctx context.Context, r *teamtaskv1.ListTasksRequest) (*teamtaskv1.ListTasksResponse, error) {
	f := filter{createdBy: r.GetFilter().GetCreatedBy()}
	if r.GetFilter() != nil {
		f.done = r.GetFilter().Done
	}
	found, next, err := h.tasks.List(ctx, tenancy.ActorOf(ctx), f, tenancy.Page{Size: int(r.GetPageSize()), Token: r.GetPageToken()})
	if err != nil {
		return nil, err
	}
	res := &teamtaskv1.ListTasksResponse{Tasks: make([]*teamtaskv1.Task, len(found)), NextPageToken: next}
	for i := range found {
		res.Tasks[i] = found[i].proto()
	}
	return res, nil
}

// UpdateTask implements teamtask.v1.TaskService.
func (h *Handler) UpdateTask(ctx context.Context, r *teamtaskv1.UpdateTaskRequest) (*teamtaskv1.UpdateTaskResponse, error) {
	id, err := parseID(r.GetId())
	if err != nil {
		return nil, err
	}
	c, err := changeOf(r)
	if err != nil {
		return nil, err
	}
	changed, err := h.tasks.Update(ctx, tenancy.ActorOf(ctx), id, c)
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.UpdateTaskResponse{Task: changed.proto()}, nil
}

// DeleteTask implements teamtask.v1.TaskService.
func (h *Handler) DeleteTask(ctx context.Context, r *teamtaskv1.DeleteTaskRequest) (*teamtaskv1.DeleteTaskResponse, error) {
	id, err := parseID(r.GetId())
	if err != nil {
		return nil, err
	}
	if err := h.tasks.Delete(ctx, tenancy.ActorOf(ctx), id, r.GetEtag()); err != nil {
		return nil, err
	}
	return &teamtaskv1.DeleteTaskResponse{}, nil
}

// changeOf reads the fields that the mask names.
func changeOf(r *teamtaskv1.UpdateTaskRequest) (change, error) {
	c := change{etag: r.GetEtag()}
	for _, path := range r.GetUpdateMask().GetPaths() {
		switch path {
		case "name":
			c.name = &r.Name
		case "description":
			c.description = &r.Description
		case "done":
			c.done = &r.Done
		default:
			return change{}, maskPathUnknown.With("path", path)
		}
	}
	return c, nil
}

func parseID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil {
		return uuid.Nil, fault.Invalid.Saying("id: must be a UUID").Because(err)
	}
	return id, nil
}

func (t *task) proto() *teamtaskv1.Task {
	return &teamtaskv1.Task{
		Id:          uuid.UUID(t.ID.Bytes).String(),
		Name:        t.Name,
		Description: t.Description,
		Done:        t.Done,
		CreatedBy:   t.CreatedBy,
		CreateTime:  timestamppb.New(t.CreateTime),
		UpdatedBy:   t.UpdatedBy,
		UpdateTime:  timestamppb.New(t.UpdateTime),
		Etag:        t.etag(),
	}
}
