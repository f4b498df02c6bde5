package audit

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// method is a method whose request has one field.
func method(t *testing.T, kind descriptorpb.FieldDescriptorProto_Type, repeated, streams bool, option teamtaskv1.AuditField) protoreflect.MethodDescriptor {
	t.Helper()
	label := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
	if repeated {
		label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	}
	field := &descriptorpb.FieldDescriptorProto{
		Name: new("it"), Number: new(int32(1)), Type: &kind, Label: &label, Options: &descriptorpb.FieldOptions{},
	}
	if option != 0 {
		proto.SetExtension(field.Options, teamtaskv1.E_Audit, option)
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("x.proto"), Package: new("x"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("Q"), Field: []*descriptorpb.FieldDescriptorProto{field}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("S"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: new("M"), InputType: new(".x.Q"), OutputType: new(".x.Q"), ServerStreaming: &streams,
		}}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file.Services().Get(0).Methods().Get(0)
}

func TestEveryTextOfAnAuditedRequestMustSayWhatIsKept(t *testing.T) {
	t.Parallel()
	const (
		text   = descriptorpb.FieldDescriptorProto_TYPE_STRING
		bytes  = descriptorpb.FieldDescriptorProto_TYPE_BYTES
		number = descriptorpb.FieldDescriptorProto_TYPE_INT32

		unsaid = teamtaskv1.AuditField_AUDIT_FIELD_UNSPECIFIED
		omit   = teamtaskv1.AuditField_AUDIT_FIELD_OMIT
		keep   = teamtaskv1.AuditField_AUDIT_FIELD_KEEP
		target = teamtaskv1.AuditField_AUDIT_FIELD_TARGET
	)
	for _, c := range []struct {
		name     string
		kind     descriptorpb.FieldDescriptorProto_Type
		repeated bool
		streams  bool
		option   teamtaskv1.AuditField
		want     string
	}{
		{"text, unsaid", text, false, false, unsaid, "is missing"},
		{"texts, unsaid", text, true, false, unsaid, "is missing"},
		{"bytes, unsaid", bytes, false, false, unsaid, "is missing"},
		{"number, unsaid", number, false, false, unsaid, ""},
		{"text, omitted", text, false, false, omit, ""},
		{"text, kept", text, false, false, keep, ""},
		{"texts, kept", text, true, false, keep, ""},
		{"bytes, kept", bytes, false, false, keep, "says KEEP"},
		{"text, target", text, false, false, target, ""},
		{"texts, target", text, true, false, target, "says TARGET"},
		{"number, target", number, false, false, target, "says TARGET"},
		{"unknown", text, false, false, 9, "unknown"},
		{"a stream", text, false, true, omit, "streams"},
	} {
		_, err := planOf(method(t, c.kind, c.repeated, c.streams, c.option))
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
