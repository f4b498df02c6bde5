package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/hostile"
)

// unread sends requests on connections whose buffers are small and reads nothing, until
// the test ends.
func (s *stack) unread(t *testing.T, address string, openings ...string) {
	t.Helper()
	for _, opening := range openings {
		conn, err := narrow.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, opening); err != nil {
			t.Fatal(err)
		}
	}
}

// longTexts puts tasks whose texts fill several pages.
func (s *stack) longTexts(t *testing.T, tenant string) {
	t.Helper()
	rows := make([]row, 60)
	for i := range rows {
		rows[i] = row{tenant: tenant, description: strings.Repeat("x", 10_000)}
	}
	s.put(rows...)
}

// An answer is in memory until its reader takes it: beyond what a tenant may have, its
// lists are refused, and nobody else's.
func TestAnswersThatNobodyReadsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	s.longTexts(t, gamers)
	s.longTexts(t, acme)
	token := s.token("alice", "d2-gamers", 2)
	within := DefaultTimeouts()
	within.Stall, within.Write, within.Read = time.Hour, time.Hour, time.Hour // however slow the machine is
	address := s.listenNarrowly(within)
	const conns, perConn = 300, 62
	s.unread(t, address, get(listing, token)+"\r\n")
	one := 0
	until(t, "one waits for its reader", func() bool {
		one = s.calls.Memory.Used()
		return one > admission.ResponseCopies*256<<10 && s.calls.Working() == 0
	})
	openings := make([]string, conns)
	for i := range openings {
		openings[i] = get(listing, token) + "\r\n"
	}
	s.unread(t, address, openings...)
	blocked := func(calls int) {
		t.Helper()
		until(t, "every call is refused or waits for its reader", func() bool {
			return s.outcomes(t, listTasks, "resource_exhausted")+s.calls.Memory.Used()/one >= calls+1 && s.calls.Working() == 0
		})
		if used := s.calls.Memory.Used(); used > admission.RequestBytesMax/2 || used < admission.RequestBytesMax/4 {
			t.Errorf("%d bytes are taken by one tenant, %d may be", used, admission.RequestBytesMax/2)
		}
	}
	blocked(conns)

	// The streams of one connection of HTTP/2 count like connections.
	var streams strings.Builder
	streams.WriteString(greeting())
	for i := range perConn {
		streams.WriteString(frame(frameHeaders, endHeaders|endStream, uint32(2*i+1), request2(http.MethodGet, listing, token)))
	}
	s.unread(t, address, streams.String())
	blocked(conns + perConn)

	// What is small goes on, and so does everybody else.
	s.expect(t, "a list of the same tenant", s.post(listTasks, token, []byte("{}")), overloaded)
	if answer := s.post(getTask, token, fmt.Appendf(nil, `{"id":%q}`, newID(t))); answer.status != http.StatusNotFound {
		t.Errorf("a small call of the same tenant: status %d", answer.status)
	}
	if answer := s.post(listTasks, s.token("erin", "acme", 2), []byte(`{"pageSize":200}`)); answer.status != http.StatusOK {
		t.Errorf("a list of another tenant: status %d: %.200s", answer.status, answer.body)
	}
}

// What was counted is given back when the answer has been read, or its reader is gone.
func TestWhatAnAnswerTookIsGivenBack(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	s.longTexts(t, gamers)
	for _, p := range protocols {
		client := p.typed(s, s.token("alice", "d2-gamers", 2))
		listed, err := client.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageSize: 200})
		if err != nil || listed.GetNextPageToken() == "" {
			t.Errorf("over %s: %d tasks, %v", p.name, len(listed.GetTasks()), err)
		}
		until(t, "what the answer took is given back over "+p.name, func() bool { return s.calls.Memory.Used() == 0 })
	}
	conn, err := narrow.DialContext(t.Context(), "tcp", s.listenNarrowly(DefaultTimeouts()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, get(listing, s.token("alice", "d2-gamers", 2))+"\r\n"); err != nil {
		t.Fatal(err)
	}
	until(t, "an answer waits for its reader", func() bool { return s.calls.Memory.Used() >= admission.ResponseCopies*256<<10 })
	if tcp, ok := conn.(*net.TCPConn); !ok || tcp.SetLinger(0) != nil {
		t.Error("the connection cannot be reset")
	}
	conn.Close()
	until(t, "its reader has gone", func() bool { return s.calls.Memory.Used() == 0 })
}

// A change that was made is reported, whether or not there is room to say so; the tenant
// that has taken too much by it makes no further calls until its answers are read.
func TestAChangeIsReportedWhereThereIsNoRoomForMore(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	requests := s.calls.Memory
	if !requests.Take(gamers, admission.RequestBytesMax/2) {
		t.Fatal("the tenant cannot take what it may")
	}
	description := strings.Repeat("x", 9_000)
	s.expectNothingLost(t, token, description)
	for _, p := range protocols {
		_, err := p.typed(s, token).ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{})
		expectOverloaded(t, "a list over "+p.name, err)
	}
	requests.Force(gamers, 1)
	s.expect(t, "a change", s.post(createTask, token, []byte(`{"name":"x"}`)), overloaded)
	s.expect(t, "a small call", s.post(getTask, token, fmt.Appendf(nil, `{"id":%q}`, newID(t))), overloaded)
	listed(t, s.as("erin", "acme"))
	requests.Give(gamers, admission.RequestBytesMax/2+1)
	listed(t, s.as("alice", "d2-gamers"))
	until(t, "all is given back", func() bool { return requests.Used() == 0 })
}

// expectNothingLost wants a task made and its answer told.
func (s *stack) expectNothingLost(t *testing.T, token, description string) {
	t.Helper()
	body := hostile.Gzip(t, fmt.Appendf(nil, `{"name":"x","description":%q}`, description))
	answer := s.post(createTask, token, body, map[string]string{"Content-Encoding": "gzip"})
	if made := s.count(`SELECT count(*) FROM tasks`); answer.status != http.StatusOK && made != 0 || answer.status == http.StatusOK && !bytes.Contains(answer.body, []byte(description)) {
		t.Errorf("status %d, %d tasks", answer.status, made)
	}
}

// The answer of an impatient server is cut once its reader stalls, long before the time
// for the whole of it.
func TestAStalledReaderIsCut(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	s.longTexts(t, gamers)
	within := DefaultTimeouts()
	within.Stall = 500 * time.Millisecond
	within.Write, within.Read = time.Hour, time.Hour // nothing else ends it
	token := s.token("alice", "d2-gamers", 2)
	address := s.listenNarrowly(within)
	s.unread(t, address, get(listing, token)+"\r\n",
		greeting()+frame(frameHeaders, endHeaders|endStream, 1, request2(http.MethodGet, listing, token)))
	until(t, "two answers were begun", func() bool { return s.outcomes(t, listTasks, "ok") == 2 })
	until(t, "both readers are cut", func() bool { return s.calls.Memory.Used() == 0 })
}
