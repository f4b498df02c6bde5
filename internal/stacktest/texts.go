package stacktest

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Kind is what a text field of a request can hold.
type Kind int

// Kinds of text fields.
const (
	FreeText   Kind = iota + 1 // words of the caller's own
	TaskID                     // names a task
	UserID                     // names a person
	PageToken                  // names a place in a list
	Etag                       // names a state of a task
	RequestID                  // names a request of the caller's own
	FieldPath                  // names a field
	Sought                     // is compared with what is public
	Search                     // matches people by their words
	ReturnPath                 // leads to the frontend
)

// Kinds says of every text that a request can hold what it is. A new field fails the
// matrix until it says here whether it could name something of another tenant.
var Kinds = map[protoreflect.FullName]Kind{
	"teamtask.v1.CreateTaskRequest.name":             FreeText,
	"teamtask.v1.CreateTaskRequest.description":      FreeText,
	"teamtask.v1.CreateTaskRequest.request_id":       RequestID,
	"teamtask.v1.GetTaskRequest.id":                  TaskID,
	"teamtask.v1.ListTasksRequest.page_token":        PageToken,
	"teamtask.v1.ListTasksRequest.Filter.created_by": UserID,
	"teamtask.v1.UpdateTaskRequest.id":               TaskID,
	"teamtask.v1.UpdateTaskRequest.name":             FreeText,
	"teamtask.v1.UpdateTaskRequest.description":      FreeText,
	"teamtask.v1.UpdateTaskRequest.etag":             Etag,
	"google.protobuf.FieldMask.paths":                FieldPath,
	"teamtask.v1.DeleteTaskRequest.id":               TaskID,
	"teamtask.v1.DeleteTaskRequest.etag":             Etag,

	"teamtask.v1.ListAuditEventsRequest.page_token":     PageToken,
	"teamtask.v1.ListAuditEventsRequest.Filter.actor":   UserID,
	"teamtask.v1.ListAuditEventsRequest.Filter.method":  Sought,
	"teamtask.v1.ListAuditEventsRequest.Filter.outcome": Sought,
	"teamtask.v1.ListMembersRequest.page_token":         PageToken,
	"teamtask.v1.ListMembersRequest.Filter.role":        Search,
	"teamtask.v1.ListMembersRequest.Filter.query":       Search,
	"teamtask.v1.ListInvitationsRequest.page_token":     PageToken,

	"teamtask.v1.ListSeatsRequest.page_token":               PageToken,
	"teamtask.v1.ListSeatsRequest.Filter.query":             Search,
	"teamtask.v1.AssignSeatRequest.user_id":                 UserID,
	"teamtask.v1.RevokeSeatRequest.user_id":                 UserID,
	"teamtask.v1.CreateCheckoutSessionRequest.success_path": ReturnPath,
	"teamtask.v1.CreateCheckoutSessionRequest.cancel_path":  ReturnPath,
	"teamtask.v1.CreatePortalSessionRequest.return_path":    ReturnPath,
}

// TextField is a text field and the fields that lead to it from the request.
type TextField struct {
	Path []protoreflect.FieldDescriptor
}

// Last returns the text field itself.
func (f TextField) Last() protoreflect.FieldDescriptor { return f.Path[len(f.Path)-1] }

func (f TextField) String() string {
	var names []string
	for _, field := range f.Path {
		names = append(names, string(field.Name()))
	}
	return strings.Join(names, ".")
}

// Set puts value into the field, making what leads to it.
func (f TextField) Set(m protoreflect.Message, value string) {
	for _, field := range f.Path[:len(f.Path)-1] {
		if field.IsList() {
			m = m.Mutable(field).List().AppendMutable().Message()
			continue
		}
		m = m.Mutable(field).Message()
	}
	v := protoreflect.ValueOfString(value)
	if f.Last().Kind() == protoreflect.BytesKind {
		v = protoreflect.ValueOfBytes([]byte(value))
	}
	if f.Last().IsList() {
		m.Mutable(f.Last()).List().Append(v)
		return
	}
	m.Set(f.Last(), v)
}

// TextFields finds every field below d that can hold a text: nested, repeated, in maps
// and in oneofs.
func TextFields(d protoreflect.MessageDescriptor, before []protoreflect.FieldDescriptor) []TextField {
	var found []TextField
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		path := append(append([]protoreflect.FieldDescriptor{}, before...), field)
		switch {
		case field.IsMap():
			found = append(found, TextField{path}) // no kind fits: it must be thought about
		case field.Kind() == protoreflect.StringKind, field.Kind() == protoreflect.BytesKind:
			found = append(found, TextField{path})
		case field.Message() != nil && len(path) < 8:
			found = append(found, TextFields(field.Message(), path)...)
		}
	}
	return found
}

// Canary is in every text of the tenant that must not be seen.
const Canary = "CANARY-of-the-other-tenant"
