package server_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// postOf is a whole request of HTTP/1.1.
func postOf(procedure, token, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: teamtask\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		procedure, token, len(body), body)
}

// hangUp closes the connection: as a process that ends does, or as one that is killed.
func hangUp(w *stacktest.RawConn, abruptly bool) {
	if tcp, ok := w.Conn.(*net.TCPConn); abruptly && ok {
		_ = tcp.SetLinger(0) // a reset in place of an end
	}
	w.Close()
}

// Of 10,000 calls nobody waits for the end: half of them not even to ask for all of it.
//
//nolint:paralleltest // it counts the goroutines and files of the process
func TestCallersWhoVanishLeaveNothingBehind(t *testing.T) {
	s := stacktest.New(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers", Description: strings.Repeat("x", 10_000)})[0]
	token := s.Token("alice", "d2-gamers", 2)
	s.UseAllConnections(t)
	backends := backends(t, s)
	before := s.Footprint()
	stop := s.Served(t)
	requests := []string{
		postOf(stacktest.GetTask, token, `{"id":"`+id+`"}`),
		postOf(stacktest.ListTasks, token, `{}`),
		postOf(stacktest.UpdateTask, token, `{"id":"`+id+`","done":true,"updateMask":"done"}`),
		postOf(stacktest.CreateTask, token, `{"name":"x"}`),
		stacktest.Greeting() + stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders|stacktest.EndStream, 1, stacktest.Request2(http.MethodGet, stacktest.Listing, token)),
	}
	const calls, atOnce = 10_000, 20
	var calling sync.WaitGroup
	for worker := range atOnce {
		calling.Go(func() {
			for i := worker; i < calls; i += atOnce {
				request := requests[i%len(requests)]
				if i/2%2 == 0 { // in the middle of what they say
					request = request[:len(request)*(i%97)/97]
				}
				conn := s.Dial()
				conn.Say(request)
				hangUp(conn, i%3 == 0)
			}
		})
	}
	calling.Wait()
	if n := stop(); n == 0 {
		t.Error("nobody else was served")
	}
	s.Settles(t, before)
	poolIsWhole(t, s, backends)
	stacktest.Listed(t, s.As("ben", "d2-gamers"))
}

// A statement that waits for a lock is given up with its caller, and its connection
// serves the next.
//
//nolint:paralleltest // it counts the goroutines and files of the process
func TestCallersWhoHangUpDoNotUseUpThePool(t *testing.T) {
	s := stacktest.New(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	size := s.UseAllConnections(t)
	backends := backends(t, s)
	before := s.Footprint()
	stop := s.Served(t)
	release := lock(t, s, id)
	request := postOf(stacktest.UpdateTask, s.Token("alice", "d2-gamers", 2), `{"id":"`+id+`","done":true,"updateMask":"done"}`)
	conns := make([]*stacktest.RawConn, 3*size)
	for i := range conns {
		conns[i] = s.Dial()
		conns[i].Say(request)
	}
	waitForBackends(t, "statements that wait", func() bool { return waiting(s) > 0 })
	for i, conn := range conns {
		hangUp(conn, i%2 == 0)
	}
	waitForBackends(t, "nothing that waits", func() bool {
		_, used := s.DB.Connections()
		return waiting(s) == 0 && used <= 1 // somebody else is being served
	})
	stacktest.Listed(t, s.As("ben", "d2-gamers")) // the lock is still held
	stop()
	release()
	canceled := s.Outcomes(t, stacktest.UpdateTask, "canceled")
	if canceled < len(conns)-size {
		t.Errorf("%d of %d calls ended with their callers", canceled, len(conns))
	}
	t.Logf("%d of %d calls ended with their callers", canceled, len(conns))
	s.HTTP1.CloseIdleConnections()
	s.Settles(t, before)
	poolIsWhole(t, s, backends)
	if n := s.Count(`SELECT count(*) FROM tasks WHERE done`); n != 0 {
		t.Errorf("%d tasks were changed by callers who had gone", n)
	}
	if _, err := s.As("alice", "d2-gamers").GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: id}); err != nil {
		t.Error(err)
	}
}

// lock keeps the row from being changed, until it is released.
func lock(t *testing.T, s *stacktest.Stack, id string) (release func()) {
	t.Helper()
	tx, err := s.Admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	undo := func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) } // twice is once
	t.Cleanup(undo)
	if _, err := tx.Exec(t.Context(), `SELECT FROM tasks WHERE id = $1 FOR UPDATE`, id); err != nil {
		t.Fatal(err)
	}
	return undo
}

// waiting is how many statements of the server wait for a lock.
func waiting(s *stacktest.Stack) int {
	s.T.Helper()
	return s.Count(`SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'teamtask' AND wait_event_type = 'Lock'`)
}

// backends are the connections of the server, by their processes.
func backends(t *testing.T, s *stacktest.Stack) []int {
	t.Helper()
	rows, err := s.Admin.Query(t.Context(), `SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'teamtask' ORDER BY pid`)
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

// poolIsWhole compares the connections with those of before: all are there, and idle.
func poolIsWhole(t *testing.T, s *stacktest.Stack, before []int) {
	t.Helper()
	waitForBackends(t, "a pool at rest", func() bool { _, used := s.DB.Connections(); return used == 0 })
	if open, _ := s.DB.Connections(); open != len(before) {
		t.Errorf("%d connections are open, want %d", open, len(before))
	}
	if diff := cmp.Diff(before, backends(t, s)); diff != "" {
		t.Errorf("connections were lost (-before +after):\n%s", diff)
	}
}

// waitForBackends asks again and again until it is so.
func waitForBackends(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(stacktest.WaitMax)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("no %s within %v", what, stacktest.WaitMax)
		}
	}
}
