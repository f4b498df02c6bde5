package stacktest

import (
	"encoding/binary"
)

// What HTTP/2 says of frames (RFC 9113, sections 6 and 7).
const (
	Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	FrameHeaders      = 0x1
	FrameReset        = 0x3
	FrameSettings     = 0x4
	FramePing         = 0x6
	FrameContinuation = 0x9

	EndStream  = 0x1
	EndHeaders = 0x4

	Cancel = 0x8
)

// Frame is a frame of HTTP/2.
func Frame(kind, flags byte, stream uint32, payload []byte) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return string(binary.BigEndian.AppendUint32(append(head, flags), stream)) + string(payload)
}

// Greeting opens a connection of HTTP/2.
func Greeting() string { return Preface + Frame(FrameSettings, 0, 0, nil) }

// Block is a list of names and values in HPACK, none of which is remembered.
func Block(fields ...string) []byte {
	var b []byte
	for i, text := range fields {
		if i%2 == 0 {
			b = append(b, 0) // a literal that is not indexed, with a name of its own
		}
		if len(text) < 0x7f {
			b = append(b, byte(len(text)))
		} else {
			b = binary.AppendUvarint(append(b, 0x7f), uint64(len(text)-0x7f))
		}
		b = append(b, text...)
	}
	return b
}

// Request2 is the block of a request of HTTP/2.
func Request2(method, path, token string, fields ...string) []byte {
	return Block(append([]string{
		":method", method, ":scheme", "http", ":path", path, ":authority", "teamtask",
		"authorization", "Bearer " + token, "content-type", "application/json",
	}, fields...)...)
}

// Listing is ListTasks as a GET.
const Listing = ListTasks + "?connect=v1&encoding=json&message=%7B%22pageSize%22%3A200%7D"

// Get is the beginning of a request, without the line that ends its headers.
func Get(target, token string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: teamtask\r\nAuthorization: Bearer " + token + "\r\n"
}
