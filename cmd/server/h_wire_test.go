package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/teamtask/teamtask/internal/fault"
)

// procedures of our services.
const (
	createTask = "/teamtask.v1.TaskService/CreateTask"
	getTask    = "/teamtask.v1.TaskService/GetTask"
	listTasks  = "/teamtask.v1.TaskService/ListTasks"
	updateTask = "/teamtask.v1.TaskService/UpdateTask"
	deleteTask = "/teamtask.v1.TaskService/DeleteTask"

	listAuditEvents = "/teamtask.v1.AuditService/ListAuditEvents"

	getCurrentMember = "/teamtask.v1.MembershipService/GetCurrentMember"
	listMembers      = "/teamtask.v1.MembershipService/ListMembers"
	listRoles        = "/teamtask.v1.MembershipService/ListRoles"
	listInvitations  = "/teamtask.v1.MembershipService/ListInvitations"

	getLicense     = "/teamtask.v1.LicensingService/GetLicense"
	listSeats      = "/teamtask.v1.LicensingService/ListSeats"
	assignSeat     = "/teamtask.v1.LicensingService/AssignSeat"
	revokeSeat     = "/teamtask.v1.LicensingService/RevokeSeat"
	createCheckout = "/teamtask.v1.LicensingService/CreateCheckoutSession"
	createPortal   = "/teamtask.v1.LicensingService/CreatePortalSession"
)

// protocol is one of the ways to call.
type protocol struct {
	name        string
	http2       bool
	contentType string // "": by HTTP GET
	options     []connect.ClientOption
}

var protocols = []protocol{
	{name: "Connect JSON over HTTP/1.1", contentType: "application/json", options: options(connect.WithProtoJSON())},
	{name: "Connect JSON over h2c", http2: true, contentType: "application/json", options: options(connect.WithProtoJSON())},
	{name: "Connect binary over HTTP/1.1", contentType: "application/proto"},
	{name: "Connect binary over h2c", http2: true, contentType: "application/proto"},
	{name: "HTTP GET over HTTP/1.1", options: options(connect.WithHTTPGet())},
	{name: "HTTP GET with JSON over h2c", http2: true, options: options(connect.WithHTTPGet(), connect.WithProtoJSON())},
	{name: "gRPC", http2: true, contentType: "application/grpc+proto", options: options(connect.WithGRPC())},
	{name: "gRPC with JSON", http2: true, contentType: "application/grpc+json", options: options(connect.WithGRPC(), connect.WithProtoJSON())},
	{name: "gRPC-Web over HTTP/1.1", contentType: "application/grpc-web+proto", options: options(connect.WithGRPCWeb())},
	{name: "gRPC-Web over h2c", http2: true, contentType: "application/grpc-web+proto", options: options(connect.WithGRPCWeb())},
	{name: "gRPC-Web with JSON", contentType: "application/grpc-web+json", options: options(connect.WithGRPCWeb(), connect.WithProtoJSON())},
}

func options(o ...connect.ClientOption) []connect.ClientOption { return o }

// carries tells whether the method can be called in the protocol.
func (p protocol) carries(m protoreflect.MethodDescriptor) bool {
	return p.contentType != "" || isRead(m)
}

func (p protocol) httpClient(s *stack, token string) *http.Client {
	if p.http2 {
		return &http.Client{Transport: bearing{s, token, s.http2}}
	}
	return &http.Client{Transport: bearing{s, token, s.http1}}
}

// call calls any method, as a client that knows only its descriptor.
func (s *stack) call(ctx context.Context, p protocol, token string, m protoreflect.MethodDescriptor, request proto.Message) (*connect.Response[dynamicpb.Message], error) {
	all := append([]connect.ClientOption{
		connect.WithSchema(m),
		connect.WithIdempotency(idempotencyOf(m)),
		connect.WithResponseInitializer(func(_ connect.Spec, message any) error {
			*message.(*dynamicpb.Message) = *dynamicpb.NewMessage(m.Output())
			return nil
		}),
	}, p.options...)
	client := connect.NewClient[dynamicpb.Message, dynamicpb.Message](p.httpClient(s, token), s.url+procedureOf(m), all...)
	return client.CallUnary(ctx, connect.NewRequest(dynamicOf(s.t, m.Input(), request)))
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

// methods are all methods of our services.
func methods() []protoreflect.MethodDescriptor {
	var all []protoreflect.MethodDescriptor
	protoregistry.GlobalFiles.RangeFilesByPackage(APIPackage, func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			of := file.Services().Get(i).Methods()
			for j := range of.Len() {
				all = append(all, of.Get(j))
			}
		}
		return true
	})
	return all
}

