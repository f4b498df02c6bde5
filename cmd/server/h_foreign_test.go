package main

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// kind is what a text field of a request can hold.
type kind int

const (
	freeText   kind = iota + 1 // words of the caller's own
	taskID                     // names a task
	userID                     // names a person
	pageToken                  // names a place in a list
	etag                       // names a state of a task
	requestID                  // names a request of the caller's own
	fieldPath                  // names a field
	sought                     // is compared with what is public
	search                     // matches people by their words
	returnPath                 // leads to the frontend
)

// kinds says of every text that a request can hold what it is. A new field fails the
// matrix until somebody has said whether it could name something of another tenant.
var kinds = map[protoreflect.FullName]kind{
	"teamtask.v1.CreateTaskRequest.name":             freeText,
	"teamtask.v1.CreateTaskRequest.description":      freeText,
	"teamtask.v1.CreateTaskRequest.request_id":       requestID,
	"teamtask.v1.GetTaskRequest.id":                  taskID,
	"teamtask.v1.ListTasksRequest.page_token":        pageToken,
	"teamtask.v1.ListTasksRequest.Filter.created_by": userID,
	"teamtask.v1.UpdateTaskRequest.id":               taskID,
	"teamtask.v1.UpdateTaskRequest.name":             freeText,
	"teamtask.v1.UpdateTaskRequest.description":      freeText,
	"teamtask.v1.UpdateTaskRequest.etag":             etag,
	"google.protobuf.FieldMask.paths":                fieldPath,
	"teamtask.v1.DeleteTaskRequest.id":               taskID,
	"teamtask.v1.DeleteTaskRequest.etag":             etag,

	"teamtask.v1.ListAuditEventsRequest.page_token":     pageToken,
	"teamtask.v1.ListAuditEventsRequest.Filter.actor":   userID,
	"teamtask.v1.ListAuditEventsRequest.Filter.method":  sought,
	"teamtask.v1.ListAuditEventsRequest.Filter.outcome": sought,
	"teamtask.v1.ListMembersRequest.page_token":         pageToken,
	"teamtask.v1.ListMembersRequest.Filter.role":        search,
	"teamtask.v1.ListMembersRequest.Filter.query":       search,
	"teamtask.v1.ListInvitationsRequest.page_token":     pageToken,

	"teamtask.v1.ListSeatsRequest.page_token":               pageToken,
	"teamtask.v1.ListSeatsRequest.Filter.query":             search,
	"teamtask.v1.AssignSeatRequest.user_id":                 userID,
	"teamtask.v1.RevokeSeatRequest.user_id":                 userID,
	"teamtask.v1.CreateCheckoutSessionRequest.success_path": returnPath,
	"teamtask.v1.CreateCheckoutSessionRequest.cancel_path":  returnPath,
	"teamtask.v1.CreatePortalSessionRequest.return_path":    returnPath,
}

// textField is a text field and the fields that lead to it from the request.
type textField struct {
	path []protoreflect.FieldDescriptor
}

func (f textField) last() protoreflect.FieldDescriptor { return f.path[len(f.path)-1] }

func (f textField) String() string {
	var names []string
	for _, field := range f.path {
		names = append(names, string(field.Name()))
	}
	return strings.Join(names, ".")
}

// set puts value into the field, making what leads to it.
func (f textField) set(m protoreflect.Message, value string) {
	for _, field := range f.path[:len(f.path)-1] {
		if field.IsList() {
			m = m.Mutable(field).List().AppendMutable().Message()
			continue
		}
		m = m.Mutable(field).Message()
	}
	v := protoreflect.ValueOfString(value)
	if f.last().Kind() == protoreflect.BytesKind {
		v = protoreflect.ValueOfBytes([]byte(value))
	}
	if f.last().IsList() {
		m.Mutable(f.last()).List().Append(v)
		return
	}
	m.Set(f.last(), v)
}

// textFields finds every field below d that can hold a text: nested, repeated, in maps
// and in oneofs.
func textFields(d protoreflect.MessageDescriptor, before []protoreflect.FieldDescriptor) []textField {
	var found []textField
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		path := append(append([]protoreflect.FieldDescriptor{}, before...), field)
		switch {
		case field.IsMap():
			found = append(found, textField{path}) // no kind fits: it must be thought about
		case field.Kind() == protoreflect.StringKind, field.Kind() == protoreflect.BytesKind:
			found = append(found, textField{path})
		case field.Message() != nil && len(path) < 8:
			found = append(found, textFields(field.Message(), path)...)
		}
	}
	return found
}

// canary is in every text of the tenant that must not be seen.
const canary = "CANARY-of-the-other-tenant"

// people fills the tenant's directory with what is the same in every tenant but for the
// words: alice, bob and dana as members, and an invitation.
func (s *stack) people(tenant, slug, words string) {
	s.t.Helper()
	batch := &pgx.Batch{}
	queuePeople(batch, tenant, slug, words)
	s.sendBatch(batch)
}

func queuePeople(batch *pgx.Batch, tenant, slug, words string) {
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
func withAndWithoutTheNet(t *testing.T, check func(t *testing.T, s *stack)) {
	t.Helper()
	t.Run("with row security", func(t *testing.T) {
		t.Parallel()
		check(t, newPaying(t, nil))
	})
	t.Run("by the statements alone", func(t *testing.T) {
		t.Parallel()
		check(t, newPaying(t, nil).withoutRowSecurity())
	})
}

// postMessage sends the message as Connect JSON.
func (s *stack) postMessage(procedure, token string, request proto.Message) reply {
	s.t.Helper()
	body, err := protojson.Marshal(request)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.post(procedure, token, body)
}
