package main

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// caller is somebody who calls, and what they may rely on. The permissions are those
// of the role in Clerk and what our rules add.
type caller struct {
	user, org string // org "": the personal workspace
	holds     []string
	seat      bool
}

func (c caller) String() string {
	switch {
	case c.user == "":
		return "nobody"
	case c.org == "":
		return c.user + " alone"
	}
	return c.user + " of " + c.org
}

var (
	everything = []string{
		"org:tasks:view", "org:tasks:edit", "org:tasks:manage", "org:members:view", "org:members:manage",
		"org:licensing:view", "org:licensing:manage", "org:audit:view",
	}
	ofManager  = []string{"org:tasks:view", "org:tasks:edit", "org:tasks:manage", "org:members:view"}
	ofMember   = []string{"org:tasks:view", "org:tasks:edit", "org:members:view"}
	ofViewer   = []string{"org:tasks:view", "org:members:view"}
	ofOneself  = []string{"org:tasks:view", "org:tasks:edit", "org:tasks:manage"}
	allCallers = []caller{
		{},
		{user: "dana", org: "d2-gamers", holds: everything, seat: true},
		{user: "alice", org: "d2-gamers", holds: ofManager, seat: true},
		{user: "bob", org: "d2-gamers", holds: ofMember, seat: true},
		{user: "ben", org: "d2-gamers", holds: ofMember},
		{user: "charlie", org: "d2-gamers", holds: ofViewer, seat: true},
		{user: "erin", org: "acme", holds: everything},
		{user: "frank", org: "acme", holds: ofMember},
		{user: "nina", org: "newco", holds: everything}, // whose roles carry no permission of ours, as in a new instance
		{user: "nils", org: "newco", holds: ofMember},
		{user: "dana", holds: ofOneself},
		{user: "alice", holds: ofOneself},
		{user: "ben", holds: ofOneself},
		{user: "charlie", holds: ofOneself},
		{user: "erin", holds: ofOneself},
	}
)

// methodCase is how a method is called.
type methodCase struct {
	request func(id string) proto.Message // on the task of that id
	others  string                        // the permission that somebody else's task asks for; "": none
	target  string                        // what its audit line names; "": the task
	keeps   bool                          // it writes, but nothing of ours
}

// cases make, for each method, a request that is right in every way but perhaps for
// who sends it. A method without a case fails the matrices.
var cases = map[string]methodCase{
	createTask: {request: func(string) proto.Message { return &teamtaskv1.CreateTaskRequest{Name: "new"} }},
	getTask:    {request: func(id string) proto.Message { return &teamtaskv1.GetTaskRequest{Id: id} }},
	listTasks:  {request: func(string) proto.Message { return &teamtaskv1.ListTasksRequest{} }},
	updateTask: {others: "org:tasks:manage", request: func(id string) proto.Message {
		return &teamtaskv1.UpdateTaskRequest{Id: id, Done: true, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"done"}}}
	}},
	deleteTask: {others: "org:tasks:manage", request: func(id string) proto.Message { return &teamtaskv1.DeleteTaskRequest{Id: id} }},

	listAuditEvents: {request: func(string) proto.Message { return &teamtaskv1.ListAuditEventsRequest{} }},

	getCurrentMember: {request: func(string) proto.Message { return &teamtaskv1.GetCurrentMemberRequest{} }},
	listMembers:      {request: func(string) proto.Message { return &teamtaskv1.ListMembersRequest{} }},
	listRoles:        {request: func(string) proto.Message { return &teamtaskv1.ListRolesRequest{} }},
	listInvitations:  {request: func(string) proto.Message { return &teamtaskv1.ListInvitationsRequest{} }},

	getLicense: {request: func(string) proto.Message { return &teamtaskv1.GetLicenseRequest{} }},
	listSeats:  {request: func(string) proto.Message { return &teamtaskv1.ListSeatsRequest{} }},
	assignSeat: {target: "user_spare", request: func(string) proto.Message { return &teamtaskv1.AssignSeatRequest{UserId: "user_spare"} }},
	revokeSeat: {target: "user_seated", request: func(string) proto.Message { return &teamtaskv1.RevokeSeatRequest{UserId: "user_seated"} }},
	createCheckout: {target: none, request: func(string) proto.Message {
		return &teamtaskv1.CreateCheckoutSessionRequest{Quantity: 5, SuccessPath: "/bought", CancelPath: "/seats"}
	}},
	createPortal: {target: none, keeps: true, request: func(string) proto.Message {
		return &teamtaskv1.CreatePortalSessionRequest{ReturnPath: "/seats"}
	}},
}

// none is the target of a line that names nothing.
const none = "-"

func caseOf(t testing.TB, m protoreflect.MethodDescriptor) methodCase {
	t.Helper()
	c, ok := cases[procedureOf(m)]
	if !ok {
		t.Fatalf("%s has no case: say how it is called", m.FullName())
	}
	return c
}

// tokenFor is of somebody of d2-gamers who may call the method.
func (s *stack) tokenFor(t testing.TB, m protoreflect.MethodDescriptor) string {
	t.Helper()
	if strings.HasPrefix(accessOf(t, m).GetPermission(), "org:tasks:") {
		return s.token("alice", "d2-gamers", 2)
	}
	return s.token("dana", "d2-gamers", 2)
}
