package main

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// bearer is an HTTP client that sends a session token.
type bearer struct {
	client *http.Client
	token  string
}

// Do implements connect.HTTPClient.
func (b bearer) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.client.Do(r) //nolint:gosec // to a server that we have started
}

// ask makes one call with the ordinary client and looks at the answer as a message:
// that a target answers rightly is known before it is measured, and a refusal comes
// with its words.
func ask(ctx context.Context, base string, o op, p protocol, token string, request proto.Message) (proto.Message, error) {
	protocols := new(http.Protocols)
	var options []connect.ClientOption
	switch p {
	case overGRPC:
		protocols.SetUnencryptedHTTP2(true)
		options = append(options, connect.WithGRPC())
	case connectJSON:
		protocols.SetHTTP1(true)
		options = append(options, connect.WithProtoJSON())
	default:
		protocols.SetHTTP1(true)
	}
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	service := teamtaskv1connect.NewTaskServiceClient(bearer{client: &http.Client{Transport: transport}, token: token}, base, options...)
	switch r := request.(type) {
	case *teamtaskv1.GetTaskRequest:
		answer, err := service.GetTask(ctx, r)
		if err == nil && answer.GetTask().GetId() == "" {
			err = fmt.Errorf("%s: no task in the answer", o)
		}
		return answer, err
	case *teamtaskv1.ListTasksRequest:
		answer, err := service.ListTasks(ctx, r)
		if err == nil && (len(answer.GetTasks()) != listSize || answer.GetNextPageToken() == "") {
			err = fmt.Errorf("%s: %d tasks and a page token of %d bytes, instead of %d and one",
				o, len(answer.GetTasks()), len(answer.GetNextPageToken()), listSize)
		}
		return answer, err
	case *teamtaskv1.CreateTaskRequest:
		answer, err := service.CreateTask(ctx, r)
		if err == nil && answer.GetTask().GetId() == "" {
			err = fmt.Errorf("%s: no task in the answer", o)
		}
		return answer, err
	default:
		return nil, fmt.Errorf("%s: there is no such request", o)
	}
}
