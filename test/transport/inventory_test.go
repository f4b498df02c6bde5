package transport

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// class is who may get to see what a text of the contract holds.
type class string

const (
	anID     class = "id"            // stands for something; says nothing by itself
	personal class = "personal text" // what people wrote, or who they are: for their tenant alone, never in a log
	aSecret  class = "secret"        // opens something: never in an answer, never in a log
	public   class = "public"        // the same for everybody
)

// classes says it of every text in the contract, in requests, answers and options. A
// new text fails the test until somebody has said what it is: logs, answers and the
// deletion of a person go by it.
var classes = map[protoreflect.FullName]class{
	"teamtask.v1.Access.permission":                  public,
	"teamtask.v1.CreateTaskRequest.name":             personal,
	"teamtask.v1.CreateTaskRequest.description":      personal,
	"teamtask.v1.CreateTaskRequest.request_id":       personal, // the caller's own words
	"teamtask.v1.GetTaskRequest.id":                  anID,
	"teamtask.v1.ListTasksRequest.page_token":        anID, // sealed
	"teamtask.v1.ListTasksRequest.Filter.created_by": anID,
	"teamtask.v1.ListTasksResponse.next_page_token":  anID,
	"teamtask.v1.UpdateTaskRequest.id":               anID,
	"teamtask.v1.UpdateTaskRequest.name":             personal,
	"teamtask.v1.UpdateTaskRequest.description":      personal,
	"teamtask.v1.UpdateTaskRequest.etag":             anID,
	"teamtask.v1.DeleteTaskRequest.id":               anID,
	"teamtask.v1.DeleteTaskRequest.etag":             anID,
	"teamtask.v1.Task.id":                            anID,
	"teamtask.v1.Task.name":                          personal,
	"teamtask.v1.Task.description":                   personal,
	"teamtask.v1.Task.created_by":                    anID,
	"teamtask.v1.Task.updated_by":                    anID,
	"teamtask.v1.Task.etag":                          anID,

	"teamtask.v1.ListAuditEventsRequest.page_token":       anID, // sealed
	"teamtask.v1.ListAuditEventsRequest.Filter.actor":     anID,
	"teamtask.v1.ListAuditEventsRequest.Filter.method":    public,
	"teamtask.v1.ListAuditEventsRequest.Filter.outcome":   public,
	"teamtask.v1.ListAuditEventsResponse.next_page_token": anID,
	"teamtask.v1.AuditEvent.id":                           anID,
	"teamtask.v1.AuditEvent.actor":                        anID,
	"teamtask.v1.AuditEvent.impersonator":                 anID,
	"teamtask.v1.AuditEvent.method":                       public,
	"teamtask.v1.AuditEvent.outcome":                      public,
	"teamtask.v1.AuditEvent.reason":                       public,
	"teamtask.v1.AuditEvent.target":                       anID,
	"teamtask.v1.AuditEvent.request_id":                   anID,
	"teamtask.v1.Member.user_id":                          anID,
	"teamtask.v1.Member.name":                             personal,
	"teamtask.v1.Member.email":                            personal,
	"teamtask.v1.Member.role":                             anID,
	"teamtask.v1.Member.permissions":                      public,
	"teamtask.v1.Organization.id":                         anID,
	"teamtask.v1.Organization.slug":                       personal, // the customer's own words
	"teamtask.v1.Organization.name":                       personal,
	"teamtask.v1.Role.key":                                anID,
	"teamtask.v1.Role.name":                               personal, // an administrator's words
	"teamtask.v1.Role.permissions":                        public,
	"teamtask.v1.Invitation.id":                           anID,
	"teamtask.v1.Invitation.email":                        personal,
	"teamtask.v1.Invitation.role":                         anID,
	"teamtask.v1.ListMembersRequest.page_token":           anID, // sealed
	"teamtask.v1.ListMembersRequest.Filter.role":          anID,
	"teamtask.v1.ListMembersRequest.Filter.query":         personal,
	"teamtask.v1.ListMembersResponse.next_page_token":     anID,
	"teamtask.v1.ListInvitationsRequest.page_token":       anID, // sealed
	"teamtask.v1.ListInvitationsResponse.next_page_token": anID,

	"teamtask.v1.Price.currency":                            public,
	"teamtask.v1.Price.interval":                            public,
	"teamtask.v1.Seat.user_id":                              anID,
	"teamtask.v1.Seat.name":                                 personal,
	"teamtask.v1.Seat.email":                                personal,
	"teamtask.v1.Seat.role":                                 anID,
	"teamtask.v1.Seat.assigned_by":                          anID,
	"teamtask.v1.ListSeatsRequest.page_token":               anID, // sealed
	"teamtask.v1.ListSeatsRequest.Filter.query":             personal,
	"teamtask.v1.ListSeatsResponse.next_page_token":         anID,
	"teamtask.v1.AssignSeatRequest.user_id":                 anID,
	"teamtask.v1.RevokeSeatRequest.user_id":                 anID,
	"teamtask.v1.CreateCheckoutSessionRequest.success_path": personal, // the caller's own words
	"teamtask.v1.CreateCheckoutSessionRequest.cancel_path":  personal,
	"teamtask.v1.CreateCheckoutSessionResponse.url":         personal, // opens a page of Stripe
	"teamtask.v1.CreatePortalSessionRequest.return_path":    personal,
	"teamtask.v1.CreatePortalSessionResponse.url":           personal,
}

