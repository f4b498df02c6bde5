package transport

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// published is the schema that clients are made from, and nothing else.
func published(t *testing.T) *protoregistry.Files {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "gen", "teamtask.binpb"))
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A client that has the published schema alone can read the details of every error.
func TestDetailsAreReadWithThePublishedSchemaAlone(t *testing.T) {
	t.Parallel()
	files := published(t)
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	empty := stacktest.FillLimiter(t, s.Calls, stacktest.Gamers)
	overloaded := s.Post(stacktest.GetTask, token, []byte(`{"id":"`+stacktest.NewID(t)+`"}`))
	empty()
	s.Exec(`REVOKE SELECT ON tasks FROM teamtask_runtime`)
	for _, c := range []struct {
		name   string
		answer stacktest.Reply
		want   map[string]string // what a detail says, by its type
	}{
		{"a reason", s.Post(stacktest.CreateTask, "", []byte("{}")), map[string]string{"google.rpc.ErrorInfo": "UNAUTHENTICATED"}},
		{"violations", s.Post(stacktest.CreateTask, token, []byte("{}")), map[string]string{"google.rpc.ErrorInfo": "INVALID_ARGUMENT", "buf.validate.Violations": "name"}},
		{"when to retry", overloaded, map[string]string{"google.rpc.ErrorInfo": "OVERLOADED", "google.rpc.RetryInfo": "seconds"}},
		{"an internal error", s.Post(stacktest.ListTasks, token, []byte("{}")), map[string]string{"google.rpc.RequestInfo": "request_id"}},
	} {
		got := map[string]string{}
		for _, detail := range detailsIn(t, c.answer) {
			found, err := files.FindDescriptorByName(protoreflect.FullName(detail.Type))
			if err != nil {
				t.Errorf("%s: %s is not in the published schema: %v", c.name, detail.Type, err)
				continue
			}
			raw, err := base64.RawStdEncoding.DecodeString(detail.Value)
			if err != nil {
				t.Fatal(err)
			}
			message := dynamicpb.NewMessage(found.(protoreflect.MessageDescriptor))
			if err := proto.Unmarshal(raw, message); err != nil || len(message.GetUnknown()) != 0 {
				t.Errorf("%s: %s: %v, unknown fields %x", c.name, detail.Type, err, message.GetUnknown())
			}
			got[detail.Type] = message.String()
		}
		for kind, words := range c.want {
			if !strings.Contains(got[kind], words) {
				t.Errorf("%s: %s says %q, want it to contain %q", c.name, kind, got[kind], words)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

type wireDetail struct{ Type, Value string }

func detailsIn(t *testing.T, answer stacktest.Reply) []wireDetail {
	t.Helper()
	var body struct{ Details []wireDetail }
	if err := json.Unmarshal(answer.Body, &body); err != nil {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	return body.Details
}

// The printed error_details.proto is the one that errors are packed with, and TypeScript
// has all of what an error carries.
func TestThePublishedDetailsAreThoseThatAreSent(t *testing.T) {
	t.Parallel()
	files := published(t)
	for _, sent := range []protoreflect.FileDescriptor{errdetails.File_google_rpc_error_details_proto, teamtaskv1.File_teamtask_v1_reason_proto} {
		found, err := files.FindFileByPath(sent.Path())
		if err != nil {
			t.Errorf("%s is not published: %v", sent.Path(), err)
			continue
		}
		if diff := cmp.Diff(protodesc.ToFileDescriptorProto(sent), protodesc.ToFileDescriptorProto(found), protocmp.Transform(),
			protocmp.IgnoreFields(&descriptorpb.FileDescriptorProto{}, "source_code_info")); diff != "" {
			t.Errorf("%s (-sent +published):\n%s", sent.Path(), diff)
		}
	}
	for file, names := range map[string][]string{
		"google/rpc/error_details_pb.ts": {"ErrorInfoSchema", "RetryInfoSchema", "RequestInfoSchema"},
		"buf/validate/validate_pb.ts":    {"ViolationsSchema"},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "gen", "ts", file))
		if err != nil {
			t.Error(err)
		}
		for _, name := range names {
			if !strings.Contains(string(text), "export const "+name+":") {
				t.Errorf("gen/ts/%s does not export %s", file, name)
			}
		}
	}
}
