// Pins validate.proto: the module holds no Go code, tools/fetch-validate copies its
// folder proto/protovalidate. `go mod tidy` here would drop the line.
module github.com/teamtask/teamtask/tools/proto

go 1.26.0

require github.com/bufbuild/protovalidate v1.2.2