func methodOf(t testing.TB, procedure string) protoreflect.MethodDescriptor {
	t.Helper()
	for _, m := range methods() {
		if procedureOf(m) == procedure {
			return m
		}
	}
	t.Fatalf("there is no method %s", procedure)
	return nil
}

func procedureOf(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

// refusal is what a caller can tell of an error.
type refusal struct {
	Code     connect.Code
	Reason   string
	Metadata map[string]string
}

// refused is a refusal without metadata.
func refused(code connect.Code, reason string) refusal { return refusal{Code: code, Reason: reason} }

// refusalOf reads the error of a client; nil is the zero refusal.
func refusalOf(t testing.TB, err error) refusal {
	t.Helper()
	if err == nil {
		return refusal{}
	}
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		t.Fatalf("not an error of the server: %v", err)
	}
	r := refusal{Code: e.Code()}
	for _, detail := range e.Details() {
		message, err := detail.Value()
		if err != nil {
			t.Fatalf("detail %s: %v", detail.Type(), err)
		}
		if info, ok := message.(*errdetails.ErrorInfo); ok {
			if info.GetDomain() != "teamtask" {
				t.Errorf("domain = %q, want teamtask", info.GetDomain())
			}
			r.Reason, r.Metadata = info.GetReason(), info.GetMetadata()
		}
	}
	return r
}

// reply is an answer as it stands on the wire.
type reply struct {
	status  int
	header  http.Header
	trailer http.Header
	body    []byte
}

// id is the request id that the answer carries.
func (r reply) id() string { return r.header.Get(fault.RequestIDHeader) }

// comparable is all of the answer but what differs from call to call.
func (r reply) comparable() string {
	var all bytes.Buffer
	header := r.header.Clone()
	header.Del(fault.RequestIDHeader)
	header.Del("Date")
	all.WriteString(strconv.Itoa(r.status) + "\n")
	_ = header.Write(&all) // to memory
	all.Write(r.body)
	_ = r.trailer.Write(&all) // to memory
	return all.String()
}

// send makes a request by hand; a token of "" sends none.
func (s *stack) send(client http.RoundTripper, method, target, token string, header map[string]string, body io.Reader) reply {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.in(), method, s.url+target, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for key, value := range header {
		r.Header.Set(key, value)
	}
	response, err := bearing{s, token, client}.RoundTrip(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("%s %s: read the answer: %v", method, target, err)
	}
	s.findLeaks(method+" "+target, got)
	return reply{status: response.StatusCode, header: response.Header, trailer: response.Trailer, body: got}
}

// inside is what no answer says: how the server is made.
var inside = []string{
	"teamtaskv1", "goroutine", ".go:", "pgx", "pgconn", "SQLSTATE", "SELECT", "INSERT", "tenant_id", "tasks_pkey",
	"task_requests", "audit_events", "invitations_", "licenses_", "seats_", "stripe:", "cus_", "TT030", "runtime error", "protovalidate", "unmarshal into", "panic", "interface {}", "*http.",
}

func (s *stack) findLeaks(title string, body []byte) {
	s.t.Helper()
	for _, word := range inside {
		if bytes.Contains(body, []byte(word)) {
			s.t.Errorf("%s: the answer says %q:\n%.500s", title, word, body)
		}
	}
}

// post sends bytes to a procedure over HTTP/1.1, as Connect JSON unless the headers
// say otherwise.
func (s *stack) post(procedure, token string, body []byte, headers ...map[string]string) reply {
	s.t.Helper()
	all := map[string]string{"Content-Type": "application/json"}
	for _, h := range headers {
		maps.Copy(all, h)
	}
	return s.send(s.http1, http.MethodPost, procedure, token, all, bytes.NewReader(body))
}

