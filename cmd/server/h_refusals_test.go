package main

import (
	"connectrpc.com/connect"
)

var (
	unreadable = refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT")
	noMethod   = refused(connect.CodeUnimplemented, "METHOD_UNKNOWN")
)
