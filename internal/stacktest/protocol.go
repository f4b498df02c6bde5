package stacktest

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// IsJSON reports whether messages are JSON in the protocol.
func (p Protocol) IsJSON() bool { return strings.Contains(p.Name, "JSON") }

// IsGet reports whether the protocol is the one without a body.
func (p Protocol) IsGet() bool { return p.ContentType == "" }

// IsFramed reports whether messages have an envelope in the protocol.
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

// Stream sends a body whose length is not known beforehand.
func (p Protocol) Stream(s *Stack, procedure, token string, header map[string]string, body io.Reader) Reply {
	s.T.Helper()
	return s.Send(p.over(s), http.MethodPost, procedure, token, header, body)
}

// Protocol is one of the ways to call.
type Protocol struct {
	Name        string
	HTTP2       bool
	ContentType string // "": by HTTP GET
	options     []connect.ClientOption
}

// Protocols are all ways to call.
var Protocols = []Protocol{
	{Name: "Connect JSON over HTTP/1.1", ContentType: "application/json", options: options(connect.WithProtoJSON())},
	{Name: "Connect JSON over h2c", HTTP2: true, ContentType: "application/json", options: options(connect.WithProtoJSON())},
	{Name: "Connect binary over HTTP/1.1", ContentType: "application/proto"},
	{Name: "Connect binary over h2c", HTTP2: true, ContentType: "application/proto"},
	{Name: "HTTP GET over HTTP/1.1", options: options(connect.WithHTTPGet())},
	{Name: "HTTP GET with JSON over h2c", HTTP2: true, options: options(connect.WithHTTPGet(), connect.WithProtoJSON())},
	{Name: "gRPC", HTTP2: true, ContentType: "application/grpc+proto", options: options(connect.WithGRPC())},
	{Name: "gRPC with JSON", HTTP2: true, ContentType: "application/grpc+json", options: options(connect.WithGRPC(), connect.WithProtoJSON())},
	{Name: "gRPC-Web over HTTP/1.1", ContentType: "application/grpc-web+proto", options: options(connect.WithGRPCWeb())},
	{Name: "gRPC-Web over h2c", HTTP2: true, ContentType: "application/grpc-web+proto", options: options(connect.WithGRPCWeb())},
	{Name: "gRPC-Web with JSON", ContentType: "application/grpc-web+json", options: options(connect.WithGRPCWeb(), connect.WithProtoJSON())},
}

func options(o ...connect.ClientOption) []connect.ClientOption { return o }

// Carries reports whether the method can be called in the protocol.
func (p Protocol) Carries(m protoreflect.MethodDescriptor) bool {
	return p.ContentType != "" || IsRead(m)
}

func (p Protocol) httpClient(s *Stack, token string) *http.Client {
	if p.HTTP2 {
		return &http.Client{Transport: s.Transport(token, s.HTTP2)}
	}
	return &http.Client{Transport: s.Transport(token, s.HTTP1)}
}

// Call calls any method, as a client that knows only its descriptor.
func (s *Stack) Call(ctx context.Context, p Protocol, token string, m protoreflect.MethodDescriptor, request proto.Message) (*connect.Response[dynamicpb.Message], error) {
	all := append([]connect.ClientOption{
		connect.WithSchema(m),
		connect.WithIdempotency(idempotencyOf(m)),
		connect.WithResponseInitializer(func(_ connect.Spec, message any) error {
			*message.(*dynamicpb.Message) = *dynamicpb.NewMessage(m.Output())
			return nil
		}),
	}, p.options...)
	client := connect.NewClient[dynamicpb.Message, dynamicpb.Message](p.httpClient(s, token), s.URL+ProcedureOf(m), all...)
	return client.CallUnary(ctx, connect.NewRequest(dynamicOf(s.T, m.Input(), request)))
}

// dynamicOf is the message as a client without generated code has it.
func dynamicOf(t testing.TB, d protoreflect.MessageDescriptor, from proto.Message) *dynamicpb.Message {
	t.Helper()
	data, err := proto.Marshal(from)
	if err != nil {
		t.Fatalf("marshal %s: %v", d.FullName(), err)
	}
	into := dynamicpb.NewMessage(d)
	if err := proto.Unmarshal(data, into); err != nil {
		t.Fatalf("unmarshal %s: %v", d.FullName(), err)
	}
	return into
}

// Typed is the generated client in the protocol.
func (p Protocol) Typed(s *Stack, token string) teamtaskv1connect.TaskServiceClient {
	return teamtaskv1connect.NewTaskServiceClient(p.httpClient(s, token), s.URL, p.options...)
}

// GetURL is a call of a read by hand, as the Connect protocol writes it.
func GetURL(procedure, encoding string, message []byte, more ...string) string {
	q := url.Values{"connect": {"v1"}, "encoding": {encoding}, "base64": {"1"}, "message": {base64.RawURLEncoding.EncodeToString(message)}}
	for _, m := range more {
		key, value, _ := strings.Cut(m, "=")
		q.Set(key, value)
	}
	return procedure + "?" + q.Encode()
}