// told is everything that an answer says of an error.
type told struct {
	refusal
	words    string
	internal string   // the request id in a RequestInfo
	details  []string // their types
}

// told reads the error in an answer of any protocol, as a foreign client would.
func (r reply) told(t testing.TB) told {
	t.Helper()
	if strings.HasPrefix(r.header.Get("Content-Type"), "application/grpc") {
		return r.toldByGRPC(t)
	}
	var wire struct {
		Code    connect.Code
		Message string
		Details []struct{ Type, Value string }
	}
	if err := json.Unmarshal(r.body, &wire); err != nil {
		t.Fatalf("the answer is not an error of Connect: %v\n%d %s", err, r.status, r.body)
	}
	got := told{refusal: refusal{Code: wire.Code}, words: wire.Message}
	for _, d := range wire.Details {
		value, err := base64.RawStdEncoding.DecodeString(d.Value)
		if err != nil {
			t.Fatalf("detail %s: %v", d.Type, err)
		}
		got.add(t, d.Type, value)
	}
	return got
}

func (r reply) toldByGRPC(t testing.TB) told {
	t.Helper()
	trailer := r.trailer
	if r.header.Get("Grpc-Status") != "" {
		trailer = r.header
	} else if strings.HasPrefix(r.header.Get("Content-Type"), "application/grpc-web") {
		trailer = webTrailer(t, r.body)
	}
	code, err := strconv.ParseUint(trailer.Get("Grpc-Status"), 10, 32)
	if err != nil {
		t.Fatalf("no grpc-status: %d %v %v %q", r.status, r.header, r.trailer, r.body)
	}
	got := told{refusal: refusal{Code: connect.Code(code)}, words: trailer.Get("Grpc-Message")}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(trailer.Get("Grpc-Status-Details-Bin"), "="))
	if err != nil {
		t.Fatalf("grpc-status-details-bin: %v", err)
	}
	var details status.Status
	if err := proto.Unmarshal(raw, &details); err != nil {
		t.Fatalf("grpc-status-details-bin: %v", err)
	}
	if details.GetCode() != int32(code) {
		t.Errorf("the details say code %d, the status says %d", details.GetCode(), code)
	}
	for _, d := range details.GetDetails() {
		got.add(t, strings.TrimPrefix(d.GetTypeUrl(), "type.googleapis.com/"), d.GetValue())
	}
	return got
}

// webTrailer finds the trailer frame in a gRPC-Web body.
func webTrailer(t testing.TB, body []byte) http.Header {
	t.Helper()
	trailer := http.Header{}
	for len(body) >= 5 {
		size := binary.BigEndian.Uint32(body[1:5])
		if body[0]&0x80 != 0 {
			for line := range strings.SplitSeq(string(body[5:5+size]), "\r\n") {
				if key, value, ok := strings.Cut(line, ":"); ok {
					trailer.Set(strings.TrimSpace(key), strings.TrimSpace(value))
				}
			}
		}
		body = body[5+size:]
	}
	return trailer
}

func (got *told) add(t testing.TB, kind string, value []byte) {
	t.Helper()
	got.details = append(got.details, kind)
	switch kind {
	case "google.rpc.ErrorInfo":
		var info errdetails.ErrorInfo
		if err := proto.Unmarshal(value, &info); err != nil {
			t.Fatal(err)
		}
		if info.GetDomain() != "teamtask" {
			t.Errorf("domain = %q, want teamtask", info.GetDomain())
		}
		got.Reason, got.Metadata = info.GetReason(), info.GetMetadata()
	case "google.rpc.RequestInfo":
		var info errdetails.RequestInfo
		if err := proto.Unmarshal(value, &info); err != nil {
			t.Fatal(err)
		}
		got.internal = info.GetRequestId()
	}
}

// enveloped is the message with the five bytes that gRPC puts before it.
func enveloped(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}
