package main

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// isJSON tells whether messages are JSON in the protocol.
func (p protocol) isJSON() bool { return strings.Contains(p.name, "JSON") }

// isGet tells whether the protocol is the one without a body.
func (p protocol) isGet() bool { return p.contentType == "" }

// isFramed tells whether messages have an envelope in the protocol.
func (p protocol) isFramed() bool { return strings.HasPrefix(p.contentType, "application/grpc") }

// written is the message as the protocol writes it, without an envelope.
func (p protocol) written(t testing.TB, m proto.Message) []byte {
	t.Helper()
	write := proto.Marshal
	if p.isJSON() {
		write = protojson.Marshal
	}
	data, err := write(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// over is the transport of the protocol.
func (p protocol) over(s *stack) http.RoundTripper {
	if p.http2 {
		return s.http2
	}
	return s.http1
}

// put sends a message by hand in the protocol. What is written in an encoding names it;
// "" is as it is.
func (p protocol) put(s *stack, procedure, token string, message []byte, encoding string, headers ...map[string]string) reply {
	s.t.Helper()
	header := map[string]string{}
	for _, h := range headers {
		maps.Copy(header, h)
	}
	if p.isGet() {
		form := "proto"
		if p.isJSON() {
			form = "json"
		}
		var more []string
		if encoding != "" {
			more = append(more, "compression="+encoding)
		}
		return s.send(p.over(s), http.MethodGet, getURL(procedure, form, message, more...), token, header, nil)
	}
	header["Content-Type"] = p.contentType
	if p.isFramed() {
		framed := enveloped(message)
		if encoding != "" {
			framed[0], header["Grpc-Encoding"] = 1, encoding
		}
		message = framed
	} else if encoding != "" {
		header["Content-Encoding"] = encoding
	}
	return p.stream(s, procedure, token, header, bytes.NewReader(message))
}

// stream sends a body of which the length is not told beforehand.
func (p protocol) stream(s *stack, procedure, token string, header map[string]string, body io.Reader) reply {
	s.t.Helper()
	return s.send(p.over(s), http.MethodPost, procedure, token, header, body)
}
