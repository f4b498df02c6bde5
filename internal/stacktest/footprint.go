package stacktest

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Footprint is what the process holds, without the connections of the pools: they
// stay open on purpose.
type Footprint struct{ goroutines, files int }

// Footprint returns what the process holds now.
func (s *Stack) Footprint() Footprint {
	s.T.Helper()
	files, err := os.ReadDir("/dev/fd")
	if err != nil {
		s.T.Fatal(err)
	}
	open, _ := s.DB.Connections()
	return Footprint{runtime.NumGoroutine(), len(files) - open - int(s.Admin.Stat().TotalConns())}
}

// Settles waits until the process holds no more than before. At each connection of a
// pool the driver may leave a reader, where a write was slow.
func (s *Stack) Settles(t *testing.T, before Footprint) {
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

// UseUp keeps all connections of the pool in use, each for a tenant, until free.
func (s *Stack) UseUp(t *testing.T) (free func()) {
	t.Helper()
	release := make(chan struct{})
	var using sync.WaitGroup
	all := server.Statements()
	look := all[slices.IndexFunc(all, func(s tenancy.Statement) bool { return s.Name == "select_task" })]
	for i := range s.DB.Size() {
		using.Go(func() {
			someone := fmt.Sprintf("user_%d", i)
			err := s.DB.In(t.Context(), tenancy.Actor{User: someone, Tenant: someone}, func(tx *tenancy.Tx) error {
				_, err := tenancy.Exec(t.Context(), tx, look, someone, uuid.New())
				<-release
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	Until(t, "all connections are in use", func() bool {
		_, used := s.DB.Connections()
		return used == s.DB.Size()
	})
	return func() {
		close(release)
		using.Wait()
	}
}

// UseAllConnections lets the pool grow to its full size, and returns it. What a first call
// opens and keeps, the connection to the key set among it, is open afterwards as well.
func (s *Stack) UseAllConnections(t *testing.T) int {
	t.Helper()
	s.UseUp(t)()
	s.Send(&http.Transport{DisableKeepAlives: true}, http.MethodPost, ListTasks, s.Token("alice", "d2-gamers", 2),
		map[string]string{"Content-Type": "application/json"}, strings.NewReader("{}"))
	return s.DB.Size()
}

// Outcomes is how many calls of the method ended with the code.
func (s *Stack) Outcomes(t *testing.T, method, code string) int {
	t.Helper()
	families, err := s.Metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			if family.GetName() == "teamtask_calls_total" && slices.Contains(labels, method) && slices.Contains(labels, code) {
				total += int(m.GetCounter().GetValue())
			}
		}
	}
	return total
}
