package tenancy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// tenant is who owns what the caller makes.
func tenant(c stacktest.Caller) string {
	switch c.Org {
	case "d2-gamers":
		return "org_d2gamers"
	case "acme":
		return "org_acme"
	case "newco":
		return "org_newco"
	}
	return "user_" + c.User
}

func has(c stacktest.Caller, permission string) bool { return slices.Contains(c.Holds, permission) }

// expected is the answer that the method's access option and the caller's permissions
// lead to.
func expected(access *teamtaskv1.Access, c stacktest.Caller, others string, own bool) stacktest.Refusal {
	permission := access.GetPermission()
	switch {
	case access.GetPublic():
		return stacktest.Refusal{}
	case c.User == "":
		return stacktest.Refused(connect.CodeUnauthenticated, "UNAUTHENTICATED")
	case access.GetOrganization() && c.Org == "":
		return stacktest.Refused(connect.CodeFailedPrecondition, "ORGANIZATION_REQUIRED")
	case permission != "" && !has(c, permission):
		r := stacktest.Refused(connect.CodePermissionDenied, "PERMISSION_MISSING")
		r.Metadata = map[string]string{"permission": permission}
		return r
	case access.GetSeat() && c.Org != "" && !c.Seat:
		return stacktest.Refused(connect.CodePermissionDenied, "SEAT_REQUIRED")
	case others != "" && !own && !has(c, others):
		return stacktest.Refused(connect.CodePermissionDenied, "NOT_OWNER")
	}
	return stacktest.Refusal{}
}

func TestEveryMethodAnswersEveryRoleAsItsAccessOptionSays(t *testing.T) {
	t.Parallel()
	t.Run("where the ledger decides who has a seat", func(t *testing.T) {
		t.Parallel()
		everyRole(t, stacktest.NewPaying(t, nil), stacktest.Refusal{})
	})
	t.Run("where nothing is sold and the token decides", func(t *testing.T) {
		t.Parallel()
		everyRole(t, stacktest.New(t, nil), stacktest.Refused(connect.CodeUnavailable, "BILLING_NOT_CONFIGURED"))
	})
}

// everyRole calls every method as everybody. Billing is what those of the licensing are
// answered that are not refused.
func everyRole(t *testing.T, s *stacktest.Stack, billing stacktest.Refusal) {
	t.Helper()
	connectJSON, sells := stacktest.Protocols[0], billing.Reason == ""
	for _, m := range stacktest.Methods() {
		c := stacktest.CaseOf(t, m)
		access := stacktest.AccessOf(t, m)
		if sold := m.Parent().Name() == "LicensingService"; !sells && !sold && !access.GetSeat() {
			continue // it is the same where seats are sold
		}
		fresh := map[string]bool{} // tenants whose license is as the method wants it
		for _, who := range stacktest.AllCallers {
			for _, version := range []int{1, 2} {
				for _, own := range []bool{true, false} {
					owner := "user_" + who.User
					if !own {
						owner = "user_somebody"
					}
					token := ""
					if who.User != "" {
						token = s.Token(who.User, who.Org, version)
					}
					if sells && who.Org != "" && !fresh[tenant(who)] {
						s.Stock(tenant(who))
						fresh[tenant(who)] = true
					}
					id := s.Put(stacktest.Row{Tenant: tenant(who), Owner: owner})[0]
					before, lines := s.Snapshot(tenant(who)), auditLines(s, tenant(who), "user_")
					want := expected(access, who, c.Others, own)
					if want.Reason == "" && m.Parent().Name() == "LicensingService" {
						want = billing
					}
					_, err := s.Call(s.In(), connectJSON, token, m, c.Request(id))
					title := fmt.Sprintf("%s by %v, token version %d, own=%v", m.Name(), who, version, own)
					if diff := cmp.Diff(want, stacktest.RefusalOf(t, err)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", title, diff)
					}
					changed := s.Snapshot(tenant(who)) != before
					fresh[tenant(who)] = fresh[tenant(who)] && !changed
					if may := want.Reason == "" && !stacktest.IsRead(m) && !c.Keeps; changed != may {
						t.Errorf("%s: rows changed = %v, want %v", title, changed, may)
					}
					switch named := m.Input().Fields().ByName("id") != nil; {
					case c.Target == stacktest.None:
						id = ""
					case c.Target != "":
						id = c.Target
					case !named && want.Reason == "" && !stacktest.IsRead(m):
						made, _ := s.Column(`SELECT id::text FROM tasks WHERE tenant_id = $1 ORDER BY create_time DESC LIMIT 1`, tenant(who))
						id = made[0] // what a call that names nothing has made
					}
					if diff := cmp.Diff(lineOf(access, m, who, want, id), auditLines(s, tenant(who), "user_")[len(lines):]); diff != "" {
						t.Errorf("%s: lines of the audit log (-want +got):\n%s", title, diff)
					}
				}
			}
		}
	}
	if len(stacktest.Cases) != len(stacktest.Methods()) {
		t.Errorf("%d cases for %d methods: one is of a method that is gone", len(stacktest.Cases), len(stacktest.Methods()))
	}
}

