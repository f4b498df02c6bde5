package transport

import (
	"bytes"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/hostile"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// Connect refuses all of this by itself, before our interceptors run or without them:
// it leaves in our form all the same.
func TestWhatCannotBeReadIsRefusedInOurForm(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	valid, err := proto.Marshal(&teamtaskv1.CreateTaskRequest{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	type header = map[string]string
	grpc := header{"Content-Type": "application/grpc+proto"}
	web := header{"Content-Type": "application/grpc-web+proto"}
	binary := header{"Content-Type": "application/proto"}
	for _, c := range []struct {
		name   string
		header header
		body   string
		want   stacktest.Refusal
		status int // 0: any
	}{
		{"no body", nil, "", stacktest.Unreadable, 400},
		{"only white space", nil, "  ", stacktest.Unreadable, 400},
		{"half an object", nil, `{"name":`, stacktest.Unreadable, 400},
		{"not JSON", nil, "name=x", stacktest.Unreadable, 400},
		{"a list", nil, "[]", stacktest.Unreadable, 400},
		{"null", nil, "null", stacktest.Unreadable, 400},
		{"a number for a text", nil, `{"name":7}`, stacktest.Unreadable, 400},
		{"an object for a text", nil, `{"name":{}}`, stacktest.Unreadable, 400},
		{"a list for a text", nil, `{"name":["x"]}`, stacktest.Unreadable, 400},
		{"a field twice", nil, `{"name":"x","name":"y"}`, stacktest.Unreadable, 400},
		{"two objects", nil, `{"name":"x"}{"name":"y"}`, stacktest.Unreadable, 400},
		{"deep nesting", nil, `{"name":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, stacktest.Unreadable, 400},
		{"deep nesting in an unknown field", nil, `{"other":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, stacktest.Unreadable, 400},
		{"invalid UTF-8", nil, "{\"name\":\"\xff\"}", stacktest.Unreadable, 400},
		{"half a surrogate pair", nil, `{"name":"\ud800"}`, stacktest.Unreadable, 400},
		{"charset", header{"Content-Type": "application/json; charset=utf-8"}, `{"name":7}`, stacktest.Unreadable, 400},
		{"charset, shouted", header{"Content-Type": "application/json;charset=UTF-8"}, `{"name":7}`, stacktest.Unreadable, 400},
		{"binary: truncated", binary, string(valid[:2]), stacktest.Unreadable, 400},
		{"binary: garbage", binary, "\xff\xff\xff\xff", stacktest.Unreadable, 400},
		{"binary: invalid UTF-8", binary, "\x0a\x01\xff", stacktest.Unreadable, 400},
		{"binary: deep groups", binary, strings.Repeat("\xfb\x3f", 100_000), stacktest.Unreadable, 400},
		{"gRPC: no message", grpc, "", stacktest.NoMethod, 200},
		{"gRPC: half an envelope", grpc, "\x00\x00\x00", stacktest.Unreadable, 200},
		{"gRPC: less than promised", grpc, "\x00\x00\x00\x00\x09" + string(valid), stacktest.Unreadable, 200},
		{"gRPC: strange flags", grpc, "\x40\x00\x00\x00\x03" + string(valid), stacktest.Unreadable, 200},
		{"gRPC: garbage", grpc, string(stacktest.Enveloped([]byte("\xff\xff"))), stacktest.Unreadable, 200},
		{"gRPC: two messages", grpc, string(stacktest.Enveloped(valid)) + string(stacktest.Enveloped(valid)), stacktest.NoMethod, 200},
		{"gRPC-Web: half an envelope", web, "\x00\x00\x00", stacktest.Unreadable, 200},
		{"gRPC-Web: less than promised", web, "\x00\x00\x00\x00\x09" + string(valid), stacktest.Unreadable, 200},
		{"gRPC-Web: garbage", web, string(stacktest.Enveloped([]byte("\xff\xff"))), stacktest.Unreadable, 200},
	} {
		over := s.HTTP1
		if strings.HasPrefix(c.header["Content-Type"], "application/grpc+") {
			over = s.HTTP2
		}
		all := header{"Content-Type": "application/json"}
		maps.Copy(all, c.header)
		answer := s.Send(over, http.MethodPost, stacktest.CreateTask, token, all, bytes.NewReader([]byte(c.body)))
		s.Expect(t, c.name, answer, c.want)
		if c.status != 0 && answer.Status != c.status {
			t.Errorf("%s: status %d, want %d", c.name, answer.Status, c.status)
		}
		s.FindLeaks(c.name, []byte(answer.Told(t).Words))
	}
}

func TestEncodingsThatAreNotSpokenAreRefusedInOurForm(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	whole := hostile.Gzip(t, []byte(`{"name":"x"}`))
	wrong := bytes.Clone(whole)
	wrong[len(wrong)-6] ^= 1 // in the checksum
	type header = map[string]string
	for _, c := range []struct {
		name   string
		header header
		body   []byte
		want   stacktest.Refusal
	}{
		{"brotli", header{"Content-Encoding": "br"}, []byte("x"), stacktest.NoMethod},
		{"two encodings", header{"Content-Encoding": "gzip, gzip"}, whole, stacktest.NoMethod},
		{"gRPC in zstd", header{"Content-Type": "application/grpc-web", "Grpc-Encoding": "zstd"}, stacktest.Enveloped(nil), stacktest.NoMethod},
		{"truncated gzip", header{"Content-Encoding": "gzip"}, whole[:len(whole)-9], stacktest.Unreadable},
		{"gzip without its end", header{"Content-Encoding": "gzip"}, whole[:len(whole)-1], stacktest.Unreadable},
		{"gzip with a wrong checksum", header{"Content-Encoding": "gzip"}, wrong, stacktest.Unreadable},
		{"not gzip", header{"Content-Encoding": "gzip"}, []byte(`{"name":"x"}`), stacktest.Unreadable},
		{"an empty gzip", header{"Content-Encoding": "gzip"}, nil, stacktest.Unreadable},
		{"gzip in gzip", header{"Content-Encoding": "gzip"}, hostile.Gzip(t, whole), stacktest.Unreadable},
		{"gRPC with a truncated gzip", header{"Content-Type": "application/grpc-web", "Grpc-Encoding": "gzip"}, stacktest.Packed(whole[:20]), stacktest.Unreadable},
		{"gRPC compressed without saying how", header{"Content-Type": "application/grpc-web"}, stacktest.Packed(whole), stacktest.Unreadable},
	} {
		s.Expect(t, c.name, s.Post(stacktest.CreateTask, token, c.body, c.header), c.want)
	}
}

func TestADeadlineThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	for _, value := range []string{"-1", "abc", "12345678901", "1.5", "0x10", "1e3"} {
		s.Expect(t, "Connect: "+value, s.Post(stacktest.ListTasks, token, []byte("{}"), map[string]string{"Connect-Timeout-Ms": value}), stacktest.Unreadable)
	}
	for _, value := range []string{"5", "S", "-1S", "123456789S", "1.5S", "1X"} {
		header := map[string]string{"Content-Type": "application/grpc-web+proto", "Grpc-Timeout": value}
		s.Expect(t, "gRPC-Web: "+value, s.Post(stacktest.ListTasks, token, stacktest.Enveloped(nil), header), stacktest.Unreadable)
		header["Content-Type"] = "application/grpc+proto"
		s.Expect(t, "gRPC: "+value, s.Send(s.HTTP2, http.MethodPost, stacktest.ListTasks, token, header, bytes.NewReader(stacktest.Enveloped(nil))), stacktest.Unreadable)
	}
	s.Expect(t, "a good one", s.Post(stacktest.ListTasks, token, []byte("{}"), map[string]string{"Connect-Timeout-Ms": "5000"}), stacktest.Refusal{})
}

func TestWhatIsNotThereIsRefusedInOurForm(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	for _, c := range []struct {
		name, method, path, contentType string
		status                          int
		words                           string // contained in the message
	}{
		{"an unknown method", http.MethodPost, "/teamtask.v1.TaskService/Nothing", "application/json", 404, "no such method"},
		{"an unknown service", http.MethodPost, "/teamtask.v1.Nothing/GetTask", "application/json", 404, "no such method"},
		{"a method in other letters", http.MethodPost, "/teamtask.v1.TaskService/getTask", "application/json", 404, "no such method"},
		{"the root", http.MethodGet, "/", "", 404, "no such method"},
		{"a file", http.MethodGet, "/favicon.ico", "", 404, "no such method"},
		{"a way up", http.MethodPost, "/teamtask.v1.TaskService/%2e%2e/GetTask", "application/json", 404, "no such method"},
		{"PUT", http.MethodPut, stacktest.GetTask, "application/json", 405, "use GET, POST"},
		{"DELETE", http.MethodDelete, stacktest.DeleteTask, "application/json", 405, "use POST"},
		{"HEAD", http.MethodHead, stacktest.GetTask, "", 405, "use GET, POST"},
		{"OPTIONS", http.MethodOptions, stacktest.GetTask, "", 405, "use GET, POST"},
		{"a form", http.MethodPost, stacktest.CreateTask, "application/x-www-form-urlencoded", 415, "send application/json or application/proto"},
		{"plain text", http.MethodPost, stacktest.CreateTask, "text/plain", 415, "send application/json or application/proto"},
		{"plain text that says JSON", http.MethodPost, stacktest.CreateTask, "text/plain; application/json", 415, "send application/json or application/proto"},
		{"another charset", http.MethodPost, stacktest.CreateTask, "application/json; charset=utf-16", 415, "send application/json or application/proto"},
		{"no type", http.MethodPost, stacktest.CreateTask, "", 415, "send application/json or application/proto"},
		{"XML", http.MethodPost, stacktest.CreateTask, "application/xml", 415, "send application/json or application/proto"},
		{"a POST of health", http.MethodPost, "/healthz", "application/json", 405, "use GET"},
	} {
		answer := s.Send(s.HTTP1, c.method, c.path, token, map[string]string{"Content-Type": c.contentType}, strings.NewReader(`{"name":"x"}`))
		if answer.Status != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, answer.Status, c.status, answer.Body)
		}
		if c.method != http.MethodHead {
			want := stacktest.NoMethod
			if c.contentType == "" && c.status == http.StatusUnsupportedMediaType {
				want = stacktest.Unreadable // something is missing: the method is there
			}
			s.Expect(t, c.name, answer, want)
			if words := answer.Told(t).Words; !strings.Contains(words, c.words) {
				t.Errorf("%s: %q, want it to contain %q", c.name, words, c.words)
			}
		}
	}
	for _, path := range []string{"/teamtask.v1.TaskService/Nothing", "/teamtask.v1.Nothing/GetTask", "/"} {
		for _, over := range []http.RoundTripper{s.HTTP1, s.HTTP2} {
			for _, contentType := range []string{"application/grpc", "application/grpc-web+proto"} {
				answer := s.Send(over, http.MethodPost, path, token, map[string]string{"Content-Type": contentType}, bytes.NewReader(stacktest.Enveloped(nil)))
				s.Expect(t, contentType+" of "+path, answer, stacktest.NoMethod)
				if answer.Status != http.StatusOK {
					t.Errorf("%s of %s: status %d, want 200: gRPC tells errors by its own status", contentType, path, answer.Status)
				}
			}
		}
	}
	if n := s.Count(`SELECT count(*) FROM tasks`); n != 0 {
		t.Errorf("%d tasks were made by calls that were refused", n)
	}
}

// A GET that is not one of Connect's is refused as well: what is missing or cannot be
// read is one thing, what is not supported another.
func TestAMalformedGetIsRefusedInOurForm(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	for _, c := range []struct {
		name, target string
		want         stacktest.Refusal
		words        string
	}{
		{"no parameters", stacktest.GetTask, stacktest.Unreadable, "encoding and message"},
		{"no message", stacktest.GetTask + "?encoding=json", stacktest.Unreadable, ""},
		{"no encoding", stacktest.GetTask + "?message=%7B%7D", stacktest.Unreadable, "encoding and message"},
		{"an unknown encoding", stacktest.GetTask + "?encoding=xml&message=x", stacktest.NoMethod, "json or proto"},
		{"bad base64", stacktest.GetTask + "?encoding=json&base64=1&message=%25%25", stacktest.Unreadable, ""},
		{"bad JSON", stacktest.GetTask + "?encoding=json&message=%7B", stacktest.Unreadable, ""},
		{"an unknown packing", stacktest.GetTask + "?encoding=json&compression=br&message=%7B%7D", stacktest.NoMethod, "use gzip or none"},
		{"an unknown version", stacktest.GetTask + "?connect=v9&encoding=json&message=%7B%7D", stacktest.Unreadable, ""},
		{"a message of nothing", stacktest.GetTask + "?encoding=json&message=", stacktest.Unreadable, ""},
	} {
		answer := s.Send(s.HTTP1, http.MethodGet, c.target, token, nil, nil)
		s.Expect(t, c.name, answer, c.want)
		if words := answer.Told(t).Words; !strings.Contains(words, c.words) {
			t.Errorf("%s: %q, want it to contain %q", c.name, words, c.words)
		}
	}
}

// What Google's client for gRPC-Web sends in its default mode, mode=grpcwebtext.
func TestTheTextFormOfGRPCWebIsRefusedWithWhatToUse(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	for _, contentType := range []string{"application/grpc-web-text", "application/grpc-web-text+proto"} {
		for _, path := range []string{stacktest.ListTasks, stacktest.CreateTask} {
			body := base64.StdEncoding.EncodeToString(stacktest.Enveloped(nil))
			answer := s.Send(s.HTTP1, http.MethodPost, path, token, map[string]string{"Content-Type": contentType}, strings.NewReader(body))
			s.Expect(t, contentType, answer, stacktest.NoMethod)
			if answer.Status != http.StatusNotImplemented || !strings.Contains(answer.Told(t).Words, "use application/grpc-web+proto") {
				t.Errorf("%s of %s: %d %s", contentType, path, answer.Status, answer.Body)
			}
		}
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	answer := s.Post(stacktest.CreateTask, s.Token("alice", "d2-gamers", 2), []byte(`{"name":"x","inTheFuture":{"a":[1]},"tenantId":"org_acme"}`))
	if answer.Status != http.StatusOK || s.Count(`SELECT count(*) FROM tasks WHERE tenant_id = 'org_d2gamers'`) != 1 {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
}
