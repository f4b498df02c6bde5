package main

import (
	"encoding/base64"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// op is an operation that is measured.
type op string

const (
	getTask    op = "GetTask"
	listTasks  op = "ListTasks"
	createTask op = "CreateTask"
)

var allOps = []op{getTask, listTasks, createTask}

// protocol is how it is called.
type protocol string

const (
	connectJSON  protocol = "connect-json"
	connectProto protocol = "connect-proto"
	overGRPC     protocol = "grpc"
)

var allProtocols = []protocol{connectJSON, connectProto, overGRPC}

const (
	listSize = 50 // tasks of a list
	variants = 64 // different requests of an operation
)

func (o op) path() string {
	switch o {
	case getTask:
		return teamtaskv1connect.TaskServiceGetTaskProcedure
	case listTasks:
		return teamtaskv1connect.TaskServiceListTasksProcedure
	default:
		return teamtaskv1connect.TaskServiceCreateTaskProcedure
	}
}

// requests are the messages that are sent, in turn. The ids are of tasks that the
// caller may see.
func (o op) requests(ids []string) []proto.Message {
	switch o {
	case getTask:
		requests := make([]proto.Message, len(ids))
		for i, id := range ids {
			requests[i] = &teamtaskv1.GetTaskRequest{Id: id}
		}
		return requests
	case listTasks:
		return []proto.Message{&teamtaskv1.ListTasksRequest{PageSize: listSize}}
	default:
		texts := newCorpus(1)
		requests := make([]proto.Message, variants)
		for i := range requests {
			requests[i] = &teamtaskv1.CreateTaskRequest{Name: texts.name(), Description: texts.description()}
		}
		return requests
	}
}

// encode writes messages as the protocol's bodies.
func (p protocol) encode(messages []proto.Message) ([][]byte, error) {
	bodies := make([][]byte, len(messages))
	for i, m := range messages {
		var err error
		if p == connectJSON {
			bodies[i], err = protojson.Marshal(m)
		} else {
			bodies[i], err = proto.Marshal(m)
		}
		if err != nil {
			return nil, fmt.Errorf("write a request: %w", err)
		}
	}
	return bodies, nil
}

// expect is what the body of an answer like this one looks like.
func (p protocol) expect(answer proto.Message) (bounds, error) {
	if p != connectJSON {
		return boundsAround(proto.Size(answer), false), nil
	}
	text, err := protojson.Marshal(answer)
	if err != nil {
		return bounds{}, fmt.Errorf("write an answer: %w", err)
	}
	return boundsAround(len(text), true), nil
}

func (p protocol) contentType() string {
	if p == connectJSON {
		return "application/json"
	}
	return "application/proto"
}

// pageToken is what a floor answers for the next page: of about the size of a sealed
// one, and sealed by nobody.
func pageToken(last []byte) string {
	const sealedLength = 60 // bytes, before they are written as text
	return base64.RawURLEncoding.EncodeToString(append(last, make([]byte, sealedLength-len(last))...))
}