// A member of a new instance, whose token carries no permission of ours, works by what the
// configuration adds to the role: at every place that computes permissions, and with a seat
// as everybody.
func TestAMemberOfANewInstanceWorksWithoutCustomPermissions(t *testing.T) {
	t.Parallel()
	needsView := stacktest.Refusal{Code: connect.CodePermissionDenied, Reason: "PERMISSION_MISSING", Metadata: map[string]string{"permission": "org:tasks:view"}}
	for name, c := range map[string]struct {
		env   map[string]string
		holds []string
		sees  stacktest.Refusal
	}{
		"as configured by default": {nil, stacktest.OfMember, stacktest.Refusal{}},
		"as it was without":        {map[string]string{"ROLE_PERMISSIONS": "org:member="}, nil, needsView},
		"as a viewer":              {map[string]string{"ROLE_PERMISSIONS": "member=org:tasks:view"}, []string{"org:tasks:view"}, stacktest.Refusal{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stacktest.NewPaying(t, c.env)
			s.Stock("org_newco")
			s.Exec(`INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
				VALUES ('org_newco', 'user_nils', 'orgmem_nils', 'org:member', 'Nils', 'nils', '', '', 1)`)
			may := slices.Contains(c.holds, "org:tasks:edit")
			for _, version := range []int{1, 2} {
				nils := &person{s: s, user: "nils", org: "newco", version: version}
				answer, err := s.Members("nils", "newco", version).GetCurrentMember(s.In(), &teamtaskv1.GetCurrentMemberRequest{})
				if diff := cmp.Diff(c.holds, answer.GetMember().GetPermissions()); diff != "" || err != nil {
					t.Errorf("GetCurrentMember, token version %d: %v (-want +got):\n%s", version, err, diff)
				}
				_, err = s.Client(s.Token("nils", "newco", version)).ListTasks(s.In(), &teamtaskv1.ListTasksRequest{})
				nils.ends(t, "lists", err, c.sees)
				if may {
					s.Exec(`DELETE FROM seats WHERE user_id = 'user_nils'`)
					nils.creates(t, stacktest.Refused(connect.CodePermissionDenied, "SEAT_REQUIRED"))
					s.Exec(`INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ('org_newco', 'user_nils', 'user_nina')`)
					nils.creates(t, stacktest.Refusal{})
				}
			}
		})
	}
}

// A token of any class but a session token's is refused; one whose class says nothing is not.
func TestTheClassOfATokenIsLookedAt(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	for category, want := range map[string]string{
		"": "", "none": "", "cl_B7d4PD111AAA": "", "cl_I7d4PD111III": "",
		"cl_B7d4PD222AAA": "UNAUTHENTICATED", "cl_B7d4PD333AAA": "UNAUTHENTICATED", "cl_I7d4PD222III": "UNAUTHENTICATED",
	} {
		token, err := s.Box.Token(sandbox.TokenRequest{User: "alice", Org: "d2-gamers", Category: category, TTL: stacktest.TokenLife})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if answer := s.Post(stacktest.ListTasks, token, []byte("{}")); answer.Status != 200 {
			got = answer.Told(t).Reason
		}
		if got != want {
			t.Errorf("cat %q: %q, want %q", category, got, want)
		}
	}
}

// lineOf is the line, if any, that a call has to leave in the audit log.
func lineOf(access *teamtaskv1.Access, m protoreflect.MethodDescriptor, who stacktest.Caller, ended stacktest.Refusal, id string) []string {
	if !access.GetAudit() || who.User == "" {
		return []string{}
	}
	fields := []string{"user_" + who.User, stacktest.ProcedureOf(m), "ok", "", ""}
	if ended.Reason != "" {
		fields[2], fields[3] = ended.Code.String(), ended.Reason
	}
	read := ended.Reason != "PERMISSION_MISSING" && ended.Reason != "ORGANIZATION_REQUIRED"
	if read && (stacktest.ProcedureOf(m) != stacktest.CreateTask || ended.Reason == "") {
		fields[4] = id
	}
	return []string{strings.Join(fields, " ")}
}

// This is the table of the article on roles, in its own words.
func TestTheTableOfTheArticleHolds(t *testing.T) {
	t.Parallel()
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("token version %d", version), func(t *testing.T) {
			t.Parallel()
			article(t, version)
		})
	}
}

