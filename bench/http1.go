package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	readBuffer = 64 << 10
	answerMax  = 1 << 20 // bytes of an answer
	wordsMax   = 400     // bytes of an answer that an error repeats
)

// http1Conn is one connection that takes one call at a time: the cheapest client that
// still reads every byte and accepts nothing that it does not understand.
type http1Conn struct {
	conn     net.Conn
	in       *bufio.Reader
	requests [][]byte // whole, heads included
	answer   bounds
	body     []byte // of the last answer, reused
}

func newHTTP1Conn(conn net.Conn, requests [][]byte, answer bounds) *http1Conn {
	return &http1Conn{conn: conn, in: bufio.NewReaderSize(conn, readBuffer), requests: requests, answer: answer}
}

// http1Requests puts a head before every body.
func http1Requests(authority, path, contentType, token string, bodies [][]byte) [][]byte {
	requests := make([][]byte, len(bodies))
	for i, body := range bodies {
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nConnect-Protocol-Version: 1\r\n"+
			"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", path, authority, contentType, token, len(body))
		requests[i] = append([]byte(head), body...)
	}
	return requests
}

func (c *http1Conn) setDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

func (c *http1Conn) close() error { return c.conn.Close() }

// call sends the n-th request and reads its answer to the end.
func (c *http1Conn) call(n int) error {
	if _, err := c.conn.Write(c.requests[n%len(c.requests)]); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	body, err := readHTTP1(c.in, c.body[:0])
	c.body = body
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return c.answer.check(body)
}

// readHTTP1 reads one answer and appends its body to the given one. It must be 200, in
// plain bytes, with its length known, and leave the connection open.
func readHTTP1(in *bufio.Reader, body []byte) ([]byte, error) {
	line, err := readLine(in)
	if err != nil {
		return body, fmt.Errorf("status line: %w", err)
	}
	status := string(line)
	length, chunked := -1, false
	for {
		line, err := readLine(in)
		if err != nil {
			return body, fmt.Errorf("header: %w", err)
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return body, fmt.Errorf("a header without a colon: %.80q", line)
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 || length > answerMax {
				return body, fmt.Errorf("a length of %.20q", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			if chunked = bytes.EqualFold(value, []byte("chunked")); !chunked {
				return body, fmt.Errorf("a transfer encoding of %.20q", value)
			}
		case bytes.EqualFold(name, []byte("Content-Encoding")):
			return body, fmt.Errorf("a content encoding of %.20q, although none was asked for", value)
		case bytes.EqualFold(name, []byte("Connection")):
			return body, fmt.Errorf("the server says Connection: %.20q", value)
		}
	}
	switch {
	case chunked && length >= 0:
		return body, errors.New("both a length and chunks")
	case chunked:
		body, err = readChunks(in, body)
	case length >= 0:
		body, err = readExactly(in, body, length)
	default:
		return body, fmt.Errorf("%s without a length", status)
	}
	if err != nil {
		return body, fmt.Errorf("body: %w", err)
	}
	if status != "HTTP/1.1 200 OK" {
		return body, fmt.Errorf("%s: %s", status, body[:min(len(body), wordsMax)])
	}
	return body, nil
}

func readChunks(in *bufio.Reader, body []byte) ([]byte, error) {
	for {
		line, err := readLine(in)
		if err != nil {
			return body, err
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return body, fmt.Errorf("a chunk of %.20q bytes", line)
		}
		if len(body)+int(size) > answerMax {
			return body, errors.New("too long")
		}
		if body, err = readExactly(in, body, int(size)); err != nil {
			return body, err
		}
		end, err := readLine(in)
		switch {
		case err != nil:
			return body, err
		case len(end) != 0:
			return body, fmt.Errorf("%.20q behind a chunk", end)
		case size == 0:
			return body, nil
		}
	}
}

func readExactly(in *bufio.Reader, body []byte, n int) ([]byte, error) {
	from := len(body)
	if cap(body) < from+n {
		body = append(make([]byte, 0, from+n+readBuffer), body...)
	}
	body = body[:from+n]
	got, err := io.ReadFull(in, body[from:])
	return body[:from+got], unlessEnd(err)
}

// readLine is the next line without its end, which must be CR LF. It is good until
// the next read.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, unlessEnd(err)
	}
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return nil, fmt.Errorf("a line without CR: %.80q", line)
	}
	return line[:len(line)-2], nil
}

// unlessEnd calls the end of the stream, which is never expected, by its name.
func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
