package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// stub answers GetTask with what a test wants, and no other method.
type stub struct {
	teamtaskv1connect.UnimplementedTaskServiceHandler
	get func(context.Context) error
}

func (s stub) GetTask(ctx context.Context, _ *teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error) {
	if err := s.get(ctx); err != nil {
		return nil, err
	}
	return &teamtaskv1.GetTaskResponse{}, nil
}

// getsTask calls GetTask on an id of nothing, in the protocol.
func getsTask(ctx context.Context, s *stacktest.Stack, p stacktest.Protocol) error {
	_, err := p.Typed(s, s.Token("alice", "d2-gamers", 2)).GetTask(ctx, &teamtaskv1.GetTaskRequest{Id: stacktest.NewID(s.T)})
	return err
}

// secret is in what is thrown and returned, and must stay inside.
const secret = "SECRET-of-the-server"

func TestAPanicIsAnsweredAsAnInternalErrorAndEndsNothing(t *testing.T) {
	t.Parallel()
	var thrown any
	s := newStubs(t, stub{get: func(context.Context) error { panic(thrown) }})
	for _, value := range []any{secret, errors.New(secret), fmt.Errorf("wrapped: %w", fault.Invalid), 7, stub{}} {
		thrown = value
		for _, p := range stacktest.Protocols {
			expectInternal(t, s, p)
		}
	}
	if n := strings.Count(s.Log.String(), `"internal error"`); n != 5*len(stacktest.Protocols) {
		t.Errorf("%d panics are in the log, want %d", n, 5*len(stacktest.Protocols))
	}
	for line := range strings.Lines(s.Log.String()) {
		if strings.Contains(line, `"internal error"`) && (!strings.Contains(line, "faults_test.go") || !strings.Contains(line, `"method":"`+stacktest.GetTask)) {
			t.Errorf("the log does not say where it happened, or in which method: %s", line)
		}
	}
	if strings.Contains(s.Log.String(), secret) {
		t.Error("the log holds the value that was thrown, which may be anything")
	}
}

func TestARuntimePanicIsAnsweredAsAnInternalError(t *testing.T) {
	t.Parallel()
	s := newStubs(t, stub{get: func(context.Context) error {
		none := make([]int, 0)
		none[len(none)] = 1
		return nil
	}})
	for _, p := range stacktest.Protocols {
		expectInternal(t, s, p)
	}
	if !strings.Contains(s.Log.String(), "index out of range") {
		t.Error("the log does not say what went wrong")
	}
}

// expectInternal calls GetTask and wants "internal error", the id of the call, and
// nothing else.
func expectInternal(t *testing.T, s *stacktest.Stack, p stacktest.Protocol) {
	t.Helper()
	err := getsTask(t.Context(), s, p)
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		t.Fatalf("%s: %v", p.Name, err)
	}
	if e.Code() != connect.CodeInternal || e.Message() != "internal error" {
		t.Errorf("%s: %v, want internal: internal error", p.Name, err)
	}
	var types []string
	for _, detail := range e.Details() {
		types = append(types, detail.Type())
		value, err := detail.Value()
		if err != nil {
			t.Fatal(err)
		}
		id := e.Meta().Get(fault.RequestIDHeader)
		if info, ok := value.(interface{ GetRequestId() string }); !ok || info.GetRequestId() != id {
			t.Errorf("%s: detail %v, want the request id %s", p.Name, value, id)
		}
		if !strings.Contains(s.Log.String(), id) {
			t.Errorf("%s: the log does not know the call %s", p.Name, id)
		}
	}
	if diff := cmp.Diff([]string{"google.rpc.RequestInfo"}, types); diff != "" {
		t.Errorf("%s: details (-want +got):\n%s", p.Name, diff)
	}
}

func TestAnUnforeseenErrorTellsTheCallerNothing(t *testing.T) {
	t.Parallel()
	var returned error
	s := newStubs(t, stub{get: func(context.Context) error { return returned }})
	for _, err := range []error{
		errors.New(secret),
		&pgconn.PgError{Code: "23505", Message: "duplicate key " + secret, TableName: "tasks", ConstraintName: "tasks_pkey"},
		fmt.Errorf("insert_task: %w", &pgconn.PgError{Code: "42P01", Message: secret}),
		errors.Join(errors.New(secret), errors.New("SELECT")),
	} {
		returned = err
		for _, p := range stacktest.Protocols {
			expectInternal(t, s, p)
		}
	}
	if !strings.Contains(s.Log.String(), secret) {
		t.Error("the log does not say what went wrong")
	}
}

