package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// expectJSON wants what protojson writes, without its spaces, or an error where it has
// one.
func expectJSON(t *testing.T, m proto.Message) {
	t.Helper()
	got, err := jsonCodec{}.MarshalAppend([]byte("before"), m)
	want, wantErr := protojson.Marshal(m)
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%v: error %v, protojson's is %v", m, err, wantErr)
	}
	if err != nil {
		return
	}
	got, ok := bytes.CutPrefix(got, []byte("before"))
	if !ok {
		t.Fatalf("what was there before is gone: %s", got)
	}
	if got, want := compact(t, got), compact(t, want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func compact(t *testing.T, data []byte) string {
	t.Helper()
	var to bytes.Buffer
	if err := json.Compact(&to, data); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return to.String()
}

// everyKind is a message type with a field of every kind that is written by a plan, once
// alone, once optional and once as a list, and messages in messages.
func everyKind(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	message := &descriptorpb.DescriptorProto{Name: new("Every")}
	add := func(name string, kind descriptorpb.FieldDescriptorProto_Type, of string) {
		for _, form := range []string{"_alone", "_list", "_optional"} {
			field := &descriptorpb.FieldDescriptorProto{
				Name: new(name + form), Number: new(int32(len(message.GetField()) + 1)), Type: kind.Enum(),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}
			if of != "" {
				field.TypeName = &of
			}
			switch form {
			case "_list":
				field.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			case "_optional":
				field.Proto3Optional = new(true)
				field.OneofIndex = new(int32(len(message.GetOneofDecl())))
				message.OneofDecl = append(message.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: new("_" + name + form)})
			}
			message.Field = append(message.Field, field)
		}
	}
	for name, kind := range map[string]descriptorpb.FieldDescriptorProto_Type{
		"bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL, "text": descriptorpb.FieldDescriptorProto_TYPE_STRING,
		"int32": descriptorpb.FieldDescriptorProto_TYPE_INT32, "sint32": descriptorpb.FieldDescriptorProto_TYPE_SINT32,
		"sfixed32": descriptorpb.FieldDescriptorProto_TYPE_SFIXED32, "int64": descriptorpb.FieldDescriptorProto_TYPE_INT64,
		"sint64": descriptorpb.FieldDescriptorProto_TYPE_SINT64, "sfixed64": descriptorpb.FieldDescriptorProto_TYPE_SFIXED64,
	} {
		add(name, kind, "")
	}
	add("mood", descriptorpb.FieldDescriptorProto_TYPE_ENUM, ".test.Mood")
	add("inner", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".test.Inner")
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("every.proto"), Package: new("test"), Syntax: new("proto3"),
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: new("Mood"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: new("MOOD_NONE"), Number: new(int32(0))}, {Name: new("MOOD_GOOD"), Number: new(int32(7))},
		}}},
		MessageType: []*descriptorpb.DescriptorProto{message, {Name: new("Inner"), Field: []*descriptorpb.FieldDescriptorProto{{
			Name: new("text"), Number: new(int32(1)), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), JsonName: new(`an "odd" näme`),
		}}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	every := file.Messages().ByName("Every")
	if jsonPlanOf(every) == nil {
		t.Fatal("the type has no plan: what follows would compare protojson with itself")
	}
	return every
}

func TestEveryKindOfFieldIsWrittenAsProtojsonDoes(t *testing.T) {
	t.Parallel()
	every := everyKind(t)
	expectJSON(t, dynamicpb.NewMessage(every))
	small := []protoreflect.Value{protoreflect.ValueOfInt32(0), protoreflect.ValueOfInt32(math.MinInt32), protoreflect.ValueOfInt32(math.MaxInt32)}
	large := []protoreflect.Value{protoreflect.ValueOfInt64(0), protoreflect.ValueOfInt64(math.MinInt64), protoreflect.ValueOfInt64(math.MaxInt64)}
	values := make(map[protoreflect.Kind][]protoreflect.Value)
	values[protoreflect.BoolKind] = []protoreflect.Value{protoreflect.ValueOfBool(true), protoreflect.ValueOfBool(false)}
	values[protoreflect.StringKind] = []protoreflect.Value{protoreflect.ValueOfString(""), protoreflect.ValueOfString("a \"text\"\n\u2028 <é>")}
	values[protoreflect.EnumKind] = []protoreflect.Value{protoreflect.ValueOfEnum(0), protoreflect.ValueOfEnum(7), protoreflect.ValueOfEnum(-3)}
	values[protoreflect.Int32Kind], values[protoreflect.Sint32Kind], values[protoreflect.Sfixed32Kind] = small, small, small
	values[protoreflect.Int64Kind], values[protoreflect.Sint64Kind], values[protoreflect.Sfixed64Kind] = large, large, large
	all := dynamicpb.NewMessage(every)
	for i := range every.Fields().Len() {
		field := every.Fields().Get(i)
		of := values[field.Kind()]
		if field.Kind() == protoreflect.MessageKind {
			inner := dynamicpb.NewMessage(field.Message())
			full := dynamicpb.NewMessage(field.Message())
			full.Set(field.Message().Fields().Get(0), protoreflect.ValueOfString("x"))
			of = []protoreflect.Value{protoreflect.ValueOfMessage(inner), protoreflect.ValueOfMessage(full)}
		}
		for _, v := range of {
			one := dynamicpb.NewMessage(every)
			if field.IsList() {
				list := one.NewField(field).List()
				expectJSON(t, one)
				list.Append(v)
				list.Append(v)
				v = protoreflect.ValueOfList(list)
			}
			one.Set(field, v)
			expectJSON(t, one)
			all.Set(field, v)
		}
	}
	expectJSON(t, all)
}