// texts yields every text and every list of bytes in the messages, maps of them
// included.
func texts(messages protoreflect.MessageDescriptors, found func(protoreflect.FieldDescriptor)) {
	for i := range messages.Len() {
		d := messages.Get(i)
		for j := range d.Fields().Len() {
			if kind := d.Fields().Get(j).Kind(); kind == protoreflect.StringKind || kind == protoreflect.BytesKind {
				found(d.Fields().Get(j))
			}
		}
		texts(d.Messages(), found) // those of maps are among them
	}
}

func TestEveryTextOfTheContractIsClassified(t *testing.T) {
	t.Parallel()
	seen := map[protoreflect.FullName]bool{}
	protoregistry.GlobalFiles.RangeFilesByPackage(server.APIPackage, func(file protoreflect.FileDescriptor) bool {
		texts(file.Messages(), func(field protoreflect.FieldDescriptor) {
			seen[field.FullName()] = true
			if classes[field.FullName()] == "" {
				t.Errorf("%s is not in the table of classes: is it an id, personal, secret or public?", field.FullName())
			}
			for _, word := range []string{"secret", "password", "credential", "private_key", "api_key", "access_token", "session_token"} {
				if strings.Contains(string(field.Name()), word) && classes[field.FullName()] != aSecret {
					t.Errorf("%s sounds like a secret and is classified as %s", field.FullName(), classes[field.FullName()])
				}
			}
			for _, word := range []string{"email", "first_name", "last_name", "phone", "address", "comment", "note", "title"} {
				if strings.Contains(string(field.Name()), word) && classes[field.FullName()] != personal {
					t.Errorf("%s sounds personal and is classified as %s", field.FullName(), classes[field.FullName()])
				}
			}
		})
		return true
	})
	for name := range classes {
		if !seen[name] {
			t.Errorf("%s is in the table of classes and not in the contract", name)
		}
	}
	answered := map[protoreflect.FullName]protoreflect.MessageDescriptor{}
	for _, m := range stacktest.Methods() {
		messagesFrom(m.Output(), answered)
	}
	for _, d := range answered {
		for i := range d.Fields().Len() {
			if classes[d.Fields().Get(i).FullName()] == aSecret {
				t.Errorf("%s is a secret in an answer", d.Fields().Get(i).FullName())
			}
		}
	}
}

// The matrices go by the texts that are found in a request: nested ones, lists, those of
// a oneof and maps must not escape them.
func TestTextsOfARequestAreFoundWhereverTheyAre(t *testing.T) {
	t.Parallel()
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type, list bool, of string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: kind.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		if list {
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		if of != "" {
			f.TypeName = &of
		}
		return f
	}
	const (
		text    = descriptorpb.FieldDescriptorProto_TYPE_STRING
		raw     = descriptorpb.FieldDescriptorProto_TYPE_BYTES
		message = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
		number  = descriptorpb.FieldDescriptorProto_TYPE_INT32
	)
	choice := field("chosen_id", 5, text, false, "")
	choice.OneofIndex = proto.Int32(0)
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("made.proto"), Package: proto.String("made"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{
				Name: proto.String("Request"),
				Field: []*descriptorpb.FieldDescriptorProto{
					field("id", 1, text, false, ""), field("ids", 2, text, true, ""), field("nested", 3, message, false, ".made.Nested"),
					field("many", 4, message, true, ".made.Nested"), choice, field("by_name", 6, message, true, ".made.Request.ByNameEntry"),
					field("raw_id", 7, raw, false, ""), field("size", 8, number, false, ""),
				},
				OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: proto.String("choice")}},
				NestedType: []*descriptorpb.DescriptorProto{{
					Name: proto.String("ByNameEntry"), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
					Field: []*descriptorpb.FieldDescriptorProto{field("key", 1, text, false, ""), field("value", 2, number, false, "")},
				}},
			},
			{
				Name: proto.String("Nested"),
				Field: []*descriptorpb.FieldDescriptorProto{
					field("inner_id", 1, text, false, ""), field("deeper", 2, message, false, ".made.Nested"),
				},
			},
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range stacktest.TextFields(file.Messages().Get(0), nil) {
		found = append(found, f.String())
		if stacktest.Kinds[f.Last().FullName()] != 0 {
			t.Errorf("%s is taken for one of ours", f)
		}
	}
	for _, want := range []string{"id", "ids", "nested.inner_id", "nested.deeper.inner_id", "many.inner_id", "many.deeper.deeper.inner_id", "chosen_id", "by_name", "raw_id"} {
		if !slices.Contains(found, want) {
			t.Errorf("%s is not found among %q", want, found)
		}
	}
	if slices.Contains(found, "size") {
		t.Error("a number is taken for a text")
	}
}
