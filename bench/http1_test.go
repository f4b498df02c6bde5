package main

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

const okHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

func TestAnswerIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, want string }{
		"length":       {okHead + "Content-Length: 7\r\n\r\n{\"a\":1}", `{"a":1}`},
		"lower case":   {"HTTP/1.1 200 OK\r\ncontent-length:7\r\n\r\n{\"a\":1}", `{"a":1}`},
		"chunks":       {okHead + "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n", `{"a":1}`},
		"empty":        {okHead + "Content-Length: 0\r\n\r\n", ""},
		"empty chunks": {okHead + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
	} {
		in := bufio.NewReader(iotest.OneByteReader(strings.NewReader(c.answer + "next")))
		got, err := readHTTP1(in, nil)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
		if rest, _ := in.Peek(4); string(rest) != "next" {
			t.Errorf("%s: the next answer would begin with %q", name, rest)
		}
	}
}

func TestAnswerThatIsNotUnderstoodIsRefused(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing":            "",
		"half a status line": "HTTP/1.1 200",
		"not found":          "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
		"other success":      "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
		"old version":        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"line feeds alone":   "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
		"no end of headers":  okHead,
		"no colon":           okHead + "Content-Length 2\r\n\r\n{}",
		"no length":          okHead + "\r\n{}",
		"length of words":    okHead + "Content-Length: two\r\n\r\n{}",
		"length below zero":  okHead + "Content-Length: -2\r\n\r\n{}",
		"length too great":   okHead + "Content-Length: 99999999\r\n\r\n{}",
		"short body":         okHead + "Content-Length: 3\r\n\r\n{}",
		"both":               okHead + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"compressed":         okHead + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
		"other encoding":     okHead + "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
		"closing":            okHead + "Connection: close\r\nContent-Length: 2\r\n\r\n{}",
		"chunk of words":     okHead + "Transfer-Encoding: chunked\r\n\r\ntwo\r\n{}\r\n0\r\n\r\n",
		"chunk too great":    okHead + "Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n{}\r\n0\r\n\r\n",
		"short chunk":        okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n0\r\n\r\n",
		"long chunk":         okHead + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
		"no last chunk":      okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		"trailers":           okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\n",
	} {
		if got, err := readHTTP1(bufio.NewReader(strings.NewReader(answer)), nil); err == nil {
			t.Errorf("%s: accepted as %q", name, got)
		}
	}
}

func TestRefusalIsRepeatedWithItsWords(t *testing.T) {
	t.Parallel()
	answer := "HTTP/1.1 401 Unauthorized\r\nContent-Length: 26\r\n\r\n{\"code\":\"unauthenticated\"}"
	_, err := readHTTP1(bufio.NewReader(strings.NewReader(answer)), nil)
	if err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "unauthenticated") {
		t.Errorf("got %v", err)
	}
}

func TestAnswerOfAnotherShapeIsRefused(t *testing.T) {
	t.Parallel()
	b := boundsAround(100, true)
	object := func(n int) string { return "{" + strings.Repeat("x", n-2) + "}" }
	for _, n := range []int{80, 100, 125} {
		if err := b.check([]byte(object(n))); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for name, body := range map[string]string{
		"short": object(79), "long": object(126), "empty": "", "no object": strings.Repeat("x", 100),
	} {
		if b.check([]byte(body)) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCallSendsAWholeRequest(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	requests := http1Requests("here", "/a.B/C", "application/json", "token", [][]byte{[]byte(`{"n":1}`), []byte(`{"n":2}`)})
	c := newHTTP1Conn(ours, requests, boundsAround(2, true))
	defer c.close()
	got := make(chan string, 1)
	go func() {
		buffer := make([]byte, 1<<10)
		n, _ := theirs.Read(buffer)
		got <- string(buffer[:n])
		theirs.Write([]byte(okHead + "Content-Length: 2\r\n\r\n{}"))
	}()
	if err := c.call(3); err != nil {
		t.Fatal(err)
	}
	want := "POST /a.B/C HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nConnect-Protocol-Version: 1\r\n" +
		"Authorization: Bearer token\r\nContent-Length: 7\r\n\r\n{\"n\":2}"
	if got := <-got; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