func TestTypesWithoutAPlanAreLeftToProtojson(t *testing.T) {
	t.Parallel()
	for _, m := range []proto.Message{
		&teamtaskv1.UpdateTaskRequest{},     // holds a field mask
		&descriptorpb.DescriptorProto{},     // holds itself, and is of the well-known package
		&descriptorpb.UninterpretedOption{}, // bytes and doubles
	} {
		if jsonPlanOf(m.ProtoReflect().Descriptor()) != nil {
			t.Errorf("%T has a plan", m)
		}
		expectJSON(t, m)
	}
	expectJSON(t, &descriptorpb.DescriptorProto{Name: new("a"), NestedType: []*descriptorpb.DescriptorProto{{Name: new("b")}}})
}

// Every answer of the contract is written by a plan; one that is not is much slower.
func TestAnswersOfTheContractHavePlans(t *testing.T) {
	t.Parallel()
	protoregistry.GlobalFiles.RangeFilesByPackage("teamtask.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				if methods.Get(j).Name() == "ListAuditEvents" {
					continue // its details are of any form, and it is read now and then
				}
				if jsonPlanOf(methods.Get(j).Output()) == nil {
					t.Errorf("%s has no plan", methods.Get(j).Output().FullName())
				}
			}
		}
		return true
	})
}

func FuzzTasksAreWrittenAsProtojsonDoes(f *testing.F) {
	f.Add("a name", "words", true, int64(1_700_000_000), int32(123_456_789))
	f.Add("", "", false, int64(0), int32(0))
	f.Add("\x00\x01\x1f\x7f\b\f\n\r\t\"\\/<>&", "\u2028\u2029\ufffd\U0010ffff", true, int64(-1), int32(1000))
	f.Add("\xff", "\xc0\x80", true, int64(-62135596800), int32(999_999_999))
	f.Add("\xed\xa0\x80", "x", true, int64(253402300799), int32(120_000_000))
	f.Add("x", "\xf4\x90\x80\x80", true, int64(253402300800), int32(-1))
	f.Add("x", "x", true, int64(-62135596801), int32(1_000_000_000))
	f.Add("long", strings.Repeat("é\"", 5000), true, int64(1), int32(120))
	f.Fuzz(func(t *testing.T, name, description string, done bool, seconds int64, nanos int32) {
		task := &teamtaskv1.Task{
			Id: name, Name: description, Done: done,
			CreateTime: &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos},
			UpdateTime: &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos / 1000 * 1000},
		}
		expectJSON(t, task)
		expectJSON(t, &teamtaskv1.ListTasksResponse{Tasks: []*teamtaskv1.Task{task, {}, nil, task}, NextPageToken: name})
		expectJSON(t, &teamtaskv1.GetTaskResponse{Task: &teamtaskv1.Task{}})
	})
}

func BenchmarkPageOfTasks(b *testing.B) {
	page := &teamtaskv1.ListTasksResponse{NextPageToken: strings.Repeat("x", 80)}
	for range 50 {
		page.Tasks = append(page.Tasks, &teamtaskv1.Task{
			Id: "01890a5d-ac96-774b-bcce-b302099a8057", Name: "A task of the usual length", Description: strings.Repeat("some words ", 10),
			CreatedBy: "user_alice", UpdatedBy: "user_alice", Etag: "1", CreateTime: timestamppb.Now(), UpdateTime: timestamppb.Now(),
		})
	}
	for name, marshal := range map[string]func([]byte, proto.Message) ([]byte, error){
		"plan":      func(to []byte, m proto.Message) ([]byte, error) { return jsonCodec{}.MarshalAppend(to, m) },
		"protojson": protojson.MarshalOptions{}.MarshalAppend,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var to []byte
			for b.Loop() {
				var err error
				if to, err = marshal(to[:0], page); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
