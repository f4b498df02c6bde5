package stacktest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
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

	"github.com/teamtask/teamtask/internal/fault"
)

// Reply is a response as it stands on the wire.
type Reply struct {
	Status  int
	Header  http.Header
	Trailer http.Header
	Body    []byte
}

// ID is the request id that the response carries.
func (r Reply) ID() string { return r.Header.Get(fault.RequestIDHeader) }

// Comparable is all of the response but what differs from call to call.
func (r Reply) Comparable() string {
	var all bytes.Buffer
	header := r.Header.Clone()
	header.Del(fault.RequestIDHeader)
	header.Del("Date")
	all.WriteString(strconv.Itoa(r.Status) + "\n")
	_ = header.Write(&all) // to memory
	all.Write(r.Body)
	_ = r.Trailer.Write(&all) // to memory
	return all.String()
}

// Send makes a request by hand; a token of "" sends none.
func (s *Stack) Send(client http.RoundTripper, method, target, token string, header map[string]string, body io.Reader) Reply {
	s.T.Helper()
	r, err := http.NewRequestWithContext(s.In(), method, s.URL+target, body)
	if err != nil {
		s.T.Fatal(err)
	}
	for key, value := range header {
		r.Header.Set(key, value)
	}
	response, err := s.Transport(token, client).RoundTrip(r)
	if err != nil {
		s.T.Fatalf("%s %s: %v", method, target, err)
	}
	defer func() { _ = response.Body.Close() }() // it has been read
	got, err := io.ReadAll(response.Body)
	if err != nil {
		s.T.Fatalf("%s %s: read the answer: %v", method, target, err)
	}
	s.FindLeaks(method+" "+target, got)
	return Reply{Status: response.StatusCode, Header: response.Header, Trailer: response.Trailer, Body: got}
}

// Inside is what no response says: how the server is made.
var Inside = []string{
	"teamtaskv1", "goroutine", ".go:", "pgx", "pgconn", "SQLSTATE", "SELECT", "INSERT", "tenant_id", "tasks_pkey",
	"task_requests", "audit_events", "invitations_", "licenses_", "seats_", "stripe:", "cus_", "TT030", "runtime error", "protovalidate", "unmarshal into", "panic", "interface {}", "*http.",
}

// FindLeaks reports what the body says of how the server is made.
func (s *Stack) FindLeaks(title string, body []byte) {
	s.T.Helper()
	for _, word := range Inside {
		if bytes.Contains(body, []byte(word)) {
			s.T.Errorf("%s: the answer says %q:\n%.500s", title, word, body)
		}
	}
}

// Post sends bytes to a procedure over HTTP/1.1, as Connect JSON unless the headers
// say otherwise.
func (s *Stack) Post(procedure, token string, body []byte, headers ...map[string]string) Reply {
	s.T.Helper()
	all := map[string]string{"Content-Type": "application/json"}
	for _, h := range headers {
		maps.Copy(all, h)
	}
	return s.Send(s.HTTP1, http.MethodPost, procedure, token, all, bytes.NewReader(body))
}

// Told is everything that a response says of an error.
type Told struct {
	Refusal
	Words    string
	internal string   // the request id in a RequestInfo
	Details  []string // their types
}

// Told reads the error in a response of any protocol, as a foreign client would.
func (r Reply) Told(t testing.TB) Told {
	t.Helper()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		return r.toldByGRPC(t)
	}
	var wire struct {
		Code    connect.Code
		Message string
		Details []struct{ Type, Value string }
	}
	if err := json.Unmarshal(r.Body, &wire); err != nil {
		t.Fatalf("the answer is not an error of Connect: %v\n%d %s", err, r.Status, r.Body)
	}
	got := Told{Refusal: Refusal{Code: wire.Code}, Words: wire.Message}
	for _, d := range wire.Details {
		value, err := base64.RawStdEncoding.DecodeString(d.Value)
		if err != nil {
			t.Fatalf("detail %s: %v", d.Type, err)
		}
		got.add(t, d.Type, value)
	}
	return got
}

func (r Reply) toldByGRPC(t testing.TB) Told {
	t.Helper()
	trailer := r.Trailer
	if r.Header.Get("Grpc-Status") != "" {
		trailer = r.Header
	} else if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc-web") {
		trailer = WebTrailer(t, r.Body)
	}
	code, err := strconv.ParseUint(trailer.Get("Grpc-Status"), 10, 32)
	if err != nil {
		t.Fatalf("no grpc-status: %d %v %v %q", r.Status, r.Header, r.Trailer, r.Body)
	}
	got := Told{Refusal: Refusal{Code: connect.Code(code)}, Words: trailer.Get("Grpc-Message")}
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

// WebTrailer finds the trailer frame in a gRPC-Web body.
func WebTrailer(t testing.TB, body []byte) http.Header {
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

func (got *Told) add(t testing.TB, kind string, value []byte) {
	t.Helper()
	got.Details = append(got.Details, kind)
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

// Enveloped is the message with the five bytes that gRPC puts before it.
func Enveloped(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}
