package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

func TestAnUpdateChangesWhatItsMaskNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	alice := s.as("alice", "d2-gamers")
	for _, c := range []struct {
		paths []string
		want  *teamtaskv1.Task
	}{
		{[]string{"name"}, &teamtaskv1.Task{Name: "new", Description: "old"}},
		{[]string{"description"}, &teamtaskv1.Task{Name: "old", Description: "new"}},
		{[]string{"done"}, &teamtaskv1.Task{Name: "old", Description: "old", Done: true}},
		{[]string{"name", "description", "done"}, &teamtaskv1.Task{Name: "new", Description: "new", Done: true}},
		{[]string{"done", "name", "done", "name"}, &teamtaskv1.Task{Name: "new", Description: "old", Done: true}},
	} {
		made := create(t, s.as("bob", "d2-gamers"), &teamtaskv1.CreateTaskRequest{Name: "old", Description: "old"})
		answer, err := alice.UpdateTask(t.Context(), masked(&teamtaskv1.UpdateTaskRequest{
			Id: made.GetId(), Name: "new", Description: "new", Done: true,
		}, c.paths...))
		if err != nil {
			t.Errorf("%v: %v", c.paths, err)
			continue
		}
		got := answer.GetTask()
		c.want.Id, c.want.CreatedBy, c.want.UpdatedBy, c.want.CreateTime = made.GetId(), "user_bob", "user_alice", made.GetCreateTime()
		if diff := cmp.Diff(c.want, got, protocmp.Transform(), protocmp.IgnoreFields(got, "etag", "update_time")); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.paths, diff)
		}
		if got.GetEtag() == made.GetEtag() || !got.GetUpdateTime().AsTime().After(made.GetUpdateTime().AsTime()) {
			t.Errorf("%v: etag %q after %q, updated %v", c.paths, got.GetEtag(), made.GetEtag(), got.GetUpdateTime().AsTime())
		}
		stored, err := alice.GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: made.GetId()})
		if diff := cmp.Diff(got, stored.GetTask(), protocmp.Transform()); diff != "" || err != nil {
			t.Errorf("%v: stored (-answered +stored): %v\n%s", c.paths, err, diff)
		}
	}
}

func TestAMaskThatCannotBeMeantChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	id := s.put(row{tenant: "org_d2gamers", name: "old"})[0]
	before := s.snapshot("org_d2gamers")
	many := strings.Split(strings.Repeat("done ", 17), " ")[:17]
	update := func(r *teamtaskv1.UpdateTaskRequest, mask *fieldmaskpb.FieldMask) *teamtaskv1.UpdateTaskRequest {
		r.Id, r.UpdateMask = id, mask
		return r
	}
	mask := func(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }
	named := func() *teamtaskv1.UpdateTaskRequest { return &teamtaskv1.UpdateTaskRequest{Name: "new", Done: true} }
	for _, c := range []struct {
		name    string
		request *teamtaskv1.UpdateTaskRequest
		want    refusal
	}{
		{"none", update(named(), nil), unreadable},
		{"empty", update(named(), mask()), unreadable},
		{"an empty name", update(&teamtaskv1.UpdateTaskRequest{}, mask("name")), unreadable},
		{"too many", update(named(), mask(many...)), unreadable},
		{"a long path", update(named(), mask(strings.Repeat("x", 65))), unreadable},
		{"unknown", update(named(), mask("colour")), notAllowed("colour")},
		{"one right and one unknown", update(named(), mask("done", "colour")), notAllowed("colour")},
		{"a star", update(named(), mask("*")), notAllowed("*")},
		{"an empty path", update(named(), mask("")), notAllowed("")},
		{"in other letters", update(named(), mask("Name")), notAllowed("Name")},
		{"a list in one path", update(named(), mask("name,done")), notAllowed("name,done")},
		{"nested", update(named(), mask("name.text")), notAllowed("name.text")},
		{"nested in a read-only field", update(named(), mask("create_time.seconds")), notAllowed("create_time.seconds")},
		{"the id", update(named(), mask("id")), notAllowed("id")},
		{"the owner", update(named(), mask("created_by")), notAllowed("created_by")},
		{"who updated", update(named(), mask("updated_by")), notAllowed("updated_by")},
		{"the time", update(named(), mask("update_time")), notAllowed("update_time")},
		{"the etag", update(named(), mask("etag")), notAllowed("etag")},
		{"the tenant", update(named(), mask("tenant")), notAllowed("tenant")},
		{"the mask", update(named(), mask("update_mask")), notAllowed("update_mask")},
		{"SQL", update(named(), mask("name = 'x' --")), notAllowed("name = 'x' --")},
	} {
		_, err := s.client(s.token("alice", "d2-gamers", 2), connect.WithGRPCWeb()).UpdateTask(t.Context(), c.request)
		// In JSON a mask is one text, so some of these are not masks at all; in binary
		// all of them are.
		binary, binaryErr := proto.Marshal(c.request)
		if binaryErr != nil {
			t.Fatal(binaryErr)
		}
		if connect.CodeOf(err) != connect.CodeInvalidArgument && connect.CodeOf(err) != connect.CodeInternal {
			t.Errorf("%s, in JSON: %v", c.name, err)
		}
		s.expect(t, c.name, s.post(updateTask, s.token("alice", "d2-gamers", 2), binary, map[string]string{"Content-Type": "application/proto"}), c.want)
	}
	for _, text := range []string{`"*"`, `"create_time"`, `"createTime"`, `"name,"`, `""`, `null`, `{}`, `["name"]`, `{"paths":["name"]}`, `"name,,done"`} {
		body := fmt.Appendf(nil, `{"id":%q,"name":"new","updateMask":%s}`, id, text)
		if got := s.post(updateTask, s.token("alice", "d2-gamers", 2), body); got.told(t).Code != connect.CodeInvalidArgument {
			t.Errorf("mask %s in JSON: %d %s", text, got.status, got.body)
		}
	}
	if diff := cmp.Diff(before, s.snapshot("org_d2gamers")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
}

func TestAnEtagLetsAChangeThroughOnlyToTheStateItWasReadFrom(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	alice := s.as("alice", "d2-gamers")
	made := create(t, alice, &teamtaskv1.CreateTaskRequest{Name: "n"})
	rename := func(name, etag string) (*teamtaskv1.Task, error) {
		answer, err := alice.UpdateTask(t.Context(), masked(&teamtaskv1.UpdateTaskRequest{Id: made.GetId(), Name: name, Etag: etag}, "name"))
		return answer.GetTask(), err
	}
	second, err := rename("second", made.GetEtag())
	if err != nil {
		t.Fatalf("the etag it was read with: %v", err)
	}
	if _, err := rename("third", ""); err != nil {
		t.Fatalf("no etag: %v", err)
	}
	current, err := alice.GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: made.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	before := s.snapshot("org_d2gamers")
	etag := current.GetTask().GetEtag()
	for _, bad := range []string{
		made.GetEtag(), second.GetEtag(), "0", "-1", "x", " " + etag, etag + " ", "0" + etag, "+" + etag, etag + ".0", `"` + etag + `"`, "W/" + etag,
		"99999999999999999999999", "9223372036854775807", "-9223372036854775808", "*", "' OR 1=1 --", strings.Repeat("9", 128),
	} {
		_, err := rename("wrong", bad)
		if diff := cmp.Diff(mismatch, refusalOf(t, err)); diff != "" {
			t.Errorf("UpdateTask with etag %q (-want +got):\n%s", bad, diff)
		}
		_, err = alice.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: made.GetId(), Etag: bad})
		if diff := cmp.Diff(mismatch, refusalOf(t, err)); diff != "" {
			t.Errorf("DeleteTask with etag %q (-want +got):\n%s", bad, diff)
		}
	}
	if diff := cmp.Diff(before, s.snapshot("org_d2gamers")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
	if _, err := alice.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: made.GetId(), Etag: etag}); err != nil {
		t.Errorf("DeleteTask with the current etag: %v", err)
	}
}

