package stacktest

import (
	"connectrpc.com/connect"
)

var (
	Unreadable = Refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT")
	NoMethod   = Refused(connect.CodeUnimplemented, "METHOD_UNKNOWN")
)
