package server_test

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
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// unread sends requests on connections whose buffers are small and reads nothing, until
// the test ends.
func unread(t *testing.T, address string, openings ...string) {
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
func longTexts(t *testing.T, s *stacktest.Stack, tenant string) {
	t.Helper()
	rows := make([]stacktest.Row, 60)
	for i := range rows {
		rows[i] = stacktest.Row{Tenant: tenant, Description: strings.Repeat("x", 10_000)}
	}
	s.Put(rows...)
}

// An answer is in memory until its reader takes it: beyond what a tenant may have, its
// lists are refused, and nobody else's.
func TestAnswersThatNobodyReadsAreBounded(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	longTexts(t, s, stacktest.Gamers)
	longTexts(t, s, stacktest.Acme)
	token := s.Token("alice", "d2-gamers", 2)
	within := server.DefaultTimeouts()
	within.Stall, within.Write, within.Read = time.Hour, time.Hour, time.Hour // however slow the machine is
	address := listenNarrowly(s, within)
	const conns, perConn = 300, 62
	unread(t, address, stacktest.Get(stacktest.Listing, token)+"\r\n")
	one := 0
	stacktest.Until(t, "one waits for its reader", func() bool {
		one = s.Calls.Memory.Used()
		return one > admission.ResponseCopies*256<<10 && s.Calls.Working() == 0
	})
	openings := make([]string, conns)
	for i := range openings {
		openings[i] = stacktest.Get(stacktest.Listing, token) + "\r\n"
	}
	unread(t, address, openings...)
	blocked := func(calls int) {
		t.Helper()
		stacktest.Until(t, "every call is refused or waits for its reader", func() bool {
			return s.Outcomes(t, stacktest.ListTasks, "resource_exhausted")+s.Calls.Memory.Used()/one >= calls+1 && s.Calls.Working() == 0
		})
		if used := s.Calls.Memory.Used(); used > admission.RequestBytesMax/2 || used < admission.RequestBytesMax/4 {
			t.Errorf("%d bytes are taken by one tenant, %d may be", used, admission.RequestBytesMax/2)
		}
	}
	blocked(conns)

	// The streams of one connection of HTTP/2 count like connections.
	var streams strings.Builder
	streams.WriteString(stacktest.Greeting())
	for i := range perConn {
		streams.WriteString(stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders|stacktest.EndStream, uint32(2*i+1), stacktest.Request2(http.MethodGet, stacktest.Listing, token)))
	}
	unread(t, address, streams.String())
	blocked(conns + perConn)

	// What is small goes on, and so does everybody else.
	s.Expect(t, "a list of the same tenant", s.Post(stacktest.ListTasks, token, []byte("{}")), stacktest.Overloaded)
	if answer := s.Post(stacktest.GetTask, token, fmt.Appendf(nil, `{"id":%q}`, stacktest.NewID(t))); answer.Status != http.StatusNotFound {
		t.Errorf("a small call of the same tenant: status %d", answer.Status)
	}
	if answer := s.Post(stacktest.ListTasks, s.Token("erin", "acme", 2), []byte(`{"pageSize":200}`)); answer.Status != http.StatusOK {
		t.Errorf("a list of another tenant: status %d: %.200s", answer.Status, answer.Body)
	}
}

// What was counted is given back when the answer has been read, or its reader is gone.
func TestWhatAnAnswerTookIsGivenBack(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	longTexts(t, s, stacktest.Gamers)
	for _, p := range stacktest.Protocols {
		client := p.Typed(s, s.Token("alice", "d2-gamers", 2))
		listed, err := client.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageSize: 200})
		if err != nil || listed.GetNextPageToken() == "" {
			t.Errorf("over %s: %d tasks, %v", p.Name, len(listed.GetTasks()), err)
		}
		stacktest.Until(t, "what the answer took is given back over "+p.Name, func() bool { return s.Calls.Memory.Used() == 0 })
	}
	conn, err := narrow.DialContext(t.Context(), "tcp", listenNarrowly(s, server.DefaultTimeouts()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, stacktest.Get(stacktest.Listing, s.Token("alice", "d2-gamers", 2))+"\r\n"); err != nil {
		t.Fatal(err)
	}
	stacktest.Until(t, "an answer waits for its reader", func() bool { return s.Calls.Memory.Used() >= admission.ResponseCopies*256<<10 })
	if tcp, ok := conn.(*net.TCPConn); !ok || tcp.SetLinger(0) != nil {
		t.Error("the connection cannot be reset")
	}
	conn.Close()
	stacktest.Until(t, "its reader has gone", func() bool { return s.Calls.Memory.Used() == 0 })
}

// A change that was made is reported, whether or not there is room to say so; the tenant
// that has taken too much by it makes no further calls until its answers are read.
func TestAChangeIsReportedWhereThereIsNoRoomForMore(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	requests := s.Calls.Memory
	if !requests.Take(stacktest.Gamers, admission.RequestBytesMax/2) {
		t.Fatal("the tenant cannot take what it may")
	}
	description := strings.Repeat("x", 9_000)
	expectNothingLost(t, s, token, description)
	for _, p := range stacktest.Protocols {
		_, err := p.Typed(s, token).ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{})
		expectOverloaded(t, "a list over "+p.Name, err)
	}
	requests.Force(stacktest.Gamers, 1)
	s.Expect(t, "a change", s.Post(stacktest.CreateTask, token, []byte(`{"name":"x"}`)), stacktest.Overloaded)
	s.Expect(t, "a small call", s.Post(stacktest.GetTask, token, fmt.Appendf(nil, `{"id":%q}`, stacktest.NewID(t))), stacktest.Overloaded)
	stacktest.Listed(t, s.As("erin", "acme"))
	requests.Give(stacktest.Gamers, admission.RequestBytesMax/2+1)
	stacktest.Listed(t, s.As("alice", "d2-gamers"))
	stacktest.Until(t, "all is given back", func() bool { return requests.Used() == 0 })
}

// expectNothingLost wants a task made and its answer told.
func expectNothingLost(t *testing.T, s *stacktest.Stack, token, description string) {
	t.Helper()
	body := hostile.Gzip(t, fmt.Appendf(nil, `{"name":"x","description":%q}`, description))
	answer := s.Post(stacktest.CreateTask, token, body, map[string]string{"Content-Encoding": "gzip"})
	if made := s.Count(`SELECT count(*) FROM tasks`); answer.Status != http.StatusOK && made != 0 || answer.Status == http.StatusOK && !bytes.Contains(answer.Body, []byte(description)) {
		t.Errorf("status %d, %d tasks", answer.Status, made)
	}
}

// The answer of an impatient server is cut once its reader stalls, long before the time
// for the whole of it.
func TestAStalledReaderIsCut(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	longTexts(t, s, stacktest.Gamers)
	within := server.DefaultTimeouts()
	within.Stall = 500 * time.Millisecond
	within.Write, within.Read = time.Hour, time.Hour // nothing else ends it
	token := s.Token("alice", "d2-gamers", 2)
	address := listenNarrowly(s, within)
	unread(t, address, stacktest.Get(stacktest.Listing, token)+"\r\n",
		stacktest.Greeting()+stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders|stacktest.EndStream, 1, stacktest.Request2(http.MethodGet, stacktest.Listing, token)))
	stacktest.Until(t, "two answers were begun", func() bool { return s.Outcomes(t, stacktest.ListTasks, "ok") == 2 })
	stacktest.Until(t, "both readers are cut", func() bool { return s.Calls.Memory.Used() == 0 })
}
