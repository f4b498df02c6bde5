package stacktest

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// Caller is a person who calls, and what they may rely on. The permissions are those
// of the role in Clerk and what our rules add.
type Caller struct {
	User, Org string // org "": the personal workspace
	Holds     []string
	Seat      bool
}

func (c Caller) String() string {
	switch {
	case c.User == "":
		return "nobody"
	case c.Org == "":
		return c.User + " alone"
	}
	return c.User + " of " + c.Org
}

// Permissions by role, and all callers.
var (
	Everything = []string{
		"org:tasks:view", "org:tasks:edit", "org:tasks:manage", "org:members:view", "org:members:manage",
		"org:licensing:view", "org:licensing:manage", "org:audit:view",
	}
	OfManager  = []string{"org:tasks:view", "org:tasks:edit", "org:tasks:manage", "org:members:view"}
	OfMember   = []string{"org:tasks:view", "org:tasks:edit", "org:members:view"}
	OfViewer   = []string{"org:tasks:view", "org:members:view"}
	ofOneself  = []string{"org:tasks:view", "org:tasks:edit", "org:tasks:manage"}
	AllCallers = []Caller{
		{},
		{User: "dana", Org: "d2-gamers", Holds: Everything, Seat: true},
		{User: "alice", Org: "d2-gamers", Holds: OfManager, Seat: true},
		{User: "bob", Org: "d2-gamers", Holds: OfMember, Seat: true},
		{User: "ben", Org: "d2-gamers", Holds: OfMember},
		{User: "charlie", Org: "d2-gamers", Holds: OfViewer, Seat: true},
		{User: "erin", Org: "acme", Holds: Everything},
		{User: "frank", Org: "acme", Holds: OfMember},
		{User: "nina", Org: "newco", Holds: Everything}, // whose roles carry no permission of ours, as in a new instance
		{User: "nils", Org: "newco", Holds: OfMember},
		{User: "dana", Holds: ofOneself},
		{User: "alice", Holds: ofOneself},
		{User: "ben", Holds: ofOneself},
		{User: "charlie", Holds: ofOneself},
		{User: "erin", Holds: ofOneself},
	}
)

// MethodCase is how a method is called.
type MethodCase struct {
	Request func(id string) proto.Message // on the task of that id
	Others  string                        // the permission that another person's task asks for; "": none
	Target  string                        // what its audit line names; "": the task
	Keeps   bool                          // it writes, but nothing of ours
}

// Cases make, for each method, a request that is right in every way but perhaps for
// who sends it. A method without a case fails the matrices.
var Cases = map[string]MethodCase{
	CreateTask: {Request: func(string) proto.Message { return &teamtaskv1.CreateTaskRequest{Name: "new"} }},
	GetTask:    {Request: func(id string) proto.Message { return &teamtaskv1.GetTaskRequest{Id: id} }},
	ListTasks:  {Request: func(string) proto.Message { return &teamtaskv1.ListTasksRequest{} }},
	UpdateTask: {Others: "org:tasks:manage", Request: func(id string) proto.Message {
		return &teamtaskv1.UpdateTaskRequest{Id: id, Done: true, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"done"}}}
	}},
	DeleteTask: {Others: "org:tasks:manage", Request: func(id string) proto.Message { return &teamtaskv1.DeleteTaskRequest{Id: id} }},

	ListAuditEvents: {Request: func(string) proto.Message { return &teamtaskv1.ListAuditEventsRequest{} }},

	getCurrentMember: {Request: func(string) proto.Message { return &teamtaskv1.GetCurrentMemberRequest{} }},
	ListMembers:      {Request: func(string) proto.Message { return &teamtaskv1.ListMembersRequest{} }},
	listRoles:        {Request: func(string) proto.Message { return &teamtaskv1.ListRolesRequest{} }},
	ListInvitations:  {Request: func(string) proto.Message { return &teamtaskv1.ListInvitationsRequest{} }},

	GetLicense: {Request: func(string) proto.Message { return &teamtaskv1.GetLicenseRequest{} }},
	ListSeats:  {Request: func(string) proto.Message { return &teamtaskv1.ListSeatsRequest{} }},
	AssignSeat: {Target: "user_spare", Request: func(string) proto.Message { return &teamtaskv1.AssignSeatRequest{UserId: "user_spare"} }},
	RevokeSeat: {Target: "user_seated", Request: func(string) proto.Message { return &teamtaskv1.RevokeSeatRequest{UserId: "user_seated"} }},
	CreateCheckout: {Target: None, Request: func(string) proto.Message {
		return &teamtaskv1.CreateCheckoutSessionRequest{Quantity: 5, SuccessPath: "/bought", CancelPath: "/seats"}
	}},
	CreatePortal: {Target: None, Keeps: true, Request: func(string) proto.Message {
		return &teamtaskv1.CreatePortalSessionRequest{ReturnPath: "/seats"}
	}},
}

// None is the target of a line that names nothing.
const None = "-"

// CaseOf returns how the method is called.
func CaseOf(t testing.TB, m protoreflect.MethodDescriptor) MethodCase {
	t.Helper()
	c, ok := Cases[ProcedureOf(m)]
	if !ok {
		t.Fatalf("%s has no case: say how it is called", m.FullName())
	}
	return c
}
