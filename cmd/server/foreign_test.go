package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/tenancy"
)

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
