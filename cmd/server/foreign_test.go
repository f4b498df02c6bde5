package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/tenancy"
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

func TestEveryTextOfARequestIsClassified(t *testing.T) {
	t.Parallel()
	seen := map[protoreflect.FullName]bool{}
	for _, m := range methods() {
		for _, f := range textFields(m.Input(), nil) {
			seen[f.last().FullName()] = true
			if kinds[f.last().FullName()] == 0 {
				t.Errorf("%s is not in the table of kinds: can it name something of another tenant?", f.last().FullName())
			}
		}
	}
	for name := range kinds {
		if !seen[name] {
			t.Errorf("%s is in the table of kinds and in no request", name)
		}
	}
}

// canary is in every text of the tenant that must not be seen.
const canary = "CANARY-of-the-other-tenant"

// pair is a tenant, and another one that looks the same but for its id: the same
// person, the same role and slug, tasks with the same ids.
type pair struct {
	name       string
	mine       string // the caller's tenant
	theirs     string
	token      string // of alice in mine
	member     string // of bob in mine, who may change only his own; "" where he is not
	admin      string // of dana in mine; "" where she is not
	otherToken string // of alice in theirs
}

func pairs(s *stack) []pair {
	const look = "org_d2gamers2"
	mine, theirs, alone := s.token("alice", "d2-gamers", 2), s.tokenIn("alice", look, 2), s.token("alice", "", 2)
	bob, dana := s.token("bob", "d2-gamers", 2), s.token("dana", "d2-gamers", 2)
	return []pair{
		{"a look-alike organization", "org_d2gamers", look, mine, bob, dana, theirs},
		{"from the look-alike organization", look, "org_d2gamers", s.tokenIn("alice", look, 1), s.tokenIn("bob", look, 1), s.tokenIn("dana", look, 1), s.token("alice", "d2-gamers", 1)},
		{"an id that differs in case", "org_d2gamers", "org_D2gamers", mine, bob, dana, s.tokenIn("alice", "org_D2gamers", 2)},
		{"the person's own workspace", "org_d2gamers", "user_alice", mine, bob, dana, alone},
		{"from the own workspace", "user_alice", "org_d2gamers", alone, "", "", mine},
	}
}

// world is what is in both tenants before a call.
type world struct {
	mine    string // a task of the caller's tenant only
	shared  string // an id that both tenants have
	foreign string // a task of the other tenant only
	absent  string // an id that no tenant has
}

