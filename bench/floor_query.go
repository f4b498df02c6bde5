package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/types/known/timestamppb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/tasks"
)

// queryFloor runs the product's statements, one for each call, as the plainest code
// would: pgx as it comes, no scope, no check.
type queryFloor struct {
	teamtaskv1connect.UnimplementedTaskServiceHandler

	pool                   *pgxpool.Pool
	one, several, inserted string // SQL
}

// openQuery connects as a role that row security does not bind.
func openQuery(ctx context.Context, url string) (*queryFloor, error) {
	f := &queryFloor{}
	for name, sql := range map[string]*string{"select_task": &f.one, "select_tasks": &f.several, "insert_task": &f.inserted} {
		for _, s := range tasks.Statements {
			if s.Name == name {
				*sql = s.SQL
			}
		}
		if *sql == "" {
			return nil, fmt.Errorf("the product has no statement %s any more: this floor has to follow it", name)
		}
	}
	var err error
	if f.pool, err = pgxpool.New(ctx, url); err != nil {
		return nil, fmt.Errorf("open the pool: %w", err)
	}
	if err := f.pool.Ping(ctx); err != nil {
		f.pool.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return f, nil
}

// taskRow is a task as the statements answer it.
type taskRow struct {
	ID          uuid.UUID
	Name        string
	Description string
	Done        bool
	CreatedBy   string
	CreateTime  time.Time
	UpdatedBy   string
	UpdateTime  time.Time
	Revision    int64
}

func (r *taskRow) proto() *teamtaskv1.Task {
	return &teamtaskv1.Task{
		Id:          r.ID.String(),
		Name:        r.Name,
		Description: r.Description,
		Done:        r.Done,
		CreatedBy:   r.CreatedBy,
		CreateTime:  timestamppb.New(r.CreateTime),
		UpdatedBy:   r.UpdatedBy,
		UpdateTime:  timestamppb.New(r.UpdateTime),
		Etag:        strconv.FormatInt(r.Revision, 10),
	}
}

func (f *queryFloor) rows(ctx context.Context, sql string, args ...any) ([]taskRow, error) {
	rows, err := f.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[taskRow])
}

// only is the task of a statement that answers one.
func (f *queryFloor) only(ctx context.Context, sql string, args ...any) (*teamtaskv1.Task, error) {
	found, err := f.rows(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d tasks instead of one", len(found))
	}
	return found[0].proto(), nil
}

// GetTask implements teamtask.v1.TaskService.
func (f *queryFloor) GetTask(ctx context.Context, r *teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error) {
	id, err := uuid.Parse(r.GetId())
	if err != nil {
		return nil, err
	}
	task, err := f.only(ctx, f.one, tenant, id)
	return &teamtaskv1.GetTaskResponse{Task: task}, err
}

// ListTasks implements teamtask.v1.TaskService.
func (f *queryFloor) ListTasks(ctx context.Context, r *teamtaskv1.ListTasksRequest) (*teamtaskv1.ListTasksResponse, error) {
	size := int(r.GetPageSize())
	found, err := f.rows(ctx, f.several, tenant, uuid.Max, size+1)
	if err != nil {
		return nil, err
	}
	answer := &teamtaskv1.ListTasksResponse{Tasks: make([]*teamtaskv1.Task, min(size, len(found)))}
	for i := range answer.Tasks {
		answer.Tasks[i] = found[i].proto()
	}
	if len(found) > size {
		last := found[size-1].ID
		answer.NextPageToken = pageToken(last[:])
	}
	return answer, nil
}

// CreateTask implements teamtask.v1.TaskService.
func (f *queryFloor) CreateTask(ctx context.Context, r *teamtaskv1.CreateTaskRequest) (*teamtaskv1.CreateTaskResponse, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	task, err := f.only(ctx, f.inserted, tenant, id, r.GetName(), r.GetDescription(), "user_"+caller)
	return &teamtaskv1.CreateTaskResponse{Task: task}, err
}
