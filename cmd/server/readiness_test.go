package main

import (
	"sync"
	"testing"
)

// Probes take no connections from calls, however many there are, and calls none from them.
func TestProbesTakeNoConnectionsFromCalls(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	free := s.useUp(t)
	defer free()
	var asking sync.WaitGroup
	for range 200 {
		asking.Go(func() {
			if err := s.db.Ready(t.Context()); err != nil {
				t.Errorf("while all connections are in use: %v", err)
			}
		})
	}
	asking.Wait()
	var backends int
	if err := s.admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'teamtask'`).Scan(&backends); err != nil {
		t.Fatal(err)
	}
	if want := s.db.Size() + 1; backends != want {
		t.Errorf("%d connections, want %d for calls and one for probes", backends, want-1)
	}
}
