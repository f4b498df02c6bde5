package stacktest

import (
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

func idempotencyOf(m protoreflect.MethodDescriptor) connect.IdempotencyLevel {
	options, _ := m.Options().(*descriptorpb.MethodOptions)
	return connect.IdempotencyLevel(options.GetIdempotencyLevel())
}

// IsRead tells whether the method is marked as having no side effects.
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
