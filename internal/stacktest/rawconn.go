package stacktest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
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

// Dial connects to the server at the address.
func Dial(t testing.TB, address string) *RawConn {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // a server may have closed it
	if err := conn.SetDeadline(time.Now().Add(WaitMax)); err != nil {
		t.Fatal(err)
	}
	return &RawConn{Conn: conn, t: t, in: bufio.NewReader(conn)}
}

// Dial connects to the stack.
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
	defer func() { _ = response.Body.Close() }() // it has been read
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
