package main

import (
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// Each call breaks two rules that follow each other, and the earlier one is told.
// What a caller learns of a task must not depend on a rule that they never reached.
func TestRefusalsAreDecidedInTheirOrder(t *testing.T) {
	t.Parallel()
	s := newStack(t, map[string]string{"PERSONAL_WORKSPACE": "off"})
	alices := s.put(row{tenant: "org_d2gamers"})[0]
	theirs := s.put(row{tenant: "org_acme"})[0]
	bens := s.put(row{tenant: "org_d2gamers", owner: "user_ben"})[0]
	done := func(id, etag string, paths ...string) *teamtaskv1.UpdateTaskRequest {
		return &teamtaskv1.UpdateTaskRequest{Id: id, Done: true, Etag: etag, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}
	}
	viewerMissing := refusal{connect.CodePermissionDenied, "PERMISSION_MISSING", map[string]string{"permission": "org:tasks:edit"}}
	expired := s.bent("alice", 2, func(c map[string]any) {
		delete(c, "o")
		c["exp"], c["iat"] = 1_700_000_060, 1_700_000_000
	})
	// A role of the organization without any permission, and without a seat.
	powerless := s.bent("ben", 2, func(c map[string]any) {
		c["o"] = map[string]any{"id": "org_d2gamers", "slg": "d2-gamers", "rol": "guest"}
	})
	if _, err := s.as("bob", "d2-gamers").CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x", RequestId: "used"}); err != nil {
		t.Fatal(err)
	}
	unseated := s.unseated()
	for _, c := range []struct {
		name      string
		token     string
		procedure string
		request   proto.Message
		want      refusal
	}{
		{
			"UNAUTHENTICATED before ORGANIZATION_REQUIRED", expired, createTask, &teamtaskv1.CreateTaskRequest{Name: "x"},
			refused(connect.CodeUnauthenticated, "UNAUTHENTICATED"),
		},
		{
			"UNAUTHENTICATED before INVALID_ARGUMENT", "", createTask, &teamtaskv1.CreateTaskRequest{},
			refused(connect.CodeUnauthenticated, "UNAUTHENTICATED"),
		},
		{
			"ORGANIZATION_REQUIRED before INVALID_ARGUMENT", s.token("charlie", "", 2), createTask, &teamtaskv1.CreateTaskRequest{},
			refused(connect.CodeFailedPrecondition, "ORGANIZATION_REQUIRED"),
		},
		{
			"ORGANIZATION_REQUIRED before TASK_NOT_FOUND", s.token("charlie", "", 1), getTask, &teamtaskv1.GetTaskRequest{Id: newID(t)},
			refused(connect.CodeFailedPrecondition, "ORGANIZATION_REQUIRED"),
		},
		{
			"PERMISSION_MISSING before INVALID_ARGUMENT", s.token("charlie", "d2-gamers", 2), createTask, &teamtaskv1.CreateTaskRequest{},
			viewerMissing,
		},
		{
			"PERMISSION_MISSING before SEAT_REQUIRED", powerless, createTask, &teamtaskv1.CreateTaskRequest{Name: "x"},
			viewerMissing,
		},
		{
			"PERMISSION_MISSING before TASK_NOT_FOUND", s.token("charlie", "d2-gamers", 1), updateTask, done(newID(t), "", "done"),
			viewerMissing,
		},
		{
			"INVALID_ARGUMENT before SEAT_REQUIRED", s.token("ben", "d2-gamers", 2), createTask, &teamtaskv1.CreateTaskRequest{},
			refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT"),
		},
		{
			"INVALID_ARGUMENT before SEAT_REQUIRED, for the id", s.token("ben", "d2-gamers", 1), deleteTask, &teamtaskv1.DeleteTaskRequest{Id: "7"},
			refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT"),
		},
		{
			"INVALID_ARGUMENT of a mask before SEAT_REQUIRED", s.token("ben", "d2-gamers", 2), updateTask, done(alices, "", "created_by"),
			refusal{connect.CodeInvalidArgument, "INVALID_ARGUMENT", map[string]string{"path": "created_by"}},
		},
		{
			"INVALID_ARGUMENT before TASK_NOT_FOUND", s.token("alice", "d2-gamers", 2), updateTask, done(newID(t), ""),
			refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT"),
		},
		{
			"SEAT_REQUIRED before TASK_NOT_FOUND", s.token("ben", "d2-gamers", 2), updateTask, done(newID(t), "", "done"),
			refused(connect.CodePermissionDenied, "SEAT_REQUIRED"),
		},
		{
			"SEAT_REQUIRED before NOT_OWNER", s.token("ben", "d2-gamers", 1), deleteTask, &teamtaskv1.DeleteTaskRequest{Id: alices},
			refused(connect.CodePermissionDenied, "SEAT_REQUIRED"),
		},
		{
			"SEAT_REQUIRED before ETAG_MISMATCH", s.token("ben", "d2-gamers", 2), updateTask, done(bens, "9", "done"),
			refused(connect.CodePermissionDenied, "SEAT_REQUIRED"),
		},
		{
			"SEAT_REQUIRED before REQUEST_ID_REUSED", unseated, createTask, &teamtaskv1.CreateTaskRequest{Name: "y", RequestId: "used"},
			refused(connect.CodePermissionDenied, "SEAT_REQUIRED"),
		},
		{
			"TASK_NOT_FOUND before NOT_OWNER", s.token("bob", "d2-gamers", 2), updateTask, done(theirs, "", "done"),
			refused(connect.CodeNotFound, "TASK_NOT_FOUND"),
		},
		{
			"TASK_NOT_FOUND before ETAG_MISMATCH", s.token("alice", "d2-gamers", 2), deleteTask, &teamtaskv1.DeleteTaskRequest{Id: theirs, Etag: "9"},
			refused(connect.CodeNotFound, "TASK_NOT_FOUND"),
		},
		{
			"NOT_OWNER before ETAG_MISMATCH", s.token("bob", "d2-gamers", 2), updateTask, done(alices, "9", "done"),
			refused(connect.CodePermissionDenied, "NOT_OWNER"),
		},
		{
			"NOT_OWNER before ETAG_MISMATCH, deleting", s.token("bob", "d2-gamers", 1), deleteTask, &teamtaskv1.DeleteTaskRequest{Id: alices, Etag: "9"},
			refused(connect.CodePermissionDenied, "NOT_OWNER"),
		},
		{
			"ETAG_MISMATCH at last", s.token("alice", "d2-gamers", 2), deleteTask, &teamtaskv1.DeleteTaskRequest{Id: alices, Etag: "9"},
			refused(connect.CodeAborted, "ETAG_MISMATCH"),
		},
	} {
		m := methodOf(t, c.procedure)
		for _, p := range protocols {
			if !p.carries(m) {
				continue
			}
			_, err := s.call(t.Context(), p, c.token, m, c.request)
			if diff := cmp.Diff(c.want, refusalOf(t, err)); diff != "" {
				t.Errorf("%s over %s (-want +got):\n%s", c.name, p.name, diff)
			}
		}
	}
}

// unseated is bob's token without the seat that it claims: the same person, who
// has lost it.
func (s *stack) unseated() string {
	s.t.Helper()
	return s.bent("bob", 2, func(c map[string]any) { c["org_metadata"] = map[string]any{"isLicensed": false} })
}

// A body that cannot even be read is refused behind the permission, too.
func TestAnUnreadableBodyIsRefusedAfterThePermission(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for _, c := range []struct{ user, want string }{
		{"charlie", "PERMISSION_MISSING"},
		{"ben", "INVALID_ARGUMENT"},
		{"alice", "INVALID_ARGUMENT"},
	} {
		for _, body := range []string{"", "{", `{"name":7}`} {
			answer := s.post(createTask, s.token(c.user, "d2-gamers", 2), []byte(body))
			if got := answer.told(t).Reason; got != c.want {
				t.Errorf("%s sends %q: %s, want %s", c.user, body, got, c.want)
			}
		}
	}
}
