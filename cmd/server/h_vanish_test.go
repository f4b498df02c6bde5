package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// rawConn is a connection on which a test writes the bytes itself.
type rawConn struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

// waitMax is how long a test waits for what must come: far longer than it takes.
const waitMax = 45 * time.Second

// dial connects to the server at the address.
func dial(t testing.TB, address string) *rawConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(waitMax)); err != nil {
		t.Fatal(err)
	}
	return &rawConn{Conn: conn, t: t, in: bufio.NewReader(conn)}
}

func (s *stack) dial() *rawConn {
	s.t.Helper()
	return dial(s.t, strings.TrimPrefix(s.url, "http://"))
}

// say sends text; a server that has hung up does not hear it.
func (w *rawConn) say(text ...string) { _, _ = io.WriteString(w, strings.Join(text, "")) }

// hear reads the next answer of HTTP/1.x; a status of 0 is a closed connection.
func (w *rawConn) hear() reply {
	w.t.Helper()
	response, err := http.ReadResponse(w.in, nil)
	if err != nil {
		w.mustEnd("instead of an answer", err)
		return reply{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatalf("read an answer: %v", err)
	}
	return reply{status: response.StatusCode, header: response.Header, body: body}
}

// ends reads until the server closes the connection.
func (w *rawConn) ends(when string) {
	w.t.Helper()
	_, err := io.Copy(io.Discard, w.in)
	w.mustEnd(when, err)
}

func (w *rawConn) mustEnd(when string, err error) {
	w.t.Helper()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Errorf("%s: the connection is still open after %v", when, waitMax)
	}
}

// useAllConnections lets the pool grow to its full size, and returns it. What a first call
// opens and keeps, the connection to the key set among it, is open afterwards as well.
func (s *stack) useAllConnections(t *testing.T) int {
	t.Helper()
	s.useUp(t)()
	s.send(&http.Transport{DisableKeepAlives: true}, http.MethodPost, listTasks, s.token("alice", "d2-gamers", 2),
		map[string]string{"Content-Type": "application/json"}, strings.NewReader("{}"))
	return s.db.Size()
}

// outcomes is how many calls of the method ended with the code.
func (s *stack) outcomes(t *testing.T, method, code string) int {
	t.Helper()
	families, err := s.metrics.Gatherer().Gather()
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
