package stacktest

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// Served lets somebody of another organization use the server as it is meant, each
// time on a connection of its own, until the function that it answers is called, which says how often.
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

// footprint is what the process holds, without the connections of the pools: they
// stay open on purpose.
type footprint struct{ goroutines, files int }

func (s *Stack) Footprint() footprint {
	s.T.Helper()
	files, err := os.ReadDir("/dev/fd")
	if err != nil {
		s.T.Fatal(err)
	}
	open, _ := s.DB.Connections()
	return footprint{runtime.NumGoroutine(), len(files) - open - int(s.Admin.Stat().TotalConns())}
}

// Settles waits until the process holds no more than before. At each connection of a
// pool the driver may leave a reader, where a write was slow.
func (s *Stack) Settles(t *testing.T, before footprint) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(WaitMax)
	for {
		now := s.Footprint()
		open, _ := s.DB.Connections()
		readers := open + int(s.Admin.Stat().TotalConns())
		if now.goroutines <= before.goroutines+readers && now.files <= before.files {
			t.Logf("before %+v, after %+v", before, now)
			return
		}
		select {
		case <-tick.C:
		case <-late:
			var stacks bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1) // to memory
			t.Fatalf("before %+v, after %+v\n%s", before, now, stacks.String())
		}
	}
}
