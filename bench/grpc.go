package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
)

// grpcConn is one HTTP/2 connection that takes one gRPC call at a time.
type grpcConn struct {
	conn        net.Conn
	in          *bufio.Reader
	first       []byte // header block of the first call
	later       []byte // and of all others
	messages    [][]byte
	answer      bounds
	stream      uint32          // of the last call
	mayReceive  int             // bytes that the server may still send on the connection
	maySend     int             // bytes that we may
	out, frame  []byte          // reused
	head        [frameHead]byte // reused
	message     []byte          // of the last answer, with its prefix, reused
	stillToSend []byte          // acknowledgements
}

func newGRPCConn(conn net.Conn, authority, path, token string, messages [][]byte, answer bounds) (*grpcConn, error) {
	first, later, err := encodeHeaders([]field{
		{":path", path}, {":authority", authority}, {"content-type", "application/grpc+proto"}, {"te", "trailers"},
		{"authorization", "Bearer " + token},
	})
	if err != nil {
		return nil, err
	}
	c := &grpcConn{
		conn: conn, in: bufio.NewReaderSize(conn, readBuffer), first: first, later: later, messages: messages, answer: answer,
		mayReceive: windowAtFirst, maySend: windowAtFirst, frame: make([]byte, frameMax),
	}
	hello := []byte(http2Preface)
	hello = appendFrameHead(hello, 3*6, frameSettings, 0, 0)
	hello = appendSetting(hello, settingHeaderTable, 0)
	hello = appendSetting(hello, settingPush, 0)
	hello = appendSetting(hello, settingWindow, streamWindow)
	hello = c.appendWindow(hello)
	if _, err := conn.Write(hello); err != nil {
		return nil, fmt.Errorf("greet: %w", err)
	}
	return c, nil
}

func (c *grpcConn) setDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

func (c *grpcConn) close() error { return c.conn.Close() }

// call sends the n-th message and reads the answer to its trailers.
func (c *grpcConn) call(n int) error {
	message := c.messages[n%len(c.messages)]
	length := prefixLen + len(message)
	if c.maySend -= length; c.maySend < 0 {
		return errors.New("the server takes no more bytes on this connection")
	}
	headers := c.later
	if c.stream == 0 {
		headers = c.first
		c.stream = 1
	} else {
		c.stream += 2
	}
	out := append(c.out[:0], c.stillToSend...)
	c.stillToSend = c.stillToSend[:0]
	out = appendFrameHead(out, len(headers), frameHeaders, flagEndHeaders, c.stream)
	out = append(out, headers...)
	out = appendFrameHead(out, length, frameData, flagEndStream, c.stream)
	out = append(out, 0) // not compressed
	out = binary.BigEndian.AppendUint32(out, uint32(len(message)))
	out = append(out, message...)
	c.out = out
	if _, err := c.conn.Write(out); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := c.receive(); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return c.checkMessage()
}

func (c *grpcConn) checkMessage() error {
	if len(c.message) < prefixLen {
		return errors.New("an answer without a message")
	}
	if c.message[0] != 0 {
		return errors.New("a compressed message, although none was asked for")
	}
	body := c.message[prefixLen:]
	if told := binary.BigEndian.Uint32(c.message[1:prefixLen]); int(told) != len(body) {
		return fmt.Errorf("a message of %d bytes that says %d", len(body), told)
	}
	return c.answer.check(body)
}

// receive reads frames until the stream of the call has ended well.
func (c *grpcConn) receive() error {
	c.message = c.message[:0]
	var o outcome
	for {
		h, payload, err := c.readFrame()
		if err != nil {
			return err
		}
		if h.stream == 0 {
			if err := c.onConnection(h, payload); err != nil {
				return err
			}
			continue
		}
		if h.stream != c.stream {
			return fmt.Errorf("a frame of stream %d in stream %d", h.stream, c.stream)
		}
		switch h.kind {
		case frameHeaders:
			if h.flags&^flagEndStream != flagEndHeaders {
				return fmt.Errorf("headers with flags %#x", h.flags)
			}
			if err := o.read(payload); err != nil {
				return err
			}
		case frameData:
			if h.flags&^flagEndStream != 0 {
				return fmt.Errorf("data with flags %#x", h.flags)
			}
			if len(c.message)+len(payload) > answerMax {
				return errors.New("too long")
			}
			c.message = append(c.message, payload...)
			if c.mayReceive -= len(payload); c.mayReceive < connWindow/2 {
				c.stillToSend = c.appendWindow(c.stillToSend)
			}
		case frameWindowUpdate:
			continue
		default:
			return fmt.Errorf("a frame of type %#x in the stream", h.kind)
		}
		if h.flags&flagEndStream != 0 {
			return o.check()
		}
	}
}

// check is nil for a call that went well.
func (o *outcome) check() error {
	switch {
	case !o.ok:
		return errors.New("an HTTP status other than 200")
	case o.status != "0":
		return fmt.Errorf("gRPC status %q", o.status)
	}
	return nil
}
