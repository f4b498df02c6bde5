package stacktest

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

// IsJSON tells whether messages are JSON in the protocol.
func (p Protocol) IsJSON() bool { return strings.Contains(p.Name, "JSON") }

// IsGet tells whether the protocol is the one without a body.
func (p Protocol) IsGet() bool { return p.ContentType == "" }

// IsFramed tells whether messages have an envelope in the protocol.
func (p Protocol) IsFramed() bool { return strings.HasPrefix(p.ContentType, "application/grpc") }

// Written is the message as the protocol writes it, without an envelope.
func (p Protocol) Written(t testing.TB, m proto.Message) []byte {
	t.Helper()
	write := proto.Marshal
	if p.IsJSON() {
		write = protojson.Marshal
	}
	data, err := write(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// over is the transport of the protocol.
func (p Protocol) over(s *Stack) http.RoundTripper {
	if p.HTTP2 {
		return s.HTTP2
	}
	return s.HTTP1
}

// Put sends a message by hand in the protocol. What is written in an encoding names it;
// "" is as it is.
func (p Protocol) Put(s *Stack, procedure, token string, message []byte, encoding string, headers ...map[string]string) Reply {
	s.T.Helper()
	header := map[string]string{}
	for _, h := range headers {
		maps.Copy(header, h)
	}
	if p.IsGet() {
		form := "proto"
		if p.IsJSON() {
			form = "json"
		}
		var more []string
		if encoding != "" {
			more = append(more, "compression="+encoding)
		}
		return s.Send(p.over(s), http.MethodGet, GetURL(procedure, form, message, more...), token, header, nil)
	}
	header["Content-Type"] = p.ContentType
	if p.IsFramed() {
		framed := Enveloped(message)
		if encoding != "" {
			framed[0], header["Grpc-Encoding"] = 1, encoding
		}
		message = framed
	} else if encoding != "" {
		header["Content-Encoding"] = encoding
	}
	return p.Stream(s, procedure, token, header, bytes.NewReader(message))
}

// Stream sends a body of which the length is not told beforehand.
func (p Protocol) Stream(s *Stack, procedure, token string, header map[string]string, body io.Reader) Reply {
	s.T.Helper()
	return s.Send(p.over(s), http.MethodPost, procedure, token, header, body)
}
