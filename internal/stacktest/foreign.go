package stacktest

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Kind is what a text field of a request can hold.
type Kind int

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
// matrix until somebody has said whether it could name something of another tenant.
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

// People fills the tenant's directory with what is the same in every tenant but for the
// words: alice, bob and dana as members, and an invitation.
func (s *Stack) People(tenant, slug, words string) {
	s.T.Helper()
	batch := &pgx.Batch{}
	QueuePeople(batch, tenant, slug, words)
	s.SendBatch(batch)
}

func QueuePeople(batch *pgx.Batch, tenant, slug, words string) {
	for _, table := range []string{"seats", "seat_holds", "members", "invitations", "organizations", "users"} {
		batch.Queue(`DELETE FROM `+pgx.Identifier{table}.Sanitize()+` WHERE tenant_id = $1`, tenant)
	}
	batch.Queue(`INSERT INTO users (tenant_id, name, email, ticket) VALUES ($1, $2, $2, 1)`, tenant, words)
	batch.Queue(`INSERT INTO organizations (tenant_id, slug, name, ticket) VALUES ($1, $2, $3, 1)`, tenant, slug, words)
	batch.Queue(`INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		SELECT $1, user_id, 'orgmem_'||user_id, role, $2, lower($2), $2, lower($2), 1
		  FROM (VALUES ('user_alice', 'org:manager'), ('user_bob', 'org:member'), ('user_dana', 'org:admin'), ('user_z', lower($2))) AS v (user_id, role)`,
		tenant, words)
	batch.Queue(`INSERT INTO invitations (tenant_id, id, email, role, hold_seat, status, create_time, ticket)
		VALUES ($1, 'orginv_1', $2, 'org:member', false, 'pending', now(), 1)`, tenant, words)
}

// Every statement names its tenant, and row security is the net behind: each of the
// two has to hold alone. That the net holds alone is proved in internal/tenancy.
func WithAndWithoutTheNet(t *testing.T, check func(t *testing.T, s *Stack)) {
	t.Helper()
	t.Run("with row security", func(t *testing.T) {
		t.Parallel()
		check(t, NewPaying(t, nil))
	})
	t.Run("by the statements alone", func(t *testing.T) {
		t.Parallel()
		check(t, NewPaying(t, nil).withoutRowSecurity())
	})
}

// PostMessage sends the message as Connect JSON.
func (s *Stack) PostMessage(procedure, token string, request proto.Message) Reply {
	s.T.Helper()
	body, err := protojson.Marshal(request)
	if err != nil {
		s.T.Fatal(err)
	}
	return s.Post(procedure, token, body)
}
