package tenancy

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
	"github.com/teamtask/teamtask/internal/stacktest"
	"github.com/teamtask/teamtask/internal/tenancy"
)

func TestEveryTextOfARequestIsClassified(t *testing.T) {
	t.Parallel()
	seen := map[protoreflect.FullName]bool{}
	for _, m := range stacktest.Methods() {
		for _, f := range stacktest.TextFields(m.Input(), nil) {
			seen[f.Last().FullName()] = true
			if stacktest.Kinds[f.Last().FullName()] == 0 {
				t.Errorf("%s is not in the table of kinds: can it name something of another tenant?", f.Last().FullName())
			}
		}
	}
	for name := range stacktest.Kinds {
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

func pairs(s *stacktest.Stack) []pair {
	const look = "org_d2gamers2"
	mine, theirs, alone := s.Token("alice", "d2-gamers", 2), s.TokenIn("alice", look, 2), s.Token("alice", "", 2)
	bob, dana := s.Token("bob", "d2-gamers", 2), s.Token("dana", "d2-gamers", 2)
	return []pair{
		{"a look-alike organization", "org_d2gamers", look, mine, bob, dana, theirs},
		{"from the look-alike organization", look, "org_d2gamers", s.TokenIn("alice", look, 1), s.TokenIn("bob", look, 1), s.TokenIn("dana", look, 1), s.Token("alice", "d2-gamers", 1)},
		{"an id that differs in case", "org_d2gamers", "org_D2gamers", mine, bob, dana, s.TokenIn("alice", "org_D2gamers", 2)},
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
func settle(s *stacktest.Stack, p pair) world {
	s.T.Helper()
	first := &pgx.Batch{}
	for _, table := range []string{"tasks", "task_requests", "audit_events"} {
		first.Queue(`DELETE FROM `+pgx.Identifier{table}.Sanitize()+` WHERE tenant_id IN ($1, $2)`, p.mine, p.theirs)
	}
	s.SendBatch(first)
	w := world{mine: stacktest.NewID(s.T), shared: stacktest.NewID(s.T), foreign: stacktest.NewID(s.T), absent: stacktest.NewID(s.T)}
	s.Put(
		stacktest.Row{Tenant: p.mine, ID: w.mine, Name: "mine"},
		stacktest.Row{Tenant: p.mine, ID: w.shared, Name: "mine, colliding", Revision: 3},
		stacktest.Row{Tenant: p.theirs, ID: w.shared, Name: stacktest.Canary, Description: stacktest.Canary, Revision: 7},
		stacktest.Row{Tenant: p.theirs, ID: w.foreign, Name: stacktest.Canary, Description: stacktest.Canary},
		stacktest.Row{Tenant: p.theirs, Name: stacktest.Canary, Description: stacktest.Canary, Owner: "user_" + stacktest.Canary},
		stacktest.Row{Tenant: p.theirs, Name: stacktest.Canary, Description: stacktest.Canary},
	)
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO audit_events (tenant_id, actor, impersonator, method, target, outcome, reason, request_id, details)
		VALUES ($1, 'user_alice', '', $3, $4, 'ok', '', 'r', '{}'),
		       ($2, 'user_'||$5::text, '', $3, $5, 'ok', '', $5, jsonb_build_object('it', $5::text)),
		       ($2, 'user_alice', '', $3, $5, 'ok', '', $5, jsonb_build_object('it', $5::text))`,
		p.mine, p.theirs, stacktest.CreateTask, w.mine, stacktest.Canary)
	for tenant, words := range map[string]string{p.mine: "of d2-gamers", p.theirs: stacktest.Canary} {
		stacktest.QueuePeople(batch, tenant, "d2-gamers", words)
		stacktest.QueueStock(batch, tenant, s.Customer(tenant))
	}
	batch.Queue(`INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		VALUES ($1, 'user_'||$2, 'orgmem_c', 'org:member', $2, lower($2), $2, lower($2), 1)`, p.theirs, stacktest.Canary)
	batch.Queue(`INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ($1, 'user_'||$2, 'user_'||$2)`, p.theirs, stacktest.Canary)
	s.SendBatch(batch)
	return w
}

// sealedList is what a page token of a list is made of.
type sealedList struct {
	name             string
	filter, position []byte
}

// values are, for a kind of id, one of the other tenant's and one that never was; own
// marks ids that a caller makes up, where both must simply work.
func valuesOf(s *stacktest.Stack, k stacktest.Kind, p pair, m protoreflect.MethodDescriptor) (theirs, never string, own bool) {
	s.T.Helper()
	switch k {
	case stacktest.UserID:
		return "user_" + stacktest.Canary, "user_nobody", false
	case stacktest.Etag:
		return "7", "8", false // the other tenant's task of the shared id is at 7
	case stacktest.Search:
		return strings.ToLower(stacktest.Canary), "nobody", false
	case stacktest.PageToken:
		for procedure, list := range map[string]sealedList{
			stacktest.ListAuditEvents: {"audit", make([]byte, 20), make([]byte, 16)},
			stacktest.ListMembers:     {"members", make([]byte, 8), []byte("\x00\x00\x00\x01auser_a")},
			stacktest.ListSeats:       {"seats", []byte("*"), tenancy.Place{Key: "a", ID: "user_a"}.Bytes()},
			stacktest.ListInvitations: {"invitations", nil, []byte("\x7f\xff\xff\xff\xff\xff\xff\xffz")},
		} {
			if stacktest.ProcedureOf(m) == procedure {
				sealed := s.DB.SealPage(tenancy.Actor{Tenant: p.theirs}, list.name, list.filter, list.position)
				return sealed, strings.Repeat("A", len(sealed)), false
			}
		}
		answer, err := s.Client(p.otherToken).ListTasks(s.In(), &teamtaskv1.ListTasksRequest{PageSize: 1})
		if err != nil || answer.GetNextPageToken() == "" {
			s.T.Fatalf("page token of the other tenant: %q, %v", answer.GetNextPageToken(), err)
		}
		return answer.GetNextPageToken(), strings.Repeat("A", len(answer.GetNextPageToken())), false
	case stacktest.RequestID:
		if _, err := s.Client(p.otherToken).CreateTask(s.In(), &teamtaskv1.CreateTaskRequest{Name: stacktest.Canary, RequestId: "the same"}); err != nil {
			s.T.Fatalf("use a request id in the other tenant: %v", err)
		}
		return "the same", "another", true
	default:
		s.T.Fatalf("no values for kind %d", k)
		return "", "", false
	}
}

func TestAnIDOfAnotherTenantIsAnsweredLikeOneThatNeverWas(t *testing.T) {
	t.Parallel()
	stacktest.WithAndWithoutTheNet(t, func(t *testing.T, s *stacktest.Stack) { t.Helper(); foreignIDs(t, s, pairs(s), stacktest.Methods()) })
}

func foreignIDs(t *testing.T, s *stacktest.Stack, of []pair, all []protoreflect.MethodDescriptor) {
	t.Helper()
	t.Helper()
	for _, p := range of {
		for _, m := range all {
			for _, f := range stacktest.TextFields(m.Input(), nil) {
				k := stacktest.Kinds[f.Last().FullName()]
				if k == 0 || k == stacktest.FreeText || k == stacktest.FieldPath || k == stacktest.Sought || k == stacktest.ReturnPath {
					continue
				}
				title := fmt.Sprintf("%s: %s.%s", p.name, m.Name(), f)
				w := settle(s, p)
				theirs, never, own := w.foreign, w.absent, false
				if k != stacktest.TaskID {
					theirs, never, own = valuesOf(s, k, p, m)
				}
				before, lines := s.Snapshot(p.theirs), auditLines(s, p.theirs)
				for _, token := range []string{p.token, p.member, p.admin} {
					for _, etag := range []string{"", "1"} {
						if token == "" {
							continue
						}
						first := ask(s, token, etag, m, w, f, theirs)
						compareForeign(t, title, k, own, first, ask(s, token, etag, m, w, f, never))
					}
				}
				if diff := cmp.Diff(before, s.Snapshot(p.theirs)); diff != "" {
					t.Errorf("%s: the other tenant's rows changed (-before +after):\n%s", title, diff)
				}
				if diff := cmp.Diff(lines, auditLines(s, p.theirs)); diff != "" {
					t.Errorf("%s: the other tenant's audit log changed (-before +after):\n%s", title, diff)
				}
			}
		}
	}
}

// compareForeign compares the answers to what is another tenant's and to what never
// was.
func compareForeign(t *testing.T, title string, k stacktest.Kind, own bool, theirs, never stacktest.Reply) {
	t.Helper()
	if own {
		if theirs.Status != 200 || never.Status != 200 {
			t.Errorf("%s: a value of one's own is refused: %d and %d", title, theirs.Status, never.Status)
		}
	} else if diff := cmp.Diff(never.Comparable(), theirs.Comparable()); diff != "" {
		t.Errorf("%s: the other tenant's is told from one that never was (-never +theirs):\n%s", title, diff)
	}
	if k == stacktest.TaskID && theirs.Status != 404 {
		t.Errorf("%s: status %d, want 404", title, theirs.Status)
	}
	if bytes.Contains(theirs.Body, []byte(stacktest.Canary)) {
		t.Errorf("%s: the answer holds data of the other tenant:\n%s", title, theirs.Body)
	}
}

// ask calls the method on the shared task with one field replaced, and with an etag
// where it takes one.
func ask(s *stacktest.Stack, token, etag string, m protoreflect.MethodDescriptor, w world, f stacktest.TextField, value string) stacktest.Reply {
	s.T.Helper()
	request := stacktest.CaseOf(s.T, m).Request(w.shared).ProtoReflect()
	if field := m.Input().Fields().ByName("etag"); field != nil && etag != "" {
		request.Set(field, protoreflect.ValueOfString(etag))
	}
	f.Set(request, value)
	return s.PostMessage(stacktest.ProcedureOf(m), token, request.Interface())
}

func TestACallOnACollidingIDTouchesTheCallersTaskAlone(t *testing.T) {
	t.Parallel()
	stacktest.WithAndWithoutTheNet(t, func(t *testing.T, s *stacktest.Stack) { t.Helper(); collidingIDs(t, s, pairs(s), stacktest.Methods()) })
}

func collidingIDs(t *testing.T, s *stacktest.Stack, of []pair, all []protoreflect.MethodDescriptor) {
	t.Helper()
	t.Helper()
	for _, p := range of {
		for _, m := range all {
			title := fmt.Sprintf("%s: %s", p.name, m.Name())
			token := p.token
			if stacktest.AccessOf(t, m).GetOrganization() {
				token = p.admin
			}
			if token == "" {
				continue
			}
			w := settle(s, p)
			theirs, mine := s.Snapshot(p.theirs), s.Snapshot(p.mine)
			answer := s.PostMessage(stacktest.ProcedureOf(m), token, stacktest.CaseOf(s.T, m).Request(w.shared))
			if answer.Status != 200 {
				t.Errorf("%s: status %d, want 200: %s", title, answer.Status, answer.Body)
			}
			if bytes.Contains(answer.Body, []byte(stacktest.Canary)) {
				t.Errorf("%s: the answer holds data of the other tenant:\n%s", title, answer.Body)
			}
			if diff := cmp.Diff(theirs, s.Snapshot(p.theirs)); diff != "" {
				t.Errorf("%s: the other tenant's rows changed (-before +after):\n%s", title, diff)
			}
			if changed := s.Snapshot(p.mine) != mine; changed == (stacktest.IsRead(m) || stacktest.CaseOf(s.T, m).Keeps) {
				t.Errorf("%s: the caller's rows changed = %v", title, changed)
			}
		}
	}
}

// Two organizations are the same in everything but their ids, and the same calls are
// made in both: what one has, the other does not.
func TestTheSamePersonSeesInEachTenantOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	stacktest.WithAndWithoutTheNet(t, samePerson)
}

func samePerson(t *testing.T, s *stacktest.Stack) {
	t.Helper()
	for _, p := range pairs(s) {
		w := settle(s, p)
		for token, want := range map[string]int{p.token: 2, p.otherToken: 4} {
			answer, err := s.Client(token).ListTasks(s.In(), &teamtaskv1.ListTasksRequest{})
			if err != nil || len(answer.GetTasks()) != want {
				t.Errorf("%s: %d tasks, %v; want %d", p.name, len(answer.GetTasks()), err, want)
			}
		}
		etagOfTheirs := &teamtaskv1.UpdateTaskRequest{
			Id: w.shared, Etag: "7", Name: "taken", UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name"}},
		}
		if _, err := s.Client(p.token).UpdateTask(s.In(), etagOfTheirs); stacktest.RefusalOf(t, err).Reason != "ETAG_MISMATCH" {
			t.Errorf("%s: an etag of the other tenant's task: %v, want ETAG_MISMATCH", p.name, err)
		}
		if _, err := s.Client(p.otherToken).UpdateTask(s.In(), etagOfTheirs); err != nil {
			t.Errorf("%s: the other tenant's own etag: %v", p.name, err)
		}
	}
}