// An error of Connect's own that a handler made or passed on is not taken at its word.
func TestAForeignConnectErrorIsNotPassedOn(t *testing.T) {
	t.Parallel()
	var code connect.Code
	s := newStubs(t, stub{get: func(context.Context) error {
		e := connect.NewError(code, errors.New(secret)) //nolint:forbidigo // what this test is about
		e.Meta().Set("X-Secret", secret)
		return fmt.Errorf("call somebody: %w", e)
	}})
	for code = connect.CodeCanceled; code <= connect.CodeUnauthenticated; code++ {
		err := getsTask(t.Context(), s, stacktest.Protocols[0])
		if e, ok := errors.AsType[*connect.Error](err); !ok || strings.Contains(err.Error(), secret) || e.Meta().Get("X-Secret") != "" {
			t.Errorf("%v: %v", code, err)
		}
	}
}

func TestTheDeadlineOfACallIsTheShorterOfTheCallersAndOurs(t *testing.T) {
	t.Parallel()
	var left time.Duration
	s := newStubs(t, stub{get: func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return nil
	}})
	for _, c := range []struct {
		name     string
		caller   time.Duration // 0: none
		from, to time.Duration
	}{
		{"none", 0, 7 * time.Second, 10 * time.Second},
		{"further", 1000 * time.Hour, 7 * time.Second, 10 * time.Second},
		{"nearer", 4 * time.Second, time.Second, 4 * time.Second},
	} {
		for _, p := range stacktest.Protocols {
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if c.caller > 0 {
				ctx, cancel = context.WithTimeout(ctx, c.caller)
			}
			err := getsTask(ctx, s, p)
			cancel()
			if err != nil || left < c.from || left > c.to {
				t.Errorf("%s over %s: %v left, %v; want %v to %v", c.name, p.Name, left, err, c.from, c.to)
			}
		}
	}
}

func TestACallPastItsDeadlineIsAnsweredSo(t *testing.T) {
	t.Parallel()
	s := newStubs(t, stub{get: func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("select_task %s: %w", secret, ctx.Err())
	}})
	token := s.Token("alice", "d2-gamers", 2)
	request := &teamtaskv1.GetTaskRequest{Id: stacktest.NewID(t)}
	binary, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	want := stacktest.Refused(connect.CodeDeadlineExceeded, "DEADLINE_EXCEEDED")
	s.Expect(t, "Connect", s.Post(stacktest.GetTask, token, []byte(`{"id":"`+request.GetId()+`"}`), map[string]string{"Connect-Timeout-Ms": "20"}), want)
	s.Expect(t, "GET", s.Send(s.HTTP1, http.MethodGet, stacktest.GetURL(stacktest.GetTask, "proto", binary), token, map[string]string{"Connect-Timeout-Ms": "20"}, nil), want)
	s.Expect(t, "gRPC-Web", s.Post(stacktest.GetTask, token, stacktest.Enveloped(binary), map[string]string{"Content-Type": "application/grpc-web", "Grpc-Timeout": "20m"}), want)
	for _, p := range stacktest.Protocols {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		if err := getsTask(ctx, s, p); connect.CodeOf(err) != connect.CodeDeadlineExceeded {
			t.Errorf("%s: %v", p.Name, err)
		}
		cancel()
	}
}

// A statement that waits for a lock ends with its caller's deadline, and not later.
func TestADeadlineEndsAStatementThatWaits(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	tx, err := s.Admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM tasks WHERE id = $1 FOR UPDATE`, id); err != nil {
		t.Fatal(err)
	}
	answer := s.Post(stacktest.DeleteTask, s.Token("alice", "d2-gamers", 2), []byte(`{"id":"`+id+`"}`), map[string]string{"Connect-Timeout-Ms": "100"})
	s.Expect(t, "a delete that waits", answer, stacktest.Refused(connect.CodeDeadlineExceeded, "DEADLINE_EXCEEDED"))
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.As("alice", "d2-gamers").DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: id}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// What a call leaves in the counters.
func TestEveryCallIsCountedByMethodCodeAndReason(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("charlie", "d2-gamers", 2)
	s.Post(stacktest.ListTasks, token, []byte("{}"))
	s.Post(stacktest.CreateTask, token, []byte("{}"))
	s.Post("/nothing", token, nil)
	families, err := s.Metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, family := range families {
		if family.GetName() != "teamtask_calls_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			line := ""
			for _, label := range m.GetLabel() {
				line += label.GetValue() + " "
			}
			got = append(got, fmt.Sprintf("%s%v", line, m.GetCounter().GetValue()))
		}
	}
	slices.Sort(got)
	want := []string{ // code, method, reason
		"ok /teamtask.v1.TaskService/ListTasks  1",
		"permission_denied /teamtask.v1.TaskService/CreateTask PERMISSION_MISSING 1",
		"unimplemented  METHOD_UNKNOWN 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}
