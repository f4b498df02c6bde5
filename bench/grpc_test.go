package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// stage is a TaskService that answers what a test wants.
type stage struct {
	teamtaskv1connect.UnimplementedTaskServiceHandler

	get func(*teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error)
}

func (s stage) GetTask(_ context.Context, r *teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error) {
	return s.get(r)
}

// dialGRPC serves the handler over HTTP/2 and opens a connection to it that asks for
// tasks with these ids in turn.
func dialGRPC(t *testing.T, handler http.Handler, answer bounds, ids ...string) *grpcConn {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var requests []proto.Message
	for _, id := range ids {
		requests = append(requests, &teamtaskv1.GetTaskRequest{Id: id})
	}
	messages, err := overGRPC.encode(requests)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newGRPCConn(conn, conn.RemoteAddr().String(), getTask.path(), strings.Repeat("t", 900), messages, answer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.close() })
	return c
}

func serviceHandler(get func(*teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error)) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(teamtaskv1connect.NewTaskServiceHandler(stage{get: get}))
	return mux
}

func taskNamed(name string) *teamtaskv1.GetTaskResponse {
	return &teamtaskv1.GetTaskResponse{Task: &teamtaskv1.Task{Name: name}}
}

func TestManyCallsGoOverOneConnection(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("n", 40_000) // several frames each
	var asked []string
	handler := serviceHandler(func(r *teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error) {
		asked = append(asked, r.GetId())
		return taskNamed(name), nil
	})
	tokens := 0
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+strings.Repeat("t", 900) {
			tokens++
		}
		handler.ServeHTTP(w, r)
	})
	c := dialGRPC(t, counted, boundsAround(proto.Size(taskNamed(name)), false), "one", "two")
	const calls = 3000 // with all that they answer, beyond what a window holds at first
	for n := range calls {
		if err := c.call(n); err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
	}
	if len(asked) != calls || asked[0] != "one" || asked[1] != "two" || asked[2] != "one" || tokens != calls {
		t.Errorf("got %d calls with %d tokens", len(asked), tokens)
	}
}

func TestWindowIsOpenedAgain(t *testing.T) {
	t.Parallel()
	c := dialGRPC(t, serviceHandler(func(*teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error) {
		return taskNamed(strings.Repeat("n", 1000)), nil
	}), boundsAround(1006, false), "one")
	if err := c.call(0); err != nil {
		t.Fatal(err)
	}
	c.mayReceive = connWindow / 2 // as after half a gigabyte
	for n := range 2 {
		if err := c.call(n); err != nil {
			t.Fatal(err)
		}
	}
	if c.mayReceive < connWindow*9/10 {
		t.Errorf("the server may send %d bytes more", c.mayReceive)
	}
}

func TestGRPCAnswerThatIsNotRightIsRefused(t *testing.T) {
	t.Parallel()
	plain := func(write func(http.ResponseWriter)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { write(w) })
	}
	trailer := func(w http.ResponseWriter) { w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0") }
	for name, handler := range map[string]http.Handler{
		"an error": serviceHandler(func(*teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error) {
			return nil, errors.New("no")
		}),
		"a short answer": serviceHandler(func(*teamtaskv1.GetTaskRequest) (*teamtaskv1.GetTaskResponse, error) {
			return taskNamed("n"), nil
		}),
		"not found":  http.NotFoundHandler(),
		"no status":  plain(func(w http.ResponseWriter) { w.Write(append([]byte{0, 0, 0, 0, 100}, make([]byte, 100)...)) }),
		"no message": plain(trailer),
		"half of it": plain(func(w http.ResponseWriter) { w.Write([]byte{0, 0, 0, 0, 100, 1, 2}); trailer(w) }),
		"compressed": plain(func(w http.ResponseWriter) {
			w.Write(append([]byte{1, 0, 0, 0, 100}, make([]byte, 100)...))
			trailer(w)
		}),
		"broken off":   plain(func(http.ResponseWriter) { panic(http.ErrAbortHandler) }),
		"two messages": plain(func(w http.ResponseWriter) { w.Write(append([]byte{0, 0, 0, 0, 50}, make([]byte, 105)...)); trailer(w) }),
	} {
		if err := dialGRPC(t, handler, boundsAround(100, false), "one").call(0); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	right := plain(func(w http.ResponseWriter) {
		w.Write(append([]byte{0, 0, 0, 0, 100}, make([]byte, 100)...))
		trailer(w)
	})
	if err := dialGRPC(t, right, boundsAround(100, false), "one").call(0); err != nil {
		t.Errorf("the right one: %v", err)
	}
}
