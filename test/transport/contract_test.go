package transport

import (
	"os"
	"slices"
	"strings"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// A read may be called by HTTP GET and retried by anything on the way, so what is
// marked as one is listed here by its name's first word.
func TestReadsAndOnlyReadsHaveNoSideEffects(t *testing.T) {
	t.Parallel()
	reads := []string{"Get", "List"}
	writes := []string{"Create", "Update", "Delete", "Assign", "Revoke", "Invite", "Remove", "Leave"}
	for _, m := range stacktest.Methods() {
		begins := func(word string) bool { return strings.HasPrefix(string(m.Name()), word) }
		switch read, write := slices.ContainsFunc(reads, begins), slices.ContainsFunc(writes, begins); {
		case read == write:
			t.Errorf("%s: say in this test whether it reads or writes", m.FullName())
		case read && !stacktest.IsRead(m):
			t.Errorf("%s reads, and is not marked NO_SIDE_EFFECTS", m.FullName())
		case write && stacktest.IsRead(m):
			t.Errorf("%s writes, and is marked NO_SIDE_EFFECTS: a GET could call it", m.FullName())
		}
	}
}

// What is written needs a seat and leaves a trace, and what needs neither is read.
func TestWritesAskForASeatAndAnAuditLine(t *testing.T) {
	t.Parallel()
	for _, m := range stacktest.Methods() {
		access := stacktest.AccessOf(t, m)
		if stacktest.IsRead(m) && (access.GetSeat() || access.GetAudit()) {
			t.Errorf("%s reads, and asks for a seat or an audit line", m.FullName())
		}
		if !stacktest.IsRead(m) && !access.GetAudit() {
			t.Errorf("%s writes, and asks for no audit line", m.FullName())
		}
		if m.Parent().Name() == "LicensingService" && !access.GetOrganization() {
			t.Errorf("%s is called without an organization", m.FullName())
		}
		if m.Parent().Name() == "TaskService" && !stacktest.IsRead(m) && (!access.GetSeat() || !access.GetAudit()) {
			t.Errorf("%s writes, and asks for no seat or no audit line", m.FullName())
		}
	}
}

// messagesFrom walks the messages of ours that are reachable from one.
func messagesFrom(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]protoreflect.MessageDescriptor) {
	if seen[d.FullName()] != nil || !strings.HasPrefix(string(d.FullName()), server.APIPackage+".") {
		return
	}
	seen[d.FullName()] = d
	for i := range d.Fields().Len() {
		if message := d.Fields().Get(i).Message(); message != nil {
			messagesFrom(message, seen)
		}
	}
}

func TestEveryFieldOfARequestHasABound(t *testing.T) {
	t.Parallel()
	seen := map[protoreflect.FullName]protoreflect.MessageDescriptor{}
	for _, m := range stacktest.Methods() {
		messagesFrom(m.Input(), seen)
	}
	if len(seen) < 6 {
		t.Fatalf("only %d messages found", len(seen))
	}
	for _, d := range seen {
		for i := range d.Fields().Len() {
			field := d.Fields().Get(i)
			if problem := unbounded(field); problem != "" {
				t.Errorf("%s: %s", field.FullName(), problem)
			}
		}
	}
}

// unbounded says what a caller could send too much of, or "".
func unbounded(field protoreflect.FieldDescriptor) string {
	rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	switch {
	case field.IsMap():
		if rules.GetMap().GetMaxPairs() == 0 {
			return "a map without max_pairs"
		}
		if field.MapKey().Kind() == protoreflect.StringKind && !bounded(rules.GetMap().GetKeys()) ||
			field.MapValue().Kind() == protoreflect.StringKind && !bounded(rules.GetMap().GetValues()) {
			return "a map of texts of any length"
		}
		return ""
	case field.IsList():
		if rules.GetRepeated().GetMaxItems() == 0 {
			return "repeated without max_items"
		}
		if field.Kind() == protoreflect.StringKind && !bounded(rules.GetRepeated().GetItems()) {
			return "repeated texts of any length"
		}
		return ""
	}
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		if !bounded(rules) {
			return "a text of any length"
		}
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind,
		protoreflect.Sint32Kind, protoreflect.Sint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind,
		protoreflect.FloatKind, protoreflect.DoubleKind:
		if rules == nil {
			return "a number without a rule"
		}
	case protoreflect.MessageKind:
		// Lists of a message that is not ours cannot carry rules of ours: a rule on
		// the field has to.
		if field.Message().FullName() == "google.protobuf.FieldMask" && len(rules.GetCel()) == 0 {
			return "a field mask of any length"
		}
	case protoreflect.EnumKind:
		if !rules.GetEnum().GetDefinedOnly() {
			return "an enum without defined_only"
		}
	default:
	}
	return ""
}

