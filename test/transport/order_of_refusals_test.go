package transport

import (
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// Each call breaks two rules that follow each other, and the earlier one is told.
// What a caller learns of a task must not depend on a rule that they never reached.
func TestRefusalsAreDecidedInTheirOrder(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"PERSONAL_WORKSPACE": "off"})
	alices := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	theirs := s.Put(stacktest.Row{Tenant: "org_acme"})[0]
	bens := s.Put(stacktest.Row{Tenant: "org_d2gamers", Owner: "user_ben"})[0]
	done := func(id, etag string, paths ...string) *teamtaskv1.UpdateTaskRequest {
		return &teamtaskv1.UpdateTaskRequest{Id: id, Done: true, Etag: etag, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}
	}
	viewerMissing := stacktest.Refusal{Code: connect.CodePermissionDenied, Reason: "PERMISSION_MISSING", Metadata: map[string]string{"permission": "org:tasks:edit"}}
	expired := s.Bent("alice", 2, func(c map[string]any) {
		delete(c, "o")
		c["exp"], c["iat"] = 1_700_000_060, 1_700_000_000
	})
	// A role of the organization without any permission, and without a seat.
	powerless := s.Bent("ben", 2, func(c map[string]any) {
		c["o"] = map[string]any{"id": "org_d2gamers", "slg": "d2-gamers", "rol": "guest"}
	})
	if _, err := s.As("bob", "d2-gamers").CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x", RequestId: "used"}); err != nil {
		t.Fatal(err)
	}
	unseated := unseated(s)
	for _, c := range []struct {
		name      string
		token     string
		procedure string
		request   proto.Message
		want      stacktest.Refusal
	}{
		{
			"UNAUTHENTICATED before ORGANIZATION_REQUIRED", expired, stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{Name: "x"},
			stacktest.Refused(connect.CodeUnauthenticated, "UNAUTHENTICATED"),
		},
		{
			"UNAUTHENTICATED before INVALID_ARGUMENT", "", stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{},
			stacktest.Refused(connect.CodeUnauthenticated, "UNAUTHENTICATED"),
		},
		{
			"ORGANIZATION_REQUIRED before INVALID_ARGUMENT", s.Token("charlie", "", 2), stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{},
			stacktest.Refused(connect.CodeFailedPrecondition, "ORGANIZATION_REQUIRED"),
		},
		{
			"ORGANIZATION_REQUIRED before TASK_NOT_FOUND", s.Token("charlie", "", 1), stacktest.GetTask, &teamtaskv1.GetTaskRequest{Id: stacktest.NewID(t)},
			stacktest.Refused(connect.CodeFailedPrecondition, "ORGANIZATION_REQUIRED"),
		},
		{
			"PERMISSION_MISSING before INVALID_ARGUMENT", s.Token("charlie", "d2-gamers", 2), stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{},
			viewerMissing,
		},
		{
			"PERMISSION_MISSING before SEAT_REQUIRED", powerless, stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{Name: "x"},
			viewerMissing,
		},
		{
			"PERMISSION_MISSING before TASK_NOT_FOUND", s.Token("charlie", "d2-gamers", 1), stacktest.UpdateTask, done(stacktest.NewID(t), "", "done"),
			viewerMissing,
		},
		{
			"INVALID_ARGUMENT before SEAT_REQUIRED", s.Token("ben", "d2-gamers", 2), stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{},
			stacktest.Refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT"),
		},
		{
			"INVALID_ARGUMENT before SEAT_REQUIRED, for the id", s.Token("ben", "d2-gamers", 1), stacktest.DeleteTask, &teamtaskv1.DeleteTaskRequest{Id: "7"},
			stacktest.Refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT"),
		},
		{
			"INVALID_ARGUMENT of a mask before SEAT_REQUIRED", s.Token("ben", "d2-gamers", 2), stacktest.UpdateTask, done(alices, "", "created_by"),
			stacktest.Refusal{Code: connect.CodeInvalidArgument, Reason: "INVALID_ARGUMENT", Metadata: map[string]string{"path": "created_by"}},
		},
		{
			"INVALID_ARGUMENT before TASK_NOT_FOUND", s.Token("alice", "d2-gamers", 2), stacktest.UpdateTask, done(stacktest.NewID(t), ""),
			stacktest.Refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT"),
		},
		{
			"SEAT_REQUIRED before TASK_NOT_FOUND", s.Token("ben", "d2-gamers", 2), stacktest.UpdateTask, done(stacktest.NewID(t), "", "done"),
			stacktest.Refused(connect.CodePermissionDenied, "SEAT_REQUIRED"),
		},
		{
			"SEAT_REQUIRED before NOT_OWNER", s.Token("ben", "d2-gamers", 1), stacktest.DeleteTask, &teamtaskv1.DeleteTaskRequest{Id: alices},
			stacktest.Refused(connect.CodePermissionDenied, "SEAT_REQUIRED"),
		},
		{
			"SEAT_REQUIRED before ETAG_MISMATCH", s.Token("ben", "d2-gamers", 2), stacktest.UpdateTask, done(bens, "9", "done"),
			stacktest.Refused(connect.CodePermissionDenied, "SEAT_REQUIRED"),
		},
		{
			"SEAT_REQUIRED before REQUEST_ID_REUSED", unseated, stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{Name: "y", RequestId: "used"},
			stacktest.Refused(connect.CodePermissionDenied, "SEAT_REQUIRED"),
		},
		{
			"TASK_NOT_FOUND before NOT_OWNER", s.Token("bob", "d2-gamers", 2), stacktest.UpdateTask, done(theirs, "", "done"),
			stacktest.Refused(connect.CodeNotFound, "TASK_NOT_FOUND"),
		},
		{
			"TASK_NOT_FOUND before ETAG_MISMATCH", s.Token("alice", "d2-gamers", 2), stacktest.DeleteTask, &teamtaskv1.DeleteTaskRequest{Id: theirs, Etag: "9"},
			stacktest.Refused(connect.CodeNotFound, "TASK_NOT_FOUND"),
		},
		{
			"NOT_OWNER before ETAG_MISMATCH", s.Token("bob", "d2-gamers", 2), stacktest.UpdateTask, done(alices, "9", "done"),
			stacktest.Refused(connect.CodePermissionDenied, "NOT_OWNER"),
		},
		{
			"NOT_OWNER before ETAG_MISMATCH, deleting", s.Token("bob", "d2-gamers", 1), stacktest.DeleteTask, &teamtaskv1.DeleteTaskRequest{Id: alices, Etag: "9"},
			stacktest.Refused(connect.CodePermissionDenied, "NOT_OWNER"),
		},
		{
			"ETAG_MISMATCH at last", s.Token("alice", "d2-gamers", 2), stacktest.DeleteTask, &teamtaskv1.DeleteTaskRequest{Id: alices, Etag: "9"},
			stacktest.Refused(connect.CodeAborted, "ETAG_MISMATCH"),
		},
	} {
		m := stacktest.MethodOf(t, c.procedure)
		for _, p := range stacktest.Protocols {
			if !p.Carries(m) {
				continue
			}
			_, err := s.Call(t.Context(), p, c.token, m, c.request)
			if diff := cmp.Diff(c.want, stacktest.RefusalOf(t, err)); diff != "" {
				t.Errorf("%s over %s (-want +got):\n%s", c.name, p.Name, diff)
			}
		}
	}
}

// unseated is bob's token without the seat that it claims: the same person, who
// has lost it.
func unseated(s *stacktest.Stack) string {
	s.T.Helper()
	return s.Bent("bob", 2, func(c map[string]any) { c["org_metadata"] = map[string]any{"isLicensed": false} })
}

// A body that cannot even be read is refused behind the permission, too.
func TestAnUnreadableBodyIsRefusedAfterThePermission(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	for _, c := range []struct{ user, want string }{
		{"charlie", "PERMISSION_MISSING"},
		{"ben", "INVALID_ARGUMENT"},
		{"alice", "INVALID_ARGUMENT"},
	} {
		for _, body := range []string{"", "{", `{"name":7}`} {
			answer := s.Post(stacktest.CreateTask, s.Token(c.user, "d2-gamers", 2), []byte(body))
			if got := answer.Told(t).Reason; got != c.want {
				t.Errorf("%s sends %q: %s, want %s", c.user, body, got, c.want)
			}
		}
	}
}
