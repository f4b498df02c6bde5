package transport

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

	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestHeadersAreBoundedInSizeAndNumber(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
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
		conn := s.Dial()
		go conn.Say(stacktest.Get(stacktest.Listing, token), c.filler, "Connection: close\r\n\r\n")
		if got := conn.Hear(); got.Status != c.want && (got.Status != 0 || c.want == http.StatusOK) {
			t.Errorf("%s: status %d, want %d: %.200s", c.name, got.Status, c.want, got.Body)
		}
		conn.Ends(c.name)
	}
	conn := s.Dial()
	go conn.Say("GET ", stacktest.Listing, strings.Repeat("x", 900<<10), " HTTP/1.1\r\nHost: teamtask\r\n\r\n")
	if got := conn.Hear(); got.Status != http.StatusRequestHeaderFieldsTooLarge && got.Status != 0 {
		t.Errorf("a path of 900 KiB: status %d, want 431", got.Status)
	}
}

func TestPipelinedRequestsAreAnsweredInTheirOrder(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	const n = 50
	ids := make([]string, n)
	var all strings.Builder
	for i := range ids {
		ids[i] = s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
		body := fmt.Sprintf(`{"id":%q}`, ids[i])
		fmt.Fprintf(&all, "POST %s HTTP/1.1\r\nHost: teamtask\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			stacktest.GetTask, token, len(body), body)
	}
	conn := s.Dial()
	conn.Say(all.String())
	for i, id := range ids {
		if got := conn.Hear(); got.Status != http.StatusOK || !bytes.Contains(got.Body, []byte(id)) {
			t.Errorf("answer %d: %d %s, want the task %s", i, got.Status, got.Body, id)
		}
	}
}

// A client that asks before it sends a body is told at once when it need not.
func TestABodyIsAskedForOnlyWithAToken(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	head := "POST " + stacktest.CreateTask + " HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 12\r\n"
	with := s.Dial()
	with.Say(head, "Authorization: Bearer ", s.Token("alice", "d2-gamers", 2), "\r\n\r\n")
	if got := with.Hear(); got.Status != http.StatusContinue {
		t.Errorf("with a token: status %d, want 100", got.Status)
	}
	with.Say(`{"name":"x"}`)
	if got := with.Hear(); got.Status != http.StatusOK {
		t.Errorf("the body: %d %s", got.Status, got.Body)
	}

	without := s.Dial()
	started := time.Now()
	without.Say(head, "\r\n")
	if got := without.Hear(); got.Status != http.StatusUnauthorized {
		t.Errorf("without a token: status %d, want 401", got.Status)
	}
	if took := time.Since(started); took > 15*time.Second/2 {
		t.Errorf("the refusal waited %v for a body that nobody asked for", took)
	}
	if n := s.Count(`SELECT count(*) FROM tasks`); n != 1 {
		t.Errorf("%d tasks, want 1", n)
	}
}

func TestOldAndProxiedFormsOfARequestAreRead(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	token := "Authorization: Bearer " + s.Token("alice", "d2-gamers", 2) + "\r\n"
	for line, want := range map[string]int{
		"GET " + stacktest.Listing + " HTTP/1.0\r\n" + token:                                                          http.StatusOK,
		"GET " + stacktest.Listing + " HTTP/1.0\r\n":                                                                  http.StatusUnauthorized,
		"GET http://teamtask" + stacktest.Listing + " HTTP/1.1\r\nHost: teamtask\r\nConnection: close\r\n" + token:    http.StatusOK,
		"GET http://evil.example" + stacktest.Listing + " HTTP/1.1\r\nHost: teamtask\r\nConnection: close\r\n":        http.StatusUnauthorized,
		"GET " + stacktest.Listing + " HTTP/1.1\r\nConnection: close\r\n" + token:                                     http.StatusBadRequest, // no Host
		"CONNECT teamtask:443 HTTP/1.1\r\nHost: teamtask:443\r\nConnection: close\r\n" + token:                        http.StatusNotFound,
		"GET " + stacktest.Listing + " HTTP/1.1\r\nHost: teamtask\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" + token: http.StatusOK, // F23: no upgrade
		"GET " + stacktest.Listing + " HTTP/1.1\r\nHost: teamtask\r\nConnection: close\r\nTransfer-Encoding: x\r\n":   http.StatusNotImplemented,
		"POST " + stacktest.ListTasks + " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n" + token:  http.StatusBadRequest,
		"POST " + stacktest.ListTasks + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n" + token:     http.StatusNotImplemented,
	} {
		conn := s.Dial()
		conn.Say(line, "\r\n")
		got := conn.Hear()
		if got.Status != want {
			t.Errorf("%.60q: status %d, want %d: %s", line, got.Status, want, got.Body)
		}
		if has := bytes.Contains(got.Body, []byte(id)); has != (want == http.StatusOK) {
			t.Errorf("%.60q: %.200s", line, got.Body)
		}
	}
}

func TestHeadersWithoutEndEndTheConnection(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	client := s.As("alice", "d2-gamers")
	more := stacktest.Frame(stacktest.FrameContinuation, 0, 1, stacktest.Block("x-filler", strings.Repeat("x", 16_000)))
	const sendMost = 64 << 20 // bytes
	conn := s.Dial()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn.Ends("a flood of CONTINUATION")
	}()
	conn.Say(stacktest.Greeting(), stacktest.Frame(stacktest.FrameHeaders, 0, 1, stacktest.Request2(http.MethodGet, stacktest.Listing, "none")))
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
	stacktest.Listed(t, client)
}

// Streams that are opened and reset at once cost the client nothing. They must not
// cost the server much either.
//
//nolint:paralleltest // it measures the memory of the process
func TestStreamsThatAreResetAtOnceDisturbNobody(t *testing.T) {
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	s.UseAllConnections(t)
	before := s.Footprint()
	served := s.Served(t)
	runtime.GC()
	heap := heapNow()
	peak := heap
	const streams = 10_000
	connections := 0
	for opened := 0; opened < streams; connections++ {
		conn := s.Dial()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			conn.Ends("streams that are reset")
		}()
		conn.Say(stacktest.Greeting())
		for id := uint32(1); opened < streams; id += 4 {
			both := stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders|stacktest.EndStream, id, stacktest.Request2(http.MethodGet, stacktest.Listing, token)) + stacktest.Frame(stacktest.FrameReset, 0, id, binary.BigEndian.AppendUint32(nil, stacktest.Cancel)) +
				stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders, id+2, stacktest.Request2(http.MethodPost, stacktest.CreateTask, token)) + stacktest.Frame(stacktest.FrameReset, 0, id+2, binary.BigEndian.AppendUint32(nil, stacktest.Cancel))
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
	s.Settles(t, before)
}

func heapNow() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
