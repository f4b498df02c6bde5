package stacktest

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/wire"
)

// bearing is a transport that sends a token with every request and looks at what every
// response must carry.
type bearing struct {
	s     *Stack
	token string
	next  http.RoundTripper
}

// Transport returns a transport that sends the token with every request.
func (s *Stack) Transport(token string, next http.RoundTripper) http.RoundTripper {
	return bearing{s, token, next}
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	r.Header.Set(fault.RequestIDHeader, "of-the-caller")
	response, err := b.next.RoundTrip(r)
	if err == nil {
		b.s.Look(r.Method+" "+r.URL.Path, response)
	}
	return response, err
}

// Look checks what every response of the server has in common.
func (s *Stack) Look(title string, response *http.Response) {
	if response.StatusCode == http.StatusRequestHeaderFieldsTooLarge {
		return // by net/http, before anything of ours
	}
	id := response.Header.Get(fault.RequestIDHeader)
	if _, twice := s.ids.LoadOrStore(id, true); twice || len(id) < 20 || len(response.Header.Values(fault.RequestIDHeader)) != 1 {
		s.T.Errorf("%s: request id %q, want one of its own", title, response.Header.Values(fault.RequestIDHeader))
	}
	for key, want := range map[string]string{
		"Cache-Control":           "no-store",
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"Server":                  "",
		"Set-Cookie":              "",
	} {
		if got := response.Header.Get(key); got != want {
			s.T.Errorf("%s: %s = %q, want %q", title, key, got, want)
		}
	}
}

// Client speaks Connect with JSON over HTTP/1.1 unless the options say otherwise.
func (s *Stack) Client(token string, options ...connect.ClientOption) teamtaskv1connect.TaskServiceClient {
	options = append([]connect.ClientOption{connect.WithProtoJSON()}, options...)
	return teamtaskv1connect.NewTaskServiceClient(
		&http.Client{Transport: s.Transport(token, s.HTTP1)}, s.URL, options...)
}

// As is a client for a person of the sandbox, with a version 2 token.
func (s *Stack) As(user, org string) teamtaskv1connect.TaskServiceClient {
	s.T.Helper()
	return s.Client(s.Token(user, org, 2))
}

// In is a context for one step of a test.
func (s *Stack) In() context.Context { return s.T.Context() }

// Members is a client of the membership for a person of the sandbox.
func (s *Stack) Members(user, org string, version int) teamtaskv1connect.MembershipServiceClient {
	return teamtaskv1connect.NewMembershipServiceClient(
		&http.Client{Transport: s.Transport(s.Token(user, org, version), s.HTTP1)}, s.URL, connect.WithProtoJSON())
}

// Second returns the error of a call whose result is of no interest.
func Second[T any](_ T, err error) error { return err }

// Create makes a task and wants it to go well.
func Create(t *testing.T, c teamtaskv1connect.TaskServiceClient, request *teamtaskv1.CreateTaskRequest) *teamtaskv1.Task {
	t.Helper()
	answer, err := c.CreateTask(t.Context(), request)
	if err != nil {
		t.Fatalf("CreateTask: %v", err)
	}
	return answer.GetTask()
}

// Masked returns the request with a mask of the paths.
func Masked(r *teamtaskv1.UpdateTaskRequest, paths ...string) *teamtaskv1.UpdateTaskRequest {
	r.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
	return r
}

// JSONOf returns the message in JSON.
func JSONOf(t *testing.T, m proto.Message) []byte {
	t.Helper()
	body, err := wire.JSON().Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Served has a member of another organization use the server as it is meant, each time on a
// connection of its own, until stop, which returns how often.
func (s *Stack) Served(t *testing.T) (stop func() int) {
	t.Helper()
	client := teamtaskv1connect.NewTaskServiceClient(&http.Client{Transport: s.Transport(s.Token("erin", "acme", 2), &http.Transport{DisableKeepAlives: true})}, s.URL, connect.WithProtoJSON())
	Listed(t, client) // what is opened once is open now
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	var calling sync.WaitGroup
	calling.Go(func() {
		for ; ctx.Err() == nil; calls++ {
			Listed(t, client)
		}
	})
	return func() int {
		cancel()
		calling.Wait()
		return calls
	}
}

// Listed calls ListTasks as any client would.
func Listed(t *testing.T, client teamtaskv1connect.TaskServiceClient) {
	t.Helper()
	if _, err := client.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageSize: 1}); err != nil {
		t.Errorf("a client that behaves: %v", err)
	}
}

// PostMessage sends the message as Connect JSON.
func (s *Stack) PostMessage(procedure, token string, request proto.Message) Reply {
	s.T.Helper()
	body, err := protojson.Marshal(request)
	if err != nil {
		s.T.Fatal(err)
	}
	return s.Post(procedure, token, body)
}