// settle empties both tenants and fills them with data that collides.
func (s *stack) settle(p pair) world {
	s.t.Helper()
	first := &pgx.Batch{}
	for _, table := range []string{"tasks", "task_requests", "audit_events"} {
		first.Queue(`DELETE FROM `+pgx.Identifier{table}.Sanitize()+` WHERE tenant_id IN ($1, $2)`, p.mine, p.theirs)
	}
	s.sendBatch(first)
	w := world{mine: newID(s.t), shared: newID(s.t), foreign: newID(s.t), absent: newID(s.t)}
	s.put(
		row{tenant: p.mine, id: w.mine, name: "mine"},
		row{tenant: p.mine, id: w.shared, name: "mine, colliding", revision: 3},
		row{tenant: p.theirs, id: w.shared, name: canary, description: canary, revision: 7},
		row{tenant: p.theirs, id: w.foreign, name: canary, description: canary},
		row{tenant: p.theirs, name: canary, description: canary, owner: "user_" + canary},
		row{tenant: p.theirs, name: canary, description: canary},
	)
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO audit_events (tenant_id, actor, impersonator, method, target, outcome, reason, request_id, details)
		VALUES ($1, 'user_alice', '', $3, $4, 'ok', '', 'r', '{}'),
		       ($2, 'user_'||$5::text, '', $3, $5, 'ok', '', $5, jsonb_build_object('it', $5::text)),
		       ($2, 'user_alice', '', $3, $5, 'ok', '', $5, jsonb_build_object('it', $5::text))`,
		p.mine, p.theirs, createTask, w.mine, canary)
	for tenant, words := range map[string]string{p.mine: "of d2-gamers", p.theirs: canary} {
		queuePeople(batch, tenant, "d2-gamers", words)
		queueStock(batch, tenant, s.customer(tenant))
	}
	batch.Queue(`INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		VALUES ($1, 'user_'||$2, 'orgmem_c', 'org:member', $2, lower($2), $2, lower($2), 1)`, p.theirs, canary)
	batch.Queue(`INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ($1, 'user_'||$2, 'user_'||$2)`, p.theirs, canary)
	s.sendBatch(batch)
	return w
}

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

// sealedList is what a page token of a list is made of.
type sealedList struct {
	name             string
	filter, position []byte
}

// values are, for a kind of id, one of the other tenant's and one that never was; own
// marks ids that a caller makes up, where both must simply work.
func (s *stack) values(k kind, p pair, m protoreflect.MethodDescriptor) (theirs, never string, own bool) {
	s.t.Helper()
	switch k {
	case userID:
		return "user_" + canary, "user_nobody", false
	case etag:
		return "7", "8", false // the other tenant's task of the shared id is at 7
	case search:
		return strings.ToLower(canary), "nobody", false
	case pageToken:
		for procedure, list := range map[string]sealedList{
			listAuditEvents: {"audit", make([]byte, 20), make([]byte, 16)},
			listMembers:     {"members", make([]byte, 8), []byte("\x00\x00\x00\x01auser_a")},
			listSeats:       {"seats", []byte("*"), tenancy.Place{Key: "a", ID: "user_a"}.Bytes()},
			listInvitations: {"invitations", nil, []byte("\x7f\xff\xff\xff\xff\xff\xff\xffz")},
		} {
			if procedureOf(m) == procedure {
				sealed := s.db.SealPage(tenancy.Actor{Tenant: p.theirs}, list.name, list.filter, list.position)
				return sealed, strings.Repeat("A", len(sealed)), false
			}
		}
		answer, err := s.client(p.otherToken).ListTasks(s.in(), &teamtaskv1.ListTasksRequest{PageSize: 1})
		if err != nil || answer.GetNextPageToken() == "" {
			s.t.Fatalf("page token of the other tenant: %q, %v", answer.GetNextPageToken(), err)
		}
		return answer.GetNextPageToken(), strings.Repeat("A", len(answer.GetNextPageToken())), false
	case requestID:
		if _, err := s.client(p.otherToken).CreateTask(s.in(), &teamtaskv1.CreateTaskRequest{Name: canary, RequestId: "the same"}); err != nil {
			s.t.Fatalf("use a request id in the other tenant: %v", err)
		}
		return "the same", "another", true
	default:
		s.t.Fatalf("no values for kind %d", k)
		return "", "", false
	}
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

func TestAnIDOfAnotherTenantIsAnsweredLikeOneThatNeverWas(t *testing.T) {
	t.Parallel()
	withAndWithoutTheNet(t, func(t *testing.T, s *stack) { t.Helper(); foreignIDs(t, s, pairs(s), methods()) })
}

func foreignIDs(t *testing.T, s *stack, of []pair, all []protoreflect.MethodDescriptor) {
	t.Helper()
	t.Helper()
	for _, p := range of {
		for _, m := range all {
			for _, f := range textFields(m.Input(), nil) {
				k := kinds[f.last().FullName()]
				if k == 0 || k == freeText || k == fieldPath || k == sought || k == returnPath {
					continue
				}
				title := fmt.Sprintf("%s: %s.%s", p.name, m.Name(), f)
				w := s.settle(p)
				theirs, never, own := w.foreign, w.absent, false
				if k != taskID {
					theirs, never, own = s.values(k, p, m)
				}
				before, lines := s.snapshot(p.theirs), s.lines(p.theirs)
				for _, token := range []string{p.token, p.member, p.admin} {
					for _, etag := range []string{"", "1"} {
						if token == "" {
							continue
						}
						first := s.ask(token, etag, m, w, f, theirs)
						compareForeign(t, title, k, own, first, s.ask(token, etag, m, w, f, never))
					}
				}
				if diff := cmp.Diff(before, s.snapshot(p.theirs)); diff != "" {
					t.Errorf("%s: the other tenant's rows changed (-before +after):\n%s", title, diff)
				}
				if diff := cmp.Diff(lines, s.lines(p.theirs)); diff != "" {
					t.Errorf("%s: the other tenant's audit log changed (-before +after):\n%s", title, diff)
				}
			}
		}
	}
}

// compareForeign compares the answers to what is another tenant's and to what never
// was.
func compareForeign(t *testing.T, title string, k kind, own bool, theirs, never reply) {
	t.Helper()
	if own {
		if theirs.status != 200 || never.status != 200 {
			t.Errorf("%s: a value of one's own is refused: %d and %d", title, theirs.status, never.status)
		}
	} else if diff := cmp.Diff(never.comparable(), theirs.comparable()); diff != "" {
		t.Errorf("%s: the other tenant's is told from one that never was (-never +theirs):\n%s", title, diff)
	}
	if k == taskID && theirs.status != 404 {
		t.Errorf("%s: status %d, want 404", title, theirs.status)
	}
	if bytes.Contains(theirs.body, []byte(canary)) {
		t.Errorf("%s: the answer holds data of the other tenant:\n%s", title, theirs.body)
	}
}

// ask calls the method on the shared task with one field replaced, and with an etag
// where it takes one.
func (s *stack) ask(token, etag string, m protoreflect.MethodDescriptor, w world, f textField, value string) reply {
	s.t.Helper()
	request := caseOf(s.t, m).request(w.shared).ProtoReflect()
	if field := m.Input().Fields().ByName("etag"); field != nil && etag != "" {
		request.Set(field, protoreflect.ValueOfString(etag))
	}
	f.set(request, value)
	return s.postMessage(procedureOf(m), token, request.Interface())
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

func TestACallOnACollidingIDTouchesTheCallersTaskAlone(t *testing.T) {
	t.Parallel()
	withAndWithoutTheNet(t, func(t *testing.T, s *stack) { t.Helper(); collidingIDs(t, s, pairs(s), methods()) })
}

func collidingIDs(t *testing.T, s *stack, of []pair, all []protoreflect.MethodDescriptor) {
	t.Helper()
	t.Helper()
	for _, p := range of {
		for _, m := range all {
			title := fmt.Sprintf("%s: %s", p.name, m.Name())
			token := p.token
			if accessOf(t, m).GetOrganization() {
				token = p.admin
			}
			if token == "" {
				continue
			}
			w := s.settle(p)
			theirs, mine := s.snapshot(p.theirs), s.snapshot(p.mine)
			answer := s.postMessage(procedureOf(m), token, caseOf(s.t, m).request(w.shared))
			if answer.status != 200 {
				t.Errorf("%s: status %d, want 200: %s", title, answer.status, answer.body)
			}
			if bytes.Contains(answer.body, []byte(canary)) {
				t.Errorf("%s: the answer holds data of the other tenant:\n%s", title, answer.body)
			}
			if diff := cmp.Diff(theirs, s.snapshot(p.theirs)); diff != "" {
				t.Errorf("%s: the other tenant's rows changed (-before +after):\n%s", title, diff)
			}
			if changed := s.snapshot(p.mine) != mine; changed == (isRead(m) || caseOf(s.t, m).keeps) {
				t.Errorf("%s: the caller's rows changed = %v", title, changed)
			}
		}
	}
}

// Two organizations are the same in everything but their ids, and the same calls are
// made in both: what one has, the other does not.
func TestTheSamePersonSeesInEachTenantOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	withAndWithoutTheNet(t, samePerson)
}

func samePerson(t *testing.T, s *stack) {
	t.Helper()
	for _, p := range pairs(s) {
		w := s.settle(p)
		for token, want := range map[string]int{p.token: 2, p.otherToken: 4} {
			answer, err := s.client(token).ListTasks(s.in(), &teamtaskv1.ListTasksRequest{})
			if err != nil || len(answer.GetTasks()) != want {
				t.Errorf("%s: %d tasks, %v; want %d", p.name, len(answer.GetTasks()), err, want)
			}
		}
		etagOfTheirs := &teamtaskv1.UpdateTaskRequest{
			Id: w.shared, Etag: "7", Name: "taken", UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name"}},
		}
		if _, err := s.client(p.token).UpdateTask(s.in(), etagOfTheirs); refusalOf(t, err).Reason != "ETAG_MISMATCH" {
			t.Errorf("%s: an etag of the other tenant's task: %v, want ETAG_MISMATCH", p.name, err)
		}
		if _, err := s.client(p.otherToken).UpdateTask(s.in(), etagOfTheirs); err != nil {
			t.Errorf("%s: the other tenant's own etag: %v", p.name, err)
		}
	}
}