func article(t *testing.T, version int) {
	t.Helper()
	s := stacktest.New(t, nil)
	as := func(user, org string) *person { return &person{s: s, user: user, org: org, version: version} }
	ownerOnly := stacktest.Refused(connect.CodePermissionDenied, "NOT_OWNER")
	needsSeat := stacktest.Refused(connect.CodePermissionDenied, "SEAT_REQUIRED")
	needsEdit := stacktest.Refusal{Code: connect.CodePermissionDenied, Reason: "PERMISSION_MISSING", Metadata: map[string]string{"permission": "org:tasks:edit"}}
	unknown := stacktest.Refused(connect.CodeNotFound, "TASK_NOT_FOUND")
	fine := stacktest.Refusal{}

	alices := as("alice", "d2-gamers").creates(t, fine)
	bobs := as("bob", "d2-gamers").creates(t, fine)
	for _, sees := range []string{"dana", "alice", "bob", "ben", "charlie"} {
		as(sees, "d2-gamers").lists(t, bobs, alices)
		as(sees, "d2-gamers").gets(t, alices, fine)
	}
	// charlie sees and cannot write.
	as("charlie", "d2-gamers").creates(t, needsEdit)
	as("charlie", "d2-gamers").edits(t, alices, needsEdit)
	as("charlie", "d2-gamers").deletes(t, alices, needsEdit)
	// bob creates, edits his own, not alice's.
	as("bob", "d2-gamers").edits(t, bobs, fine)
	as("bob", "d2-gamers").edits(t, alices, ownerOnly)
	as("bob", "d2-gamers").deletes(t, alices, ownerOnly)
	// alice edits all.
	as("alice", "d2-gamers").edits(t, bobs, fine)
	// ben, who has no seat, sees and cannot write.
	as("ben", "d2-gamers").creates(t, needsSeat)
	as("ben", "d2-gamers").edits(t, bobs, needsSeat)
	as("ben", "d2-gamers").deletes(t, bobs, needsSeat)
	// erin of acme sees none of it.
	as("erin", "acme").lists(t)
	as("erin", "acme").gets(t, alices, unknown)
	// Everyone's personal workspace is their own.
	everyone := []string{"dana", "alice", "bob", "ben", "charlie", "erin", "frank", "nina", "nils"}
	own := map[string]string{}
	for _, user := range everyone {
		as(user, "").lists(t)
		own[user] = as(user, "").creates(t, fine)
	}
	for i, user := range everyone {
		as(user, "").lists(t, own[user])
		as(user, "").edits(t, own[user], fine)
		as(user, "").edits(t, own[everyone[(i+1)%len(everyone)]], unknown)
		as(user, "").gets(t, alices, unknown)
	}
	as("alice", "d2-gamers").lists(t, bobs, alices)
	as("alice", "d2-gamers").gets(t, own["alice"], unknown)
	as("bob", "d2-gamers").deletes(t, bobs, fine)
	as("alice", "d2-gamers").deletes(t, alices, fine)
	as("dana", "d2-gamers").lists(t)
}

// person acts in a story; each step says how it must end.
type person struct {
	s         *stacktest.Stack
	user, org string
	version   int
}

func (p *person) ends(t *testing.T, what string, err error, want stacktest.Refusal) {
	t.Helper()
	if diff := cmp.Diff(want, stacktest.RefusalOf(t, err)); diff != "" {
		t.Errorf("%s %s in %q, token version %d (-want +got):\n%s", p.user, what, p.org, p.version, diff)
	}
}

func (p *person) creates(t *testing.T, want stacktest.Refusal) string {
	t.Helper()
	made, err := p.s.Client(p.s.Token(p.user, p.org, p.version)).CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "of " + p.user})
	p.ends(t, "creates", err, want)
	return made.GetTask().GetId()
}

func (p *person) gets(t *testing.T, id string, want stacktest.Refusal) {
	t.Helper()
	_, err := p.s.Client(p.s.Token(p.user, p.org, p.version)).GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: id})
	p.ends(t, "gets "+id, err, want)
}

func (p *person) edits(t *testing.T, id string, want stacktest.Refusal) {
	t.Helper()
	_, err := p.s.Client(p.s.Token(p.user, p.org, p.version)).UpdateTask(t.Context(), &teamtaskv1.UpdateTaskRequest{
		Id: id, Name: "by " + p.user, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name"}},
	})
	p.ends(t, "edits "+id, err, want)
}

func (p *person) deletes(t *testing.T, id string, want stacktest.Refusal) {
	t.Helper()
	_, err := p.s.Client(p.s.Token(p.user, p.org, p.version)).DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: id})
	p.ends(t, "deletes "+id, err, want)
}

func (p *person) lists(t *testing.T, want ...string) {
	t.Helper()
	answer, err := p.s.Client(p.s.Token(p.user, p.org, p.version)).ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{})
	p.ends(t, "lists", err, stacktest.Refusal{})
	var got []string
	for _, task := range answer.GetTasks() {
		got = append(got, task.GetId())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s lists in %q (-want +got):\n%s", p.user, p.org, diff)
	}
}
