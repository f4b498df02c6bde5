package transport

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestEveryProtocolCarriesATasksWholeLife(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	for _, p := range stacktest.Protocols {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			c := p.Typed(s, token)
			made, err := c.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "größer 🎉 " + p.Name, Description: "one\nline\t\"quoted\""})
			if err != nil {
				t.Fatal(err)
			}
			want := made.GetTask()
			got, err := c.GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: want.GetId()})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.GetTask(), protocmp.Transform()); diff != "" {
				t.Errorf("GetTask (-made +got):\n%s", diff)
			}
			changed, err := c.UpdateTask(t.Context(), &teamtaskv1.UpdateTaskRequest{
				Id: want.GetId(), Done: true, Etag: want.GetEtag(), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"done"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			want = proto.CloneOf(want)
			want.Done = true
			ignored := protocmp.IgnoreFields(want, "etag", "update_time")
			if diff := cmp.Diff(want, changed.GetTask(), protocmp.Transform(), ignored); diff != "" {
				t.Errorf("UpdateTask (-want +got):\n%s", diff)
			}
			listed, err := c.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageSize: 200})
			if err != nil {
				t.Fatal(err)
			}
			if !contains(listed.GetTasks(), changed.GetTask()) {
				t.Errorf("ListTasks does not answer the task: %v", listed)
			}
			if _, err := c.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: want.GetId()}); err != nil {
				t.Fatal(err)
			}
			_, err = c.GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: want.GetId()})
			if diff := cmp.Diff(stacktest.Refused(connect.CodeNotFound, "TASK_NOT_FOUND"), stacktest.RefusalOf(t, err)); diff != "" {
				t.Errorf("GetTask of a deleted task (-want +got):\n%s", diff)
			}
		})
	}
}

func contains(all []*teamtaskv1.Task, want *teamtaskv1.Task) bool {
	for _, task := range all {
		if proto.Equal(task, want) {
			return true
		}
	}
	return false
}

// An error has the same code, reason and metadata in every protocol, for a refusal of
// the gate, of the message's rules, of the database's preamble and of the rule itself.
func TestARefusalIsTheSameInEveryProtocol(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	update := &teamtaskv1.UpdateTaskRequest{Id: id, Etag: "9", Done: true, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"done"}}}
	notAllowed := proto.CloneOf(update)
	notAllowed.UpdateMask.Paths = []string{"created_by"}
	for _, c := range []struct {
		user      string
		procedure string
		request   proto.Message
		want      stacktest.Refusal
	}{
		{"", stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{Name: "x"}, stacktest.Refused(connect.CodeUnauthenticated, "UNAUTHENTICATED")},
		{"", stacktest.GetTask, &teamtaskv1.GetTaskRequest{Id: id}, stacktest.Refused(connect.CodeUnauthenticated, "UNAUTHENTICATED")},
		{"charlie", stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{Name: "x"}, stacktest.Refusal{Code: connect.CodePermissionDenied, Reason: "PERMISSION_MISSING", Metadata: map[string]string{"permission": "org:tasks:edit"}}},
		{"alice", stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{}, stacktest.Refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT")},
		{"alice", stacktest.GetTask, &teamtaskv1.GetTaskRequest{Id: "7"}, stacktest.Refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT")},
		{"alice", stacktest.ListTasks, &teamtaskv1.ListTasksRequest{PageToken: "x"}, stacktest.Refused(connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID")},
		{"alice", stacktest.UpdateTask, notAllowed, stacktest.Refusal{Code: connect.CodeInvalidArgument, Reason: "INVALID_ARGUMENT", Metadata: map[string]string{"path": "created_by"}}},
		{"ben", stacktest.CreateTask, &teamtaskv1.CreateTaskRequest{Name: "x"}, stacktest.Refused(connect.CodePermissionDenied, "SEAT_REQUIRED")},
		{"alice", stacktest.GetTask, &teamtaskv1.GetTaskRequest{Id: stacktest.NewID(t)}, stacktest.Refused(connect.CodeNotFound, "TASK_NOT_FOUND")},
		{"bob", stacktest.UpdateTask, update, stacktest.Refused(connect.CodePermissionDenied, "NOT_OWNER")},
		{"alice", stacktest.UpdateTask, update, stacktest.Refused(connect.CodeAborted, "ETAG_MISMATCH")},
	} {
		token := ""
		if c.user != "" {
			token = s.Token(c.user, "d2-gamers", 2)
		}
		m := stacktest.MethodOf(t, c.procedure)
		for _, p := range stacktest.Protocols {
			if !p.Carries(m) {
				continue
			}
			_, err := s.Call(t.Context(), p, token, m, c.request)
			if diff := cmp.Diff(c.want, stacktest.RefusalOf(t, err)); diff != "" {
				t.Errorf("%s by %q over %s (-want +got):\n%s", m.Name(), c.user, p.Name, diff)
			}
			if e, ok := errors.AsType[*connect.Error](err); ok && e.Meta().Get("X-Request-Id") == "" {
				t.Errorf("%s by %q over %s: no X-Request-Id", m.Name(), c.user, p.Name)
			}
		}
	}
}

func TestAReadCanBeCalledByAPlainGet(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers", Name: "by GET"})[0]
	token := s.Token("charlie", "d2-gamers", 2)
	request := &teamtaskv1.GetTaskRequest{Id: id}
	binary, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{
		stacktest.GetTask + "?connect=v1&encoding=json&message=" + url.QueryEscape(`{"id":"`+id+`"}`),
		stacktest.GetTask + "?encoding=json&message=" + url.QueryEscape(`{"id":"`+id+`"}`),
		stacktest.GetURL(stacktest.GetTask, "json", []byte(`{"id":"`+id+`"}`)),
		stacktest.GetURL(stacktest.GetTask, "proto", binary),
	} {
		for _, over := range []http.RoundTripper{s.HTTP1, s.HTTP2} {
			answer := s.Send(over, http.MethodGet, target, token, nil, nil)
			got := &teamtaskv1.GetTaskResponse{}
			if strings.Contains(target, "encoding=proto") {
				err = proto.Unmarshal(answer.Body, got)
			} else {
				err = protojson.Unmarshal(answer.Body, got)
			}
			if answer.Status != http.StatusOK || err != nil || got.GetTask().GetName() != "by GET" {
				t.Errorf("GET %s: %d %s, %v", target, answer.Status, answer.Body, err)
			}
			if cache := answer.Header.Get("Cache-Control"); cache != "no-store" {
				t.Errorf("GET %s: Cache-Control = %q, want no-store", target, cache)
			}
		}
	}
}

// A link on a foreign page must not change anything, whoever follows it.
func TestAGetOfAMethodThatWritesIsNotAllowed(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	before := s.Snapshot("org_d2gamers")
	for _, m := range stacktest.Methods() {
		if stacktest.IsRead(m) {
			continue
		}
		body, err := protojson.Marshal(stacktest.CaseOf(s.T, m).Request(id))
		if err != nil {
			t.Fatal(err)
		}
		answer := s.Send(s.HTTP1, http.MethodGet, stacktest.GetURL(stacktest.ProcedureOf(m), "json", body), s.Token("alice", "d2-gamers", 2), nil, nil)
		if answer.Status != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != http.MethodPost {
			t.Errorf("GET %s: status %d, Allow %q", m.Name(), answer.Status, answer.Header.Get("Allow"))
		}
		if got := answer.Told(t).Code; got != connect.CodeUnimplemented {
			t.Errorf("GET %s: code %v", m.Name(), got)
		}
	}
	if diff := cmp.Diff(before, s.Snapshot("org_d2gamers")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
}
