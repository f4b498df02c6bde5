package tasks

import (
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// Who creates tasks without end is told to wait, and for how long; nobody else notices.
func TestWhoCreatesTasksWithoutEndIsToldToWait(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"TASKS_RATE": "1"}) // half of one for each person
	alice, bob, ben := s.As("alice", "d2-gamers"), s.As("bob", "d2-gamers"), s.As("ben", "d2-gamers")
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		_, err = alice.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: fmt.Sprint(i)})
	}
	if diff := cmp.Diff(stacktest.Refused(connect.CodeResourceExhausted, "RATE_LIMITED"), stacktest.RefusalOf(t, err)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	var wait *errdetails.RetryInfo
	refusal, _ := errors.AsType[*connect.Error](err)
	for _, detail := range refusal.Details() {
		if value, err := detail.Value(); err == nil {
			if info, ok := value.(*errdetails.RetryInfo); ok {
				wait = info
			}
		}
	}
	if d := wait.GetRetryDelay().AsDuration(); d <= 0 || d.Seconds() > 2.1 {
		t.Errorf("got to wait for %s, want up to 2 s", d)
	}
	if _, err := alice.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{}); err != nil {
		t.Errorf("reading: %v", err)
	}
	// Who is refused for want of a seat uses up nothing of what others may.
	for range 30 {
		if _, err := ben.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x"}); connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Fatalf("got %v, want that ben has no seat", err)
		}
	}
	if _, err := bob.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x"}); err != nil {
		t.Errorf("another person: %v", err)
	}
}
