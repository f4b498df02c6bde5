package main

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
)

// postOf is a whole request of HTTP/1.1.
func postOf(procedure, token, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: teamtask\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		procedure, token, len(body), body)
}

// hangUp closes the connection: as a process that ends does, or as one that is killed.
func (w *rawConn) hangUp(abruptly bool) {
	if tcp, ok := w.Conn.(*net.TCPConn); abruptly && ok {
		_ = tcp.SetLinger(0) // a reset in place of an end
	}
	w.Close()
}

// Of 10,000 calls nobody waits for the end: half of them not even to ask for all of it.
//
//nolint:paralleltest // it counts the goroutines and files of the process
func TestCallersWhoVanishLeaveNothingBehind(t *testing.T) {
	s := newStack(t, nil)
	id := s.put(row{tenant: "org_d2gamers", description: strings.Repeat("x", 10_000)})[0]
	token := s.token("alice", "d2-gamers", 2)
	s.useAllConnections(t)
	backends := s.backends(t)
	before := s.footprint()
	stop := s.served(t)
	requests := []string{
		postOf(getTask, token, `{"id":"`+id+`"}`),
		postOf(listTasks, token, `{}`),
		postOf(updateTask, token, `{"id":"`+id+`","done":true,"updateMask":"done"}`),
		postOf(createTask, token, `{"name":"x"}`),
		greeting() + frame(frameHeaders, endHeaders|endStream, 1, request2(http.MethodGet, listing, token)),
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
				conn := s.dial()
				conn.say(request)
				conn.hangUp(i%3 == 0)
			}
		})
	}
	calling.Wait()
	if n := stop(); n == 0 {
		t.Error("nobody else was served")
	}
	s.settles(t, before)
	s.poolIsWhole(t, backends)
	listed(t, s.as("ben", "d2-gamers"))
}

// A statement that waits for a lock is given up with its caller, and its connection
// serves the next.
//
//nolint:paralleltest // it counts the goroutines and files of the process
func TestCallersWhoHangUpDoNotUseUpThePool(t *testing.T) {
	s := newStack(t, nil)
	id := s.put(row{tenant: "org_d2gamers"})[0]
	size := s.useAllConnections(t)
	backends := s.backends(t)
	before := s.footprint()
	stop := s.served(t)
	release := s.lock(t, id)
	request := postOf(updateTask, s.token("alice", "d2-gamers", 2), `{"id":"`+id+`","done":true,"updateMask":"done"}`)
	conns := make([]*rawConn, 3*size)
	for i := range conns {
		conns[i] = s.dial()
		conns[i].say(request)
	}
	s.waitFor(t, "statements that wait", func() bool { return s.waiting() > 0 })
	for i, conn := range conns {
		conn.hangUp(i%2 == 0)
	}
	s.waitFor(t, "nothing that waits", func() bool {
		_, used := s.db.Connections()
		return s.waiting() == 0 && used <= 1 // somebody else is being served
	})
	listed(t, s.as("ben", "d2-gamers")) // the lock is still held
	stop()
	release()
	canceled := s.outcomes(t, updateTask, "canceled")
	if canceled < len(conns)-size {
		t.Errorf("%d of %d calls ended with their callers", canceled, len(conns))
	}
	t.Logf("%d of %d calls ended with their callers", canceled, len(conns))
	s.http1.CloseIdleConnections()
	s.settles(t, before)
	s.poolIsWhole(t, backends)
	if n := s.count(`SELECT count(*) FROM tasks WHERE done`); n != 0 {
		t.Errorf("%d tasks were changed by callers who had gone", n)
	}
	if _, err := s.as("alice", "d2-gamers").GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: id}); err != nil {
		t.Error(err)
	}
}

// lock keeps the row from being changed, until it is released.
func (s *stack) lock(t *testing.T, id string) (release func()) {
	t.Helper()
	tx, err := s.admin.Begin(t.Context())
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
func (s *stack) waiting() int {
	s.t.Helper()
	return s.count(`SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'teamtask' AND wait_event_type = 'Lock'`)
}

// backends are the connections of the server, by their processes.
func (s *stack) backends(t *testing.T) []int {
	t.Helper()
	rows, err := s.admin.Query(t.Context(), `SELECT pid FROM pg_stat_activity
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
func (s *stack) poolIsWhole(t *testing.T, before []int) {
	t.Helper()
	s.waitFor(t, "a pool at rest", func() bool { _, used := s.db.Connections(); return used == 0 })
	if open, _ := s.db.Connections(); open != len(before) {
		t.Errorf("%d connections are open, want %d", open, len(before))
	}
	if diff := cmp.Diff(before, s.backends(t)); diff != "" {
		t.Errorf("connections were lost (-before +after):\n%s", diff)
	}
}

// waitFor asks again and again until it is so.
func (s *stack) waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(waitMax)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("no %s within %v", what, waitMax)
		}
	}
}
