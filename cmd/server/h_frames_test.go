package main

import (
	"encoding/binary"
)

// What HTTP/2 says of frames (RFC 9113, sections 6 and 7).
const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameContinuation = 0x9

	endStream  = 0x1
	endHeaders = 0x4

	cancel = 0x8
)

// frame is a frame of HTTP/2.
func frame(kind, flags byte, stream uint32, payload []byte) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return string(binary.BigEndian.AppendUint32(append(head, flags), stream)) + string(payload)
}

// greeting opens a connection of HTTP/2.
func greeting() string { return preface + frame(frameSettings, 0, 0, nil) }

// block is a list of names and values in HPACK, none of which is remembered.
func block(fields ...string) []byte {
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

// request2 is the block of a request of HTTP/2.
func request2(method, path, token string, fields ...string) []byte {
	return block(append([]string{
		":method", method, ":scheme", "http", ":path", path, ":authority", "teamtask",
		"authorization", "Bearer " + token, "content-type", "application/json",
	}, fields...)...)
}

// listing is ListTasks as a GET.
const listing = listTasks + "?connect=v1&encoding=json&message=%7B%22pageSize%22%3A200%7D"

// get is the beginning of a request, without the line that ends its headers.
func get(target, token string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: teamtask\r\nAuthorization: Bearer " + token + "\r\n"
}