func bounded(r *validate.FieldRules) bool {
	s := r.GetString()
	return s.GetMaxLen() > 0 || s.GetUuid() || s.GetLen() > 0 || s.GetMaxBytes() > 0 || r.GetBytes().GetMaxLen() > 0
}

// The contract is what client developers read, so all of it has words.
func TestEverythingInTheContractHasAComment(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../gen/teamtask.binpb")
	if err != nil {
		t.Fatal(err)
	}
	var image descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &image); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(&image)
	if err != nil {
		t.Fatal(err)
	}
	var found int
	check := func(d protoreflect.Descriptor) {
		found++
		if len(strings.Fields(d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments)) < 2 {
			t.Errorf("%s has no comment", d.FullName())
		}
	}
	files.RangeFilesByPackage(server.APIPackage, func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			check(service)
			for j := range service.Methods().Len() {
				check(service.Methods().Get(j))
			}
		}
		for i := range file.Extensions().Len() {
			check(file.Extensions().Get(i))
		}
		checkEnums(file.Enums(), check)
		checkMessages(file.Messages(), check)
		return true
	})
	if found < 80 {
		t.Errorf("only %d declarations found", found)
	}
}

func checkMessages(messages protoreflect.MessageDescriptors, check func(protoreflect.Descriptor)) {
	for i := range messages.Len() {
		d := messages.Get(i)
		if d.IsMapEntry() {
			continue
		}
		check(d)
		for j := range d.Fields().Len() {
			check(d.Fields().Get(j))
		}
		for j := range d.Oneofs().Len() {
			if oneof := d.Oneofs().Get(j); !oneof.IsSynthetic() {
				check(oneof)
			}
		}
		checkEnums(d.Enums(), check)
		checkMessages(d.Messages(), check)
	}
}

func checkEnums(enums protoreflect.EnumDescriptors, check func(protoreflect.Descriptor)) {
	for i := range enums.Len() {
		d := enums.Get(i)
		check(d)
		for j := range d.Values().Len() {
			check(d.Values().Get(j))
		}
	}
}

// A tenant is never named by a request: it comes from the token alone.
func TestNoRequestNamesATenant(t *testing.T) {
	t.Parallel()
	seen := map[protoreflect.FullName]protoreflect.MessageDescriptor{}
	for _, m := range stacktest.Methods() {
		messagesFrom(m.Input(), seen)
	}
	for _, d := range seen {
		for i := range d.Fields().Len() {
			name := string(d.Fields().Get(i).Name())
			for _, word := range []string{"tenant", "org", "workspace", "parent", "account"} {
				if strings.Contains(name, word) {
					t.Errorf("%s: a request must not name a tenant", d.Fields().Get(i).FullName())
				}
			}
		}
	}
}

// Generated code and the committed image come from the same sources.
func TestTheImageIsOfTheContractThatIsServed(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../gen/teamtask.binpb")
	if err != nil {
		t.Fatal(err)
	}
	var image descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &image); err != nil {
		t.Fatal(err)
	}
	for _, file := range image.GetFile() {
		if file.GetPackage() != server.APIPackage {
			continue
		}
		served, err := protoregistry.GlobalFiles.FindFileByPath(file.GetName())
		if err != nil {
			t.Fatal(err)
		}
		want := protodesc.ToFileDescriptorProto(served)
		if len(want.GetMessageType()) != len(file.GetMessageType()) || len(want.GetService()) != len(file.GetService()) {
			t.Errorf("%s: run `make generate`", file.GetName())
		}
	}
}
