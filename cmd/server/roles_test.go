package main

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
)

// tenant is who owns what the caller makes.
func (c caller) tenant() string {
	switch c.org {
	case "d2-gamers":
		return "org_d2gamers"
	case "acme":
		return "org_acme"
	case "newco":
		return "org_newco"
	}
	return "user_" + c.user
}

func (c caller) has(permission string) bool { return slices.Contains(c.holds, permission) }

// expected is the answer that the method's access option and the caller's permissions
// lead to.
func expected(access *teamtaskv1.Access, c caller, others string, own bool) refusal {
	permission := access.GetPermission()
	switch {
	case access.GetPublic():
		return refusal{}
	case c.user == "":
		return refused(connect.CodeUnauthenticated, "UNAUTHENTICATED")
	case access.GetOrganization() && c.org == "":
		return refused(connect.CodeFailedPrecondition, "ORGANIZATION_REQUIRED")
	case permission != "" && !c.has(permission):
		r := refused(connect.CodePermissionDenied, "PERMISSION_MISSING")
		r.Metadata = map[string]string{"permission": permission}
		return r
	case access.GetSeat() && c.org != "" && !c.seat:
		return refused(connect.CodePermissionDenied, "SEAT_REQUIRED")
	case others != "" && !own && !c.has(others):
		return refused(connect.CodePermissionDenied, "NOT_OWNER")
	}
	return refusal{}
}

func TestEveryMethodAnswersEveryRoleAsItsAccessOptionSays(t *testing.T) {
	t.Parallel()
	t.Run("where the ledger decides who has a seat", func(t *testing.T) {
		t.Parallel()
		everyRole(t, newPaying(t, nil), refusal{})
	})
	t.Run("where nothing is sold and the token decides", func(t *testing.T) {
		t.Parallel()
		everyRole(t, newStack(t, nil), refused(connect.CodeUnavailable, "BILLING_NOT_CONFIGURED"))
	})
}

// everyRole calls every method as everybody. Billing is what those of the licensing are
// answered that are not refused.
func everyRole(t *testing.T, s *stack, billing refusal) {
	t.Helper()
	connectJSON, sells := protocols[0], billing.Reason == ""
	for _, m := range methods() {
		c := caseOf(t, m)
		access := accessOf(t, m)
		if sold := m.Parent().Name() == "LicensingService"; !sells && !sold && !access.GetSeat() {
			continue // it is the same where seats are sold
		}
		fresh := map[string]bool{} // tenants whose license is as the method wants it
		for _, who := range allCallers {
			for _, version := range []int{1, 2} {
				for _, own := range []bool{true, false} {
					owner := "user_" + who.user
					if !own {
						owner = "user_somebody"
					}
					token := ""
					if who.user != "" {
						token = s.token(who.user, who.org, version)
					}
					if sells && who.org != "" && !fresh[who.tenant()] {
						s.stock(who.tenant())
						fresh[who.tenant()] = true
					}
					id := s.put(row{tenant: who.tenant(), owner: owner})[0]
					before, lines := s.snapshot(who.tenant()), s.lines(who.tenant(), "user_")
					want := expected(access, who, c.others, own)
					if want.Reason == "" && m.Parent().Name() == "LicensingService" {
						want = billing
					}
					_, err := s.call(s.in(), connectJSON, token, m, c.request(id))
					title := fmt.Sprintf("%s by %v, token version %d, own=%v", m.Name(), who, version, own)
					if diff := cmp.Diff(want, refusalOf(t, err)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", title, diff)
					}
					changed := s.snapshot(who.tenant()) != before
					fresh[who.tenant()] = fresh[who.tenant()] && !changed
					if may := want.Reason == "" && !isRead(m) && !c.keeps; changed != may {
						t.Errorf("%s: rows changed = %v, want %v", title, changed, may)
					}
					switch named := m.Input().Fields().ByName("id") != nil; {
					case c.target == none:
						id = ""
					case c.target != "":
						id = c.target
					case !named && want.Reason == "" && !isRead(m):
						made, _ := s.column(`SELECT id::text FROM tasks WHERE tenant_id = $1 ORDER BY create_time DESC LIMIT 1`, who.tenant())
						id = made[0] // what a call that names nothing has made
					}
					if diff := cmp.Diff(lineOf(access, m, who, want, id), s.lines(who.tenant(), "user_")[len(lines):]); diff != "" {
						t.Errorf("%s: lines of the audit log (-want +got):\n%s", title, diff)
					}
				}
			}
		}
	}
	if len(cases) != len(methods()) {
		t.Errorf("%d cases for %d methods: one is of a method that is gone", len(cases), len(methods()))
	}
}

