package main

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
)

func TestEveryProtocolCarriesATasksWholeLife(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := p.typed(s, token)
			made, err := c.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "größer 🎉 " + p.name, Description: "one\nline\t\"quoted\""})
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
			if diff := cmp.Diff(refused(connect.CodeNotFound, "TASK_NOT_FOUND"), refusalOf(t, err)); diff != "" {
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
	s := newStack(t, nil)
	id := s.put(row{tenant: "org_d2gamers"})[0]
	update := &teamtaskv1.UpdateTaskRequest{Id: id, Etag: "9", Done: true, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"done"}}}
	notAllowed := proto.CloneOf(update)
	notAllowed.UpdateMask.Paths = []string{"created_by"}
	for _, c := range []struct {
		user      string
		procedure string
		request   proto.Message
		want      refusal
	}{
		{"", createTask, &teamtaskv1.CreateTaskRequest{Name: "x"}, refused(connect.CodeUnauthenticated, "UNAUTHENTICATED")},
		{"", getTask, &teamtaskv1.GetTaskRequest{Id: id}, refused(connect.CodeUnauthenticated, "UNAUTHENTICATED")},
		{"charlie", createTask, &teamtaskv1.CreateTaskRequest{Name: "x"}, refusal{connect.CodePermissionDenied, "PERMISSION_MISSING", map[string]string{"permission": "org:tasks:edit"}}},
		{"alice", createTask, &teamtaskv1.CreateTaskRequest{}, refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT")},
		{"alice", getTask, &teamtaskv1.GetTaskRequest{Id: "7"}, refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT")},
		{"alice", listTasks, &teamtaskv1.ListTasksRequest{PageToken: "x"}, refused(connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID")},
		{"alice", updateTask, notAllowed, refusal{connect.CodeInvalidArgument, "INVALID_ARGUMENT", map[string]string{"path": "created_by"}}},
		{"ben", createTask, &teamtaskv1.CreateTaskRequest{Name: "x"}, refused(connect.CodePermissionDenied, "SEAT_REQUIRED")},
		{"alice", getTask, &teamtaskv1.GetTaskRequest{Id: newID(t)}, refused(connect.CodeNotFound, "TASK_NOT_FOUND")},
		{"bob", updateTask, update, refused(connect.CodePermissionDenied, "NOT_OWNER")},
		{"alice", updateTask, update, refused(connect.CodeAborted, "ETAG_MISMATCH")},
	} {
		token := ""
		if c.user != "" {
			token = s.token(c.user, "d2-gamers", 2)
		}
		m := methodOf(t, c.procedure)
		for _, p := range protocols {
			if !p.carries(m) {
				continue
			}
			_, err := s.call(t.Context(), p, token, m, c.request)
			if diff := cmp.Diff(c.want, refusalOf(t, err)); diff != "" {
				t.Errorf("%s by %q over %s (-want +got):\n%s", m.Name(), c.user, p.name, diff)
			}
			if e, ok := errors.AsType[*connect.Error](err); ok && e.Meta().Get("X-Request-Id") == "" {
				t.Errorf("%s by %q over %s: no X-Request-Id", m.Name(), c.user, p.name)
			}
		}
	}
}

func TestAReadCanBeCalledByAPlainGet(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	id := s.put(row{tenant: "org_d2gamers", name: "by GET"})[0]
	token := s.token("charlie", "d2-gamers", 2)
	request := &teamtaskv1.GetTaskRequest{Id: id}
	binary, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{
		getTask + "?connect=v1&encoding=json&message=" + url.QueryEscape(`{"id":"`+id+`"}`),
		getTask + "?encoding=json&message=" + url.QueryEscape(`{"id":"`+id+`"}`),
		getURL(getTask, "json", []byte(`{"id":"`+id+`"}`)),
		getURL(getTask, "proto", binary),
	} {
		for _, over := range []http.RoundTripper{s.http1, s.http2} {
			answer := s.send(over, http.MethodGet, target, token, nil, nil)
			got := &teamtaskv1.GetTaskResponse{}
			if strings.Contains(target, "encoding=proto") {
				err = proto.Unmarshal(answer.body, got)
			} else {
				err = protojson.Unmarshal(answer.body, got)
			}
			if answer.status != http.StatusOK || err != nil || got.GetTask().GetName() != "by GET" {
				t.Errorf("GET %s: %d %s, %v", target, answer.status, answer.body, err)
			}
			if cache := answer.header.Get("Cache-Control"); cache != "no-store" {
				t.Errorf("GET %s: Cache-Control = %q, want no-store", target, cache)
			}
		}
	}
}

// A link on a foreign page must not change anything, whoever follows it.
func TestAGetOfAMethodThatWritesIsNotAllowed(t *testing.T) {
	t.Parallel()
	s := newPaying(t, nil)
	id := s.put(row{tenant: "org_d2gamers"})[0]
	before := s.snapshot("org_d2gamers")
	for _, m := range methods() {
		if isRead(m) {
			continue
		}
		body, err := protojson.Marshal(caseOf(s.t, m).request(id))
		if err != nil {
			t.Fatal(err)
		}
		answer := s.send(s.http1, http.MethodGet, getURL(procedureOf(m), "json", body), s.token("alice", "d2-gamers", 2), nil, nil)
		if answer.status != http.StatusMethodNotAllowed || answer.header.Get("Allow") != http.MethodPost {
			t.Errorf("GET %s: status %d, Allow %q", m.Name(), answer.status, answer.header.Get("Allow"))
		}
		if got := answer.told(t).Code; got != connect.CodeUnimplemented {
			t.Errorf("GET %s: code %v", m.Name(), got)
		}
	}
	if diff := cmp.Diff(before, s.snapshot("org_d2gamers")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
}
