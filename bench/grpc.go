package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	prefixLen     = 5    // bytes before a gRPC message
	headerTable   = 4096 // bytes of headers that both sides remember, the default
	frameMax      = 16 << 10
	windowAtFirst = 65535
	streamWindow  = answerMax
	connWindow    = 1 << 30
)

// grpcConn is one HTTP/2 connection that takes one gRPC call at a time.
type grpcConn struct {
	conn     net.Conn
	out      *bufio.Writer // flushed once a call
	frames   *http2.Framer // reads conn, writes out
	headers  []hpack.HeaderField
	encoder  *hpack.Encoder // writes block
	decoder  *hpack.Decoder // sets status and grpcStatus
	block    bytes.Buffer
	messages [][]byte // with their prefix
	answer   bounds

	stream     uint32 // of the last call
	mayReceive int    // bytes that the server may still send on the connection
	maySend    int    // bytes that we may

	// Of the last response.
	status, grpcStatus string
	message            []byte // with its prefix
}

func newGRPCConn(conn net.Conn, authority, path, token string, messages [][]byte, answer bounds) (*grpcConn, error) {
	c := &grpcConn{
		conn: conn, out: bufio.NewWriter(conn), answer: answer, mayReceive: connWindow, maySend: windowAtFirst,
		headers: []hpack.HeaderField{
			{Name: ":method", Value: "POST"},
			{Name: ":scheme", Value: "http"},
			{Name: ":path", Value: path},
			{Name: ":authority", Value: authority},
			{Name: "content-type", Value: "application/grpc+proto"},
			{Name: "te", Value: "trailers"},
			{Name: "authorization", Value: "Bearer " + token},
		},
	}
	for _, message := range messages {
		prefixed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) // 0: not compressed
		c.messages = append(c.messages, append(prefixed, message...))
	}
	c.frames = http2.NewFramer(c.out, bufio.NewReaderSize(conn, readBuffer))
	c.frames.SetReuseFrames()
	c.frames.SetMaxReadFrameSize(frameMax)
	c.encoder = hpack.NewEncoder(&c.block)
	c.decoder = hpack.NewDecoder(headerTable, c.onHeader)
	_, err := c.out.WriteString(http2.ClientPreface)
	err = errors.Join(err,
		c.frames.WriteSettings(
			http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow}),
		c.frames.WriteWindowUpdate(0, connWindow-windowAtFirst),
		c.out.Flush())
	if err != nil {
		return nil, fmt.Errorf("open the HTTP/2 connection: %w", err)
	}
	return c, nil
}

func (c *grpcConn) setDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

func (c *grpcConn) close() error { return c.conn.Close() }

// onHeader is called with every header and trailer of a response.
func (c *grpcConn) onHeader(f hpack.HeaderField) {
	switch f.Name {
	case ":status":
		c.status = f.Value
	case "grpc-status":
		c.grpcStatus = f.Value
	}
}

// call sends the n-th message and reads the response to its trailers.
func (c *grpcConn) call(n int) error {
	if err := c.send(c.messages[n%len(c.messages)]); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := c.receive(); err != nil {
		return fmt.Errorf("read the response: %w", unlessEnd(err))
	}
	return c.check()
}

func (c *grpcConn) send(message []byte) error {
	if c.maySend -= len(message); c.maySend < 0 {
		return errors.New("the server takes no more bytes on this connection")
	}
	if c.stream == 0 {
		c.stream = 1
	} else {
		c.stream += 2
	}
	c.block.Reset()
	for _, h := range c.headers {
		if err := c.encoder.WriteField(h); err != nil {
			return err
		}
	}
	head := http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: c.block.Bytes(), EndHeaders: true}
	if err := c.frames.WriteHeaders(head); err != nil {
		return err
	}
	if err := c.frames.WriteData(c.stream, true, message); err != nil {
		return err
	}
	return c.out.Flush()
}

// receive reads frames until the stream of the call has ended. What the connection owes the
// server is written with the next call.
func (c *grpcConn) receive() error {
	c.message, c.status, c.grpcStatus = c.message[:0], "", ""
	for {
		frame, err := c.frames.ReadFrame()
		if err != nil {
			return err
		}
		ended := false
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = c.frames.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				err = c.frames.WritePing(true, f.Data)
			}
		case *http2.WindowUpdateFrame:
			if f.StreamID == 0 {
				c.maySend += int(f.Increment)
			}
		case *http2.HeadersFrame:
			ended, err = f.StreamEnded(), c.onHeaders(f)
		case *http2.DataFrame:
			ended, err = f.StreamEnded(), c.onData(f)
		default:
			err = fmt.Errorf("an unexpected frame: %v", frame.Header())
		}
		if err != nil || ended {
			return err
		}
	}
}

func (c *grpcConn) onHeaders(f *http2.HeadersFrame) error {
	if f.StreamID != c.stream || !f.HeadersEnded() {
		return fmt.Errorf("unexpected headers: %v", f.Header())
	}
	_, err := c.decoder.Write(f.HeaderBlockFragment())
	return errors.Join(err, c.decoder.Close())
}

func (c *grpcConn) onData(f *http2.DataFrame) error {
	if f.StreamID != c.stream {
		return fmt.Errorf("unexpected data: %v", f.Header())
	}
	if len(c.message)+len(f.Data()) > answerMax {
		return errors.New("too long")
	}
	c.message = append(c.message, f.Data()...)
	if c.mayReceive -= int(f.Length); c.mayReceive >= connWindow/2 {
		return nil
	}
	increment := connWindow - c.mayReceive
	c.mayReceive = connWindow
	return c.frames.WriteWindowUpdate(0, uint32(increment))
}

// check returns an error unless the last response is a right one.
func (c *grpcConn) check() error {
	switch {
	case c.status != "200":
		return fmt.Errorf("HTTP status %q", c.status)
	case c.grpcStatus != "0":
		return fmt.Errorf("gRPC status %q", c.grpcStatus)
	case len(c.message) < prefixLen:
		return errors.New("a response without a message")
	case c.message[0] != 0:
		return errors.New("a compressed message, although none was asked for")
	}
	body := c.message[prefixLen:]
	if length := binary.BigEndian.Uint32(c.message[1:prefixLen]); int(length) != len(body) {
		return fmt.Errorf("a message of %d bytes with a prefix of %d", len(body), length)
	}
	return c.answer.check(body)
}