// A member of a new instance, whose token carries no permission of ours, works by what the
// configuration adds to the role: at every place that computes permissions, and with a seat
// as everybody.
func TestAMemberOfANewInstanceWorksWithoutCustomPermissions(t *testing.T) {
	t.Parallel()
	needsView := refusal{connect.CodePermissionDenied, "PERMISSION_MISSING", map[string]string{"permission": "org:tasks:view"}}
	for name, c := range map[string]struct {
		env   map[string]string
		holds []string
		sees  refusal
	}{
		"as configured by default": {nil, ofMember, refusal{}},
		"as it was without":        {map[string]string{"ROLE_PERMISSIONS": "org:member="}, nil, needsView},
		"as a viewer":              {map[string]string{"ROLE_PERMISSIONS": "member=org:tasks:view"}, []string{"org:tasks:view"}, refusal{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newPaying(t, c.env)
			s.stock("org_newco")
			s.exec(`INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
				VALUES ('org_newco', 'user_nils', 'orgmem_nils', 'org:member', 'Nils', 'nils', '', '', 1)`)
			may := slices.Contains(c.holds, "org:tasks:edit")
			for _, version := range []int{1, 2} {
				nils := &person{s: s, user: "nils", org: "newco", version: version}
				answer, err := s.members("nils", "newco", version).GetCurrentMember(s.in(), &teamtaskv1.GetCurrentMemberRequest{})
				if diff := cmp.Diff(c.holds, answer.GetMember().GetPermissions()); diff != "" || err != nil {
					t.Errorf("GetCurrentMember, token version %d: %v (-want +got):\n%s", version, err, diff)
				}
				_, err = s.client(s.token("nils", "newco", version)).ListTasks(s.in(), &teamtaskv1.ListTasksRequest{})
				nils.ends(t, "lists", err, c.sees)
				if may {
					s.exec(`DELETE FROM seats WHERE user_id = 'user_nils'`)
					nils.creates(t, refused(connect.CodePermissionDenied, "SEAT_REQUIRED"))
					s.exec(`INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ('org_newco', 'user_nils', 'user_nina')`)
					nils.creates(t, refusal{})
				}
			}
		})
	}
}

// A token of any class but a session token's is refused; one whose class says nothing is not.
func TestTheClassOfATokenIsLookedAt(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for category, want := range map[string]string{
		"": "", "none": "", "cl_B7d4PD111AAA": "", "cl_I7d4PD111III": "",
		"cl_B7d4PD222AAA": "UNAUTHENTICATED", "cl_B7d4PD333AAA": "UNAUTHENTICATED", "cl_I7d4PD222III": "UNAUTHENTICATED",
	} {
		token, err := s.box.Token(sandbox.TokenRequest{User: "alice", Org: "d2-gamers", Category: category, TTL: tokenLife})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if answer := s.post(listTasks, token, []byte("{}")); answer.status != 200 {
			got = answer.told(t).Reason
		}
		if got != want {
			t.Errorf("cat %q: %q, want %q", category, got, want)
		}
	}
}

// lineOf is the line, if any, that a call has to leave in the audit log.
func lineOf(access *teamtaskv1.Access, m protoreflect.MethodDescriptor, who caller, ended refusal, id string) []string {
	if !access.GetAudit() || who.user == "" {
		return []string{}
	}
	fields := []string{"user_" + who.user, procedureOf(m), "ok", "", ""}
	if ended.Reason != "" {
		fields[2], fields[3] = ended.Code.String(), ended.Reason
	}
	read := ended.Reason != "PERMISSION_MISSING" && ended.Reason != "ORGANIZATION_REQUIRED"
	if read && (procedureOf(m) != createTask || ended.Reason == "") {
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
	s := newStack(t, nil)
	as := func(user, org string) *person { return &person{s: s, user: user, org: org, version: version} }
	ownerOnly := refused(connect.CodePermissionDenied, "NOT_OWNER")
	needsSeat := refused(connect.CodePermissionDenied, "SEAT_REQUIRED")
	needsEdit := refusal{connect.CodePermissionDenied, "PERMISSION_MISSING", map[string]string{"permission": "org:tasks:edit"}}
	unknown := refused(connect.CodeNotFound, "TASK_NOT_FOUND")
	fine := refusal{}

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
	s         *stack
	user, org string
	version   int
}

func (p *person) ends(t *testing.T, what string, err error, want refusal) {
	t.Helper()
	if diff := cmp.Diff(want, refusalOf(t, err)); diff != "" {
		t.Errorf("%s %s in %q, token version %d (-want +got):\n%s", p.user, what, p.org, p.version, diff)
	}
}

func (p *person) creates(t *testing.T, want refusal) string {
	t.Helper()
	made, err := p.s.client(p.s.token(p.user, p.org, p.version)).CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "of " + p.user})
	p.ends(t, "creates", err, want)
	return made.GetTask().GetId()
}

func (p *person) gets(t *testing.T, id string, want refusal) {
	t.Helper()
	_, err := p.s.client(p.s.token(p.user, p.org, p.version)).GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: id})
	p.ends(t, "gets "+id, err, want)
}

func (p *person) edits(t *testing.T, id string, want refusal) {
	t.Helper()
	_, err := p.s.client(p.s.token(p.user, p.org, p.version)).UpdateTask(t.Context(), &teamtaskv1.UpdateTaskRequest{
		Id: id, Name: "by " + p.user, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name"}},
	})
	p.ends(t, "edits "+id, err, want)
}

func (p *person) deletes(t *testing.T, id string, want refusal) {
	t.Helper()
	_, err := p.s.client(p.s.token(p.user, p.org, p.version)).DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: id})
	p.ends(t, "deletes "+id, err, want)
}

func (p *person) lists(t *testing.T, want ...string) {
	t.Helper()
	answer, err := p.s.client(p.s.token(p.user, p.org, p.version)).ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{})
	p.ends(t, "lists", err, refusal{})
	var got []string
	for _, task := range answer.GetTasks() {
		got = append(got, task.GetId())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s lists in %q (-want +got):\n%s", p.user, p.org, diff)
	}
}
