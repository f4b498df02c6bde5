package admission

import (
	"context"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// Only the methods whose answers may be large are refused on their headers.
func TestListsAreTheMethodsWithListsInTheirAnswers(t *testing.T) {
	t.Parallel()
	seen := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("teamtask.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				seen++
				got := lists(connect.Spec{Schema: m})
				if want := strings.HasPrefix(string(m.Name()), "List"); got != want {
					t.Errorf("%s: %v, want %v", m.Name(), got, want)
				}
			}
		}
		return true
	})
	if seen == 0 {
		t.Error("no methods were found")
	}
	if lists(connect.Spec{}) {
		t.Error("a method without a descriptor lists")
	}
}

// Streams count each message while it is sent.
func TestMessagesOfAStreamAreCountedWhileTheyAreSent(t *testing.T) {
	t.Parallel()
	requests := NewMemoryBudget(1<<20, 1<<20)
	h := &request{Reservation: Reservation{budget: requests, tenant: gamers}}
	sent := make(chan int, 1)
	conn := &sending{sent: func() { sent <- requests.Used() }}
	handler := Responses{}.WrapStreamingHandler(func(_ context.Context, conn connect.StreamingHandlerConn) error {
		return conn.Send(&teamtaskv1.Task{Description: strings.Repeat("x", 100<<10)})
	})
	ctx := context.WithValue(t.Context(), requestKey{}, h)
	if err := handler(ctx, conn); err != nil {
		t.Fatal(err)
	}
	if n := <-sent; n < 300<<10 {
		t.Errorf("%d bytes were taken while it was sent", n)
	}
	if n := requests.Used(); n != 0 {
		t.Errorf("%d bytes are taken after it", n)
	}
	requests.Force(gamers, 1<<20)
	expectFault(t, handler(ctx, conn))
	if n := requests.Used(); n != 1<<20 || len(sent) != 0 {
		t.Errorf("%d bytes are taken after a refusal, %d messages were sent", n, len(sent))
	}
}

type sending struct {
	connect.StreamingHandlerConn
	sent func()
}

func (s *sending) Send(any) error { s.sent(); return nil }

func expectFault(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "too much to do") {
		t.Errorf("got %v, want it refused", err)
	}
}
