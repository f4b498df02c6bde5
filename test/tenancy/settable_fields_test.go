package tenancy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// settable are the fields of a task that a caller may set, when it is made and later.
var (
	settableAtFirst = []protoreflect.Name{"name", "description"}
	settableLater   = []protoreflect.Name{"name", "description", "done"}
)

// forged is a value of the field that the server would not give.
func forged(t *testing.T, field protoreflect.FieldDescriptor) (protoreflect.Value, string) {
	t.Helper()
	switch {
	case field.Kind() == protoreflect.StringKind && field.Name() == "id":
		return protoreflect.ValueOfString("018f0000-0000-7000-8000-000000000000"), `"018f0000-0000-7000-8000-000000000000"`
	case field.Kind() == protoreflect.StringKind:
		return protoreflect.ValueOfString("user_forged"), `"user_forged"`
	case field.Kind() == protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true), `true`
	case field.Message() != nil && field.Message().FullName() == "google.protobuf.Timestamp":
		return protoreflect.ValueOfMessage((&timestamppb.Timestamp{Seconds: 1}).ProtoReflect()), `"1970-01-01T00:00:01Z"`
	}
	t.Fatalf("%s: no forged value is known for its type; add one", field.FullName())
	return protoreflect.Value{}, ""
}

// columns are what is stored of the task but its name and description.
func columns(t *testing.T, s *stacktest.Stack, id string) map[string]any {
	t.Helper()
	var raw []byte
	if err := s.Admin.QueryRow(t.Context(), `SELECT to_jsonb(r) - 'name' - 'description' FROM tasks r WHERE id = $1`, id).Scan(&raw); err != nil {
		t.Fatalf("the task %s: %v", id, err)
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// A field that the server sets is neither taken from a new task nor changed by an
// update, in whatever way it is sent along.
func TestFieldsThatTheServerSetsCannotBeSet(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	whole := &teamtaskv1.Task{}
	fields := whole.ProtoReflect().Descriptor().Fields()
	var inJSON bytes.Buffer
	for i := range fields.Len() {
		value, literal := forged(t, fields.Get(i))
		if !slices.Contains(settableAtFirst, fields.Get(i).Name()) {
			whole.ProtoReflect().Set(fields.Get(i), value)
			fmt.Fprintf(&inJSON, `,%q:%s`, fields.Get(i).JSONName(), literal)
			if fields.Get(i).JSONName() != string(fields.Get(i).Name()) {
				fmt.Fprintf(&inJSON, `,%q:%s`, fields.Get(i).Name(), literal)
			}
		}
	}
	for _, column := range []string{"tenantId", "tenant_id", "org", "orgId", "org_id", "organization", "revision", "task"} {
		fmt.Fprintf(&inJSON, `,%q:"org_acme"`, column)
	}
	var foreign []byte // fields under their numbers of a task, where a request has no such number
	for i := range fields.Len() {
		if fields.Get(i).Number() > 6 {
			one := &teamtaskv1.Task{}
			one.ProtoReflect().Set(fields.Get(i), first(forged(t, fields.Get(i))))
			data, err := proto.Marshal(one)
			if err != nil {
				t.Fatal(err)
			}
			foreign = append(foreign, data...)
		}
	}

	made := s.Post(stacktest.CreateTask, token, []byte(`{"name":"x"`+inJSON.String()+`}`))
	s.Expect(t, "a new task in JSON", made, stacktest.Refusal{})
	s.Expect(t, "a new task in binary", s.Post(stacktest.CreateTask, token, append([]byte("\x0a\x01x"), foreign...), map[string]string{"Content-Type": "application/proto"}), stacktest.Refusal{})
	ids, err := s.Column(`SELECT id::text FROM tasks ORDER BY id`)
	if err != nil || len(ids) != 2 {
		t.Fatalf("%d tasks, %v; want 2", len(ids), err)
	}
	for _, id := range ids {
		got := columns(t, s, id)
		done, isSwitch := got["done"].(bool)
		if got["tenant_id"] != "org_d2gamers" || got["created_by"] != "user_alice" || got["updated_by"] != "user_alice" ||
			done || !isSwitch || got["revision"] != 1.0 || got["create_time"] != got["update_time"] || id == "018f0000-0000-7000-8000-000000000000" {
			t.Errorf("a new task has what was sent along: %v", got)
		}
	}

	id := ids[0]
	before := columns(t, s, id)
	forgedUpdate := `{"id":"` + id + `","name":"changed","updateMask":"name"` + string(bytes.ReplaceAll(inJSON.Bytes(), []byte(`,"id":"018f0000-0000-7000-8000-000000000000"`), nil)) + `}`
	forgedUpdate = string(bytes.ReplaceAll([]byte(forgedUpdate), []byte(`,"etag":"user_forged"`), nil)) // here it is a condition
	s.Expect(t, "an update in JSON", s.Post(stacktest.UpdateTask, token, []byte(forgedUpdate)), stacktest.Refusal{})
	after := columns(t, s, id)
	for column, value := range before {
		if column != "update_time" && column != "revision" && after[column] != value {
			t.Errorf("%s became %v, was %v", column, after[column], value)
		}
	}
	if after["revision"] != 2.0 {
		t.Errorf("revision %v, want 2", after["revision"])
	}
	for i := range fields.Len() {
		path := string(fields.Get(i).Name())
		update := stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: id, Name: "again"}, "name", path)
		want := stacktest.NotAllowed(path)
		if slices.Contains(settableLater, fields.Get(i).Name()) {
			want = stacktest.Refusal{}
		}
		for _, p := range []stacktest.Protocol{stacktest.Protocols[2], stacktest.Protocols[6]} {
			s.Expect(t, "a mask with "+path+" in "+p.Name, p.Put(s, stacktest.UpdateTask, token, p.Written(t, update), ""), want)
		}
	}
	if diff := s.Count(`SELECT count(*) FROM tasks WHERE tenant_id <> 'org_d2gamers' OR created_by <> 'user_alice' OR updated_by <> 'user_alice'`); diff != 0 {
		t.Errorf("%d tasks are somebody else's", diff)
	}
}

func first(v protoreflect.Value, _ string) protoreflect.Value { return v }