func TestOfManyChangesWithOneEtagExactlyOneWins(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	alice := s.as("alice", "d2-gamers")
	for round := range 5 {
		made := create(t, alice, &teamtaskv1.CreateTaskRequest{Name: "n"})
		var won atomic.Int64
		atOnce(crowd, func(i int) {
			var err error
			if i%2 == 0 || round < 3 {
				_, err = alice.UpdateTask(t.Context(), masked(&teamtaskv1.UpdateTaskRequest{Id: made.GetId(), Name: fmt.Sprint(i), Etag: made.GetEtag()}, "name"))
			} else {
				_, err = alice.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: made.GetId(), Etag: made.GetEtag()})
			}
			switch got := refusalOf(t, err).Reason; got {
			case "":
				won.Add(1)
			case "ETAG_MISMATCH":
			case "TASK_NOT_FOUND":
				if round < 3 {
					t.Errorf("call %d: %s", i, got)
				}
			default:
				t.Errorf("call %d: %s", i, got)
			}
		})
		if won.Load() != 1 {
			t.Errorf("round %d: %d won, want 1", round, won.Load())
		}
	}
}

func TestADeletedTaskIsGone(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	bob := s.as("bob", "d2-gamers")
	made := create(t, bob, &teamtaskv1.CreateTaskRequest{Name: "n"})
	if _, err := bob.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: made.GetId()}); err != nil {
		t.Fatal(err)
	}
	gone := s.post(getTask, s.token("bob", "d2-gamers", 2), fmt.Appendf(nil, `{"id":%q}`, made.GetId()))
	never := s.post(getTask, s.token("bob", "d2-gamers", 2), fmt.Appendf(nil, `{"id":%q}`, newID(t)))
	if diff := cmp.Diff(never.comparable(), gone.comparable()); diff != "" || gone.status != 404 {
		t.Errorf("a deleted task is told from one that never was (-never +deleted):\n%s", diff)
	}
	_, err := bob.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: made.GetId()})
	if diff := cmp.Diff(refused(connect.CodeNotFound, "TASK_NOT_FOUND"), refusalOf(t, err)); diff != "" {
		t.Errorf("deleted again (-want +got):\n%s", diff)
	}
}

func TestAnIDIsAUUIDInItsOneForm(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	id := s.put(row{tenant: "org_d2gamers"})[0]
	token := s.token("alice", "d2-gamers", 2)
	bad := []string{
		"", "7", "-1", id[:35], id + "0", " " + id, id + " ", "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""),
		strings.Replace(id, "-", "_", 1), id[:35] + "g", id + "\n", "' OR 1=1 --", "../../etc/passwd", strings.Repeat("a", 10_000), "ⅷ" + id[1:],
	}
	for _, m := range methods() {
		if m.Input().Fields().ByName("id") == nil {
			continue
		}
		for _, id := range bad {
			request := caseOf(s.t, m).request(id)
			binary, err := proto.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			s.expect(t, fmt.Sprintf("%s of %q", m.Name(), id), s.postMessage(procedureOf(m), token, request), unreadable)
			s.expect(t, fmt.Sprintf("%s of %q, over gRPC", m.Name(), id), s.send(s.http2, "POST", procedureOf(m), token,
				map[string]string{"Content-Type": "application/grpc"}, bytes.NewReader(enveloped(binary))), unreadable)
		}
	}
	if answer := s.post(getTask, token, fmt.Appendf(nil, `{"id":%q}`, strings.ToUpper(id))); answer.status != 200 {
		t.Errorf("upper case: %d %s", answer.status, answer.body)
	}
}
