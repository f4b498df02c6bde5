package main

import (
	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

var mismatch = refused(connect.CodeAborted, "ETAG_MISMATCH")

func masked(r *teamtaskv1.UpdateTaskRequest, paths ...string) *teamtaskv1.UpdateTaskRequest {
	r.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
	return r
}

func notAllowed(path string) refusal {
	return refusal{connect.CodeInvalidArgument, "INVALID_ARGUMENT", map[string]string{"path": path}}
}
