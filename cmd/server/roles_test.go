package main

import (
	"testing"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

func TestSmoke(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	made, err := s.as("alice", "d2-gamers").CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x", RequestId: "1"})
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log)
	}
	t.Log(made)
	again, err := s.as("alice", "d2-gamers").CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x", RequestId: "1"})
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log)
	}
	t.Log(again)
	l, err := s.as("charlie", "d2-gamers").ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{})
	t.Log(l, err)
	_, err = s.as("ben", "d2-gamers").CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x"})
	t.Log(err)
	t.Log(s.log)
}
