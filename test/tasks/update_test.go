package tasks

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
	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestAnUpdateChangesWhatItsMaskNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
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
		made := stacktest.Create(t, s.As("bob", "d2-gamers"), &teamtaskv1.CreateTaskRequest{Name: "old", Description: "old"})
		answer, err := alice.UpdateTask(t.Context(), stacktest.Masked(&teamtaskv1.UpdateTaskRequest{
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
	s := stacktest.New(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers", Name: "old"})[0]
	before := s.Snapshot("org_d2gamers")
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
		want    stacktest.Refusal
	}{
		{"none", update(named(), nil), stacktest.Unreadable},
		{"empty", update(named(), mask()), stacktest.Unreadable},
		{"an empty name", update(&teamtaskv1.UpdateTaskRequest{}, mask("name")), stacktest.Unreadable},
		{"too many", update(named(), mask(many...)), stacktest.Unreadable},
		{"a long path", update(named(), mask(strings.Repeat("x", 65))), stacktest.Unreadable},
		{"unknown", update(named(), mask("colour")), stacktest.NotAllowed("colour")},
		{"one right and one unknown", update(named(), mask("done", "colour")), stacktest.NotAllowed("colour")},
		{"a star", update(named(), mask("*")), stacktest.NotAllowed("*")},
		{"an empty path", update(named(), mask("")), stacktest.NotAllowed("")},
		{"in other letters", update(named(), mask("Name")), stacktest.NotAllowed("Name")},
		{"a list in one path", update(named(), mask("name,done")), stacktest.NotAllowed("name,done")},
		{"nested", update(named(), mask("name.text")), stacktest.NotAllowed("name.text")},
		{"nested in a read-only field", update(named(), mask("create_time.seconds")), stacktest.NotAllowed("create_time.seconds")},
		{"the id", update(named(), mask("id")), stacktest.NotAllowed("id")},
		{"the owner", update(named(), mask("created_by")), stacktest.NotAllowed("created_by")},
		{"who updated", update(named(), mask("updated_by")), stacktest.NotAllowed("updated_by")},
		{"the time", update(named(), mask("update_time")), stacktest.NotAllowed("update_time")},
		{"the etag", update(named(), mask("etag")), stacktest.NotAllowed("etag")},
		{"the tenant", update(named(), mask("tenant")), stacktest.NotAllowed("tenant")},
		{"the mask", update(named(), mask("update_mask")), stacktest.NotAllowed("update_mask")},
		{"SQL", update(named(), mask("name = 'x' --")), stacktest.NotAllowed("name = 'x' --")},
	} {
		_, err := s.Client(s.Token("alice", "d2-gamers", 2), connect.WithGRPCWeb()).UpdateTask(t.Context(), c.request)
		// In JSON a mask is one text, so some of these are not masks at all; in binary
		// all of them are.
		binary, binaryErr := proto.Marshal(c.request)
		if binaryErr != nil {
			t.Fatal(binaryErr)
		}
		if connect.CodeOf(err) != connect.CodeInvalidArgument && connect.CodeOf(err) != connect.CodeInternal {
			t.Errorf("%s, in JSON: %v", c.name, err)
		}
		s.Expect(t, c.name, s.Post(stacktest.UpdateTask, s.Token("alice", "d2-gamers", 2), binary, map[string]string{"Content-Type": "application/proto"}), c.want)
	}
	for _, text := range []string{`"*"`, `"create_time"`, `"createTime"`, `"name,"`, `""`, `null`, `{}`, `["name"]`, `{"paths":["name"]}`, `"name,,done"`} {
		body := fmt.Appendf(nil, `{"id":%q,"name":"new","updateMask":%s}`, id, text)
		if got := s.Post(stacktest.UpdateTask, s.Token("alice", "d2-gamers", 2), body); got.Told(t).Code != connect.CodeInvalidArgument {
			t.Errorf("mask %s in JSON: %d %s", text, got.Status, got.Body)
		}
	}
	if diff := cmp.Diff(before, s.Snapshot("org_d2gamers")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
}

func TestAnEtagAdmitsAChangeOfTheStateItWasReadFrom(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	made := stacktest.Create(t, alice, &teamtaskv1.CreateTaskRequest{Name: "n"})
	rename := func(name, etag string) (*teamtaskv1.Task, error) {
		answer, err := alice.UpdateTask(t.Context(), stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: made.GetId(), Name: name, Etag: etag}, "name"))
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
	before := s.Snapshot("org_d2gamers")
	etag := current.GetTask().GetEtag()
	for _, bad := range []string{
		made.GetEtag(), second.GetEtag(), "0", "-1", "x", " " + etag, etag + " ", "0" + etag, "+" + etag, etag + ".0", `"` + etag + `"`, "W/" + etag,
		"99999999999999999999999", "9223372036854775807", "-9223372036854775808", "*", "' OR 1=1 --", strings.Repeat("9", 128),
	} {
		_, err := rename("wrong", bad)
		if diff := cmp.Diff(stacktest.Mismatch, stacktest.RefusalOf(t, err)); diff != "" {
			t.Errorf("UpdateTask with etag %q (-want +got):\n%s", bad, diff)
		}
		_, err = alice.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: made.GetId(), Etag: bad})
		if diff := cmp.Diff(stacktest.Mismatch, stacktest.RefusalOf(t, err)); diff != "" {
			t.Errorf("DeleteTask with etag %q (-want +got):\n%s", bad, diff)
		}
	}
	if diff := cmp.Diff(before, s.Snapshot("org_d2gamers")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
	if _, err := alice.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: made.GetId(), Etag: etag}); err != nil {
		t.Errorf("DeleteTask with the current etag: %v", err)
	}
}

