package stacktest

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

// RawConn is a connection on which a test writes the bytes itself.
type RawConn struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

// WaitMax is how long a test waits for what must come: far longer than it takes.
const WaitMax = 45 * time.Second

// Dial connects to the server at the address.
func Dial(t testing.TB, address string) *RawConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(WaitMax)); err != nil {
		t.Fatal(err)
	}
	return &RawConn{Conn: conn, t: t, in: bufio.NewReader(conn)}
}

func (s *Stack) Dial() *RawConn {
	s.T.Helper()
	return Dial(s.T, strings.TrimPrefix(s.URL, "http://"))
}

// Say sends text; a server that has hung up does not hear it.
func (w *RawConn) Say(text ...string) { _, _ = io.WriteString(w, strings.Join(text, "")) }

// Hear reads the next answer of HTTP/1.x; a status of 0 is a closed connection.
func (w *RawConn) Hear() Reply {
	w.t.Helper()
	response, err := http.ReadResponse(w.in, nil)
	if err != nil {
		w.mustEnd("instead of an answer", err)
		return Reply{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatalf("read an answer: %v", err)
	}
	return Reply{Status: response.StatusCode, Header: response.Header, Body: body}
}

// Ends reads until the server closes the connection.
func (w *RawConn) Ends(when string) {
	w.t.Helper()
	_, err := io.Copy(io.Discard, w.in)
	w.mustEnd(when, err)
}

func (w *RawConn) mustEnd(when string, err error) {
	w.t.Helper()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Errorf("%s: the connection is still open after %v", when, WaitMax)
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
