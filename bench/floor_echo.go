package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// echoFloor returns the same response of the product to every request.
type echoFloor struct {
	teamtaskv1connect.UnimplementedTaskServiceHandler

	got    teamtaskv1.GetTaskResponse
	listed teamtaskv1.ListTasksResponse
	made   teamtaskv1.CreateTaskResponse
}

func (f *echoFloor) messages() map[op]proto.Message {
	return map[op]proto.Message{getTask: &f.got, listTasks: &f.listed, createTask: &f.made}
}

func answerFile(dir string, o op) string { return filepath.Join(dir, string(o)+".answer") }

// writeAnswer keeps an answer of the product for the echo.
func writeAnswer(dir string, o op, answer proto.Message) error {
	data, err := proto.Marshal(answer)
	if err != nil {
		return fmt.Errorf("keep an answer for the echo: %w", err)
	}
	return os.WriteFile(answerFile(dir, o), data, 0o600)
}

func readEcho(dir string) (*echoFloor, error) {
	f := &echoFloor{}
	for o, answer := range f.messages() {
		data, err := os.ReadFile(answerFile(dir, o))
		if err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(data, answer); err != nil {
			return nil, fmt.Errorf("read the answer of %s: %w", o, err)
		}
	}
	return f, nil
}

// GetTask implements teamtask.v1.TaskService.
func (f *echoFloor) GetTask(context.Context, *teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error) {
	return &f.got, nil
}

// ListTasks implements teamtask.v1.TaskService.
func (f *echoFloor) ListTasks(context.Context, *teamtaskv1.ListTasksRequest) (*teamtaskv1.ListTasksResponse, error) {
	return &f.listed, nil
}

// CreateTask implements teamtask.v1.TaskService.
func (f *echoFloor) CreateTask(context.Context, *teamtaskv1.CreateTaskRequest) (*teamtaskv1.CreateTaskResponse, error) {
	return &f.made, nil
}
