package stacktest

import (
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/server"
)

func idempotencyOf(m protoreflect.MethodDescriptor) connect.IdempotencyLevel {
	options, _ := m.Options().(*descriptorpb.MethodOptions)
	return connect.IdempotencyLevel(options.GetIdempotencyLevel())
}

// IsRead reports whether the method is marked as having no side effects.
func IsRead(m protoreflect.MethodDescriptor) bool {
	return idempotencyOf(m) == connect.IdempotencyNoSideEffects
}

// AccessOf is what the descriptor says of who may call.
func AccessOf(t testing.TB, m protoreflect.MethodDescriptor) *teamtaskv1.Access {
	t.Helper()
	access, ok := proto.GetExtension(m.Options(), teamtaskv1.E_Access).(*teamtaskv1.Access)
	if !ok || access == nil {
		t.Fatalf("%s has no access option", m.FullName())
	}
	return access
}

// procedures of our services.
const (
	CreateTask = "/teamtask.v1.TaskService/CreateTask"
	GetTask    = "/teamtask.v1.TaskService/GetTask"
	ListTasks  = "/teamtask.v1.TaskService/ListTasks"
	UpdateTask = "/teamtask.v1.TaskService/UpdateTask"
	DeleteTask = "/teamtask.v1.TaskService/DeleteTask"

	ListAuditEvents = "/teamtask.v1.AuditService/ListAuditEvents"

	getCurrentMember = "/teamtask.v1.MembershipService/GetCurrentMember"
	ListMembers      = "/teamtask.v1.MembershipService/ListMembers"
	listRoles        = "/teamtask.v1.MembershipService/ListRoles"
	ListInvitations  = "/teamtask.v1.MembershipService/ListInvitations"

	GetLicense     = "/teamtask.v1.LicensingService/GetLicense"
	ListSeats      = "/teamtask.v1.LicensingService/ListSeats"
	AssignSeat     = "/teamtask.v1.LicensingService/AssignSeat"
	RevokeSeat     = "/teamtask.v1.LicensingService/RevokeSeat"
	CreateCheckout = "/teamtask.v1.LicensingService/CreateCheckoutSession"
	CreatePortal   = "/teamtask.v1.LicensingService/CreatePortalSession"
)

// Methods are all methods of our services.
func Methods() []protoreflect.MethodDescriptor {
	var all []protoreflect.MethodDescriptor
	protoregistry.GlobalFiles.RangeFilesByPackage(server.APIPackage, func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			of := file.Services().Get(i).Methods()
			for j := range of.Len() {
				all = append(all, of.Get(j))
			}
		}
		return true
	})
	return all
}

// MethodOf returns the method of a procedure.
func MethodOf(t testing.TB, procedure string) protoreflect.MethodDescriptor {
	t.Helper()
	for _, m := range Methods() {
		if ProcedureOf(m) == procedure {
			return m
		}
	}
	t.Fatalf("there is no method %s", procedure)
	return nil
}

// ProcedureOf returns the procedure of a method.
func ProcedureOf(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

// Procedures of services that need no token.
const (
	HealthCheck   = "/grpc.health.v1.Health/Check"
	Reflection    = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	ReflectionOld = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
)
