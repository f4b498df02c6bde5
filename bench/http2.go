package main

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The parts of HTTP/2 (RFC 9113) that one call at a time over one connection needs.
const (
	frameHead = 9
	frameMax  = 16 << 10 // bytes of a frame: nobody may send more unless told
	prefixLen = 5        // of a gRPC message

	frameData         = 0x0
	frameHeaders      = 0x1
	frameSettings     = 0x4
	framePing         = 0x6
	frameWindowUpdate = 0x8

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4

	settingHeaderTable = 0x1
	settingPush        = 0x2
	settingWindow      = 0x4

	windowAtFirst = 65535
	streamWindow  = answerMax
	connWindow    = 1 << 30
)

const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// onConnection handles a frame that belongs to no stream.
func (c *grpcConn) onConnection(h head, payload []byte) error {
	switch {
	case h.kind == frameSettings && h.flags&flagAck == 0:
		c.stillToSend = appendFrameHead(c.stillToSend, 0, frameSettings, flagAck, 0)
	case h.kind == frameSettings, h.kind == framePing && h.flags&flagAck != 0:
	case h.kind == framePing && len(payload) == 8:
		c.stillToSend = append(appendFrameHead(c.stillToSend, 8, framePing, flagAck, 0), payload...)
	case h.kind == frameWindowUpdate && len(payload) == 4:
		c.maySend += int(binary.BigEndian.Uint32(payload) &^ (1 << 31))
	default:
		return fmt.Errorf("a frame of type %#x on the connection", h.kind)
	}
	return nil
}

// head is the beginning of a frame.
type head struct {
	kind, flags byte
	stream      uint32
}

// readFrame reads one frame; its payload is good until the next.
func (c *grpcConn) readFrame() (head, []byte, error) {
	b := c.head[:]
	if _, err := io.ReadFull(c.in, b); err != nil {
		return head{}, nil, unlessEnd(err)
	}
	length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	if length > len(c.frame) {
		return head{}, nil, fmt.Errorf("a frame of %d bytes", length)
	}
	payload := c.frame[:length]
	_, err := io.ReadFull(c.in, payload)
	return head{kind: b[3], flags: b[4], stream: binary.BigEndian.Uint32(b[5:]) &^ (1 << 31)}, payload, unlessEnd(err)
}

// appendWindow lets the server send up to connWindow bytes more than it has sent.
func (c *grpcConn) appendWindow(to []byte) []byte {
	to = appendFrameHead(to, 4, frameWindowUpdate, 0, 0)
	to = binary.BigEndian.AppendUint32(to, uint32(connWindow-c.mayReceive))
	c.mayReceive = connWindow
	return to
}

func appendFrameHead(to []byte, length int, kind, flags byte, stream uint32) []byte {
	to = append(to, byte(length>>16), byte(length>>8), byte(length), kind, flags)
	return binary.BigEndian.AppendUint32(to, stream)
}

func appendSetting(to []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(to, id), value)
}
