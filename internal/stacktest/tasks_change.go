package stacktest

import (
	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

var Mismatch = Refused(connect.CodeAborted, "ETAG_MISMATCH")

func Masked(r *teamtaskv1.UpdateTaskRequest, paths ...string) *teamtaskv1.UpdateTaskRequest {
	r.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
	return r
}

func NotAllowed(path string) Refusal {
	return Refusal{connect.CodeInvalidArgument, "INVALID_ARGUMENT", map[string]string{"path": path}}
}