func TestOfManyChangesWithOneEtagExactlyOneWins(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	for round := range 5 {
		made := stacktest.Create(t, alice, &teamtaskv1.CreateTaskRequest{Name: "n"})
		var won atomic.Int64
		atOnce(crowd, func(i int) {
			var err error
			if i%2 == 0 || round < 3 {
				_, err = alice.UpdateTask(t.Context(), stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: made.GetId(), Name: fmt.Sprint(i), Etag: made.GetEtag()}, "name"))
			} else {
				_, err = alice.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: made.GetId(), Etag: made.GetEtag()})
			}
			switch got := stacktest.RefusalOf(t, err).Reason; got {
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
	s := stacktest.New(t, nil)
	bob := s.As("bob", "d2-gamers")
	made := stacktest.Create(t, bob, &teamtaskv1.CreateTaskRequest{Name: "n"})
	if _, err := bob.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: made.GetId()}); err != nil {
		t.Fatal(err)
	}
	gone := s.Post(stacktest.GetTask, s.Token("bob", "d2-gamers", 2), fmt.Appendf(nil, `{"id":%q}`, made.GetId()))
	never := s.Post(stacktest.GetTask, s.Token("bob", "d2-gamers", 2), fmt.Appendf(nil, `{"id":%q}`, stacktest.NewID(t)))
	if diff := cmp.Diff(never.Comparable(), gone.Comparable()); diff != "" || gone.Status != 404 {
		t.Errorf("a deleted task is told from one that never was (-never +deleted):\n%s", diff)
	}
	_, err := bob.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: made.GetId()})
	if diff := cmp.Diff(stacktest.Refused(connect.CodeNotFound, "TASK_NOT_FOUND"), stacktest.RefusalOf(t, err)); diff != "" {
		t.Errorf("deleted again (-want +got):\n%s", diff)
	}
}

func TestAnIDIsAUUIDInItsOneForm(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	token := s.Token("alice", "d2-gamers", 2)
	bad := []string{
		"", "7", "-1", id[:35], id + "0", " " + id, id + " ", "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""),
		strings.Replace(id, "-", "_", 1), id[:35] + "g", id + "\n", "' OR 1=1 --", "../../etc/passwd", strings.Repeat("a", 10_000), "ⅷ" + id[1:],
	}
	for _, m := range stacktest.Methods() {
		if m.Input().Fields().ByName("id") == nil {
			continue
		}
		for _, id := range bad {
			request := stacktest.CaseOf(s.T, m).Request(id)
			binary, err := proto.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			s.Expect(t, fmt.Sprintf("%s of %q", m.Name(), id), s.PostMessage(stacktest.ProcedureOf(m), token, request), stacktest.Unreadable)
			s.Expect(t, fmt.Sprintf("%s of %q, over gRPC", m.Name(), id), s.Send(s.HTTP2, "POST", stacktest.ProcedureOf(m), token,
				map[string]string{"Content-Type": "application/grpc"}, bytes.NewReader(stacktest.Enveloped(binary))), stacktest.Unreadable)
		}
	}
	if answer := s.Post(stacktest.GetTask, token, fmt.Appendf(nil, `{"id":%q}`, strings.ToUpper(id))); answer.Status != 200 {
		t.Errorf("upper case: %d %s", answer.Status, answer.Body)
	}
}
