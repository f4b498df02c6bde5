package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestHeadersAreBoundedInSizeAndNumber(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	for _, c := range []struct {
		name   string
		filler string
		want   int
	}{
		{"24 KiB", "X-Filler: " + strings.Repeat("x", 24<<10) + "\r\n", http.StatusOK},
		{"64 KiB", "X-Filler: " + strings.Repeat("x", 64<<10) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
		{"900 KiB", "X-Filler: " + strings.Repeat("x", 900<<10) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
		{"500 headers", strings.Repeat("X-Filler: x\r\n", 500), http.StatusOK},
		{"10,000 headers", strings.Repeat("X-Filler: x\r\n", 10_000), http.StatusRequestHeaderFieldsTooLarge},
		{"a name of 64 KiB", strings.Repeat("X", 64<<10) + ": x\r\n", http.StatusRequestHeaderFieldsTooLarge},
	} {
		conn := s.dial()
		go conn.say(get(listing, token), c.filler, "Connection: close\r\n\r\n")
		if got := conn.hear(); got.status != c.want && (got.status != 0 || c.want == http.StatusOK) {
			t.Errorf("%s: status %d, want %d: %.200s", c.name, got.status, c.want, got.body)
		}
		conn.ends(c.name)
	}
	conn := s.dial()
	go conn.say("GET ", listing, strings.Repeat("x", 900<<10), " HTTP/1.1\r\nHost: teamtask\r\n\r\n")
	if got := conn.hear(); got.status != http.StatusRequestHeaderFieldsTooLarge && got.status != 0 {
		t.Errorf("a path of 900 KiB: status %d, want 431", got.status)
	}
}

func TestPipelinedRequestsAreAnsweredInTheirOrder(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	const n = 50
	ids := make([]string, n)
	var all strings.Builder
	for i := range ids {
		ids[i] = s.put(row{tenant: "org_d2gamers"})[0]
		body := fmt.Sprintf(`{"id":%q}`, ids[i])
		fmt.Fprintf(&all, "POST %s HTTP/1.1\r\nHost: teamtask\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			getTask, token, len(body), body)
	}
	conn := s.dial()
	conn.say(all.String())
	for i, id := range ids {
		if got := conn.hear(); got.status != http.StatusOK || !bytes.Contains(got.body, []byte(id)) {
			t.Errorf("answer %d: %d %s, want the task %s", i, got.status, got.body, id)
		}
	}
}

// A client that asks before it sends a body is told at once when it need not.
func TestABodyIsAskedForOnlyWithAToken(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	head := "POST " + createTask + " HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 12\r\n"
	with := s.dial()
	with.say(head, "Authorization: Bearer ", s.token("alice", "d2-gamers", 2), "\r\n\r\n")
	if got := with.hear(); got.status != http.StatusContinue {
		t.Errorf("with a token: status %d, want 100", got.status)
	}
	with.say(`{"name":"x"}`)
	if got := with.hear(); got.status != http.StatusOK {
		t.Errorf("the body: %d %s", got.status, got.body)
	}

	without := s.dial()
	started := time.Now()
	without.say(head, "\r\n")
	if got := without.hear(); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: status %d, want 401", got.status)
	}
	if took := time.Since(started); took > 15*time.Second/2 {
		t.Errorf("the refusal waited %v for a body that nobody asked for", took)
	}
	if n := s.count(`SELECT count(*) FROM tasks`); n != 1 {
		t.Errorf("%d tasks, want 1", n)
	}
}

func TestOldAndProxiedFormsOfARequestAreRead(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	id := s.put(row{tenant: "org_d2gamers"})[0]
	token := "Authorization: Bearer " + s.token("alice", "d2-gamers", 2) + "\r\n"
	for line, want := range map[string]int{
		"GET " + listing + " HTTP/1.0\r\n" + token: http.StatusOK,
		"GET " + listing + " HTTP/1.0\r\n":         http.StatusUnauthorized,
		"GET http://teamtask" + listing + " HTTP/1.1\r\nHost: teamtask\r\nConnection: close\r\n" + token:    http.StatusOK,
		"GET http://evil.example" + listing + " HTTP/1.1\r\nHost: teamtask\r\nConnection: close\r\n":        http.StatusUnauthorized,
		"GET " + listing + " HTTP/1.1\r\nConnection: close\r\n" + token:                                     http.StatusBadRequest, // no Host
		"CONNECT teamtask:443 HTTP/1.1\r\nHost: teamtask:443\r\nConnection: close\r\n" + token:              http.StatusNotFound,
		"GET " + listing + " HTTP/1.1\r\nHost: teamtask\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" + token: http.StatusOK, // F23: no upgrade
		"GET " + listing + " HTTP/1.1\r\nHost: teamtask\r\nConnection: close\r\nTransfer-Encoding: x\r\n":   http.StatusNotImplemented,
		"POST " + listTasks + " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n" + token:  http.StatusBadRequest,
		"POST " + listTasks + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n" + token:     http.StatusNotImplemented,
	} {
		conn := s.dial()
		conn.say(line, "\r\n")
		got := conn.hear()
		if got.status != want {
			t.Errorf("%.60q: status %d, want %d: %s", line, got.status, want, got.body)
		}
		if has := bytes.Contains(got.body, []byte(id)); has != (want == http.StatusOK) {
			t.Errorf("%.60q: %.200s", line, got.body)
		}
	}
}

func TestHeadersWithoutEndEndTheConnection(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	client := s.as("alice", "d2-gamers")
	more := frame(frameContinuation, 0, 1, block("x-filler", strings.Repeat("x", 16_000)))
	const sendMost = 64 << 20 // bytes
	conn := s.dial()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn.ends("a flood of CONTINUATION")
	}()
	conn.say(greeting(), frame(frameHeaders, 0, 1, request2(http.MethodGet, listing, "none")))
	sent := 0
	for ; sent < sendMost; sent += len(more) {
		if _, err := io.WriteString(conn, more); err != nil {
			break
		}
	}
	if sent >= sendMost {
		t.Errorf("%d bytes of headers were taken", sent)
	}
	<-ended
	listed(t, client)
}

// Streams that are opened and reset at once cost the client nothing. They must not
// cost the server much either.
//
//nolint:paralleltest // it measures the memory of the process
func TestStreamsThatAreResetAtOnceDisturbNobody(t *testing.T) {
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	s.useAllConnections(t)
	before := s.footprint()
	served := s.served(t)
	runtime.GC()
	heap := heapNow()
	peak := heap
	const streams = 10_000
	connections := 0
	for opened := 0; opened < streams; connections++ {
		conn := s.dial()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			conn.ends("streams that are reset")
		}()
		conn.say(greeting())
		for id := uint32(1); opened < streams; id += 4 {
			both := frame(frameHeaders, endHeaders|endStream, id, request2(http.MethodGet, listing, token)) + frame(frameReset, 0, id, binary.BigEndian.AppendUint32(nil, cancel)) +
				frame(frameHeaders, endHeaders, id+2, request2(http.MethodPost, createTask, token)) + frame(frameReset, 0, id+2, binary.BigEndian.AppendUint32(nil, cancel))
			if _, err := io.WriteString(conn, both); err != nil {
				break // the server has had enough
			}
			if opened += 2; opened%1_000 == 0 {
				peak = max(peak, heapNow())
			}
		}
		conn.Close()
		<-ended
	}
	if n := served(); n == 0 {
		t.Error("nobody else was served")
	}
	t.Logf("%d connections; the heap grew by %d KiB", connections, (peak-heap)>>10)
	if grown := peak - heap; grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	s.settles(t, before)
}

func heapNow() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
