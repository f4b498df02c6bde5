package stacktest

import (
	"testing"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// Create makes a task and wants it to go well.
func Create(t *testing.T, c teamtaskv1connect.TaskServiceClient, request *teamtaskv1.CreateTaskRequest) *teamtaskv1.Task {
	t.Helper()
	answer, err := c.CreateTask(t.Context(), request)
	if err != nil {
		t.Fatalf("CreateTask: %v", err)
	}
	return answer.GetTask()
}
