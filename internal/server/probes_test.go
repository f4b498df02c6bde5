package server_test

import (
	"sync"
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// Probes take no connections from calls, however many there are, and calls none from them.
func TestProbesTakeNoConnectionsFromCalls(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	free := s.UseUp(t)
	defer free()
	var asking sync.WaitGroup
	for range 200 {
		asking.Go(func() {
			if err := s.DB.Ready(t.Context()); err != nil {
				t.Errorf("while all connections are in use: %v", err)
			}
		})
	}
	asking.Wait()
	var backends int
	if err := s.Admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'teamtask'`).Scan(&backends); err != nil {
		t.Fatal(err)
	}
	if want := s.DB.Size() + 1; backends != want {
		t.Errorf("%d connections, want %d for calls and one for probes", backends, want-1)
	}
}
