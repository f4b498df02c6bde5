package main

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
)

// Connect refuses all of this by itself, before our interceptors run or without them:
// it leaves in our form all the same.
func TestWhatCannotBeReadIsRefusedInOurForm(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
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
		want   refusal
		status int // 0: any
	}{
		{"no body", nil, "", unreadable, 400},
		{"only white space", nil, "  ", unreadable, 400},
		{"half an object", nil, `{"name":`, unreadable, 400},
		{"not JSON", nil, "name=x", unreadable, 400},
		{"a list", nil, "[]", unreadable, 400},
		{"null", nil, "null", unreadable, 400},
		{"a number for a text", nil, `{"name":7}`, unreadable, 400},
		{"an object for a text", nil, `{"name":{}}`, unreadable, 400},
		{"a list for a text", nil, `{"name":["x"]}`, unreadable, 400},
		{"a field twice", nil, `{"name":"x","name":"y"}`, unreadable, 400},
		{"two objects", nil, `{"name":"x"}{"name":"y"}`, unreadable, 400},
		{"deep nesting", nil, `{"name":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, unreadable, 400},
		{"deep nesting in an unknown field", nil, `{"other":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, unreadable, 400},
		{"invalid UTF-8", nil, "{\"name\":\"\xff\"}", unreadable, 400},
		{"half a surrogate pair", nil, `{"name":"\ud800"}`, unreadable, 400},
		{"charset", header{"Content-Type": "application/json; charset=utf-8"}, `{"name":7}`, unreadable, 400},
		{"charset, shouted", header{"Content-Type": "application/json;charset=UTF-8"}, `{"name":7}`, unreadable, 400},
		{"binary: truncated", binary, string(valid[:2]), unreadable, 400},
		{"binary: garbage", binary, "\xff\xff\xff\xff", unreadable, 400},
		{"binary: invalid UTF-8", binary, "\x0a\x01\xff", unreadable, 400},
		{"binary: deep groups", binary, strings.Repeat("\xfb\x3f", 100_000), unreadable, 400},
		{"gRPC: no message", grpc, "", noMethod, 200},
		{"gRPC: half an envelope", grpc, "\x00\x00\x00", unreadable, 200},
		{"gRPC: less than promised", grpc, "\x00\x00\x00\x00\x09" + string(valid), unreadable, 200},
		{"gRPC: strange flags", grpc, "\x40\x00\x00\x00\x03" + string(valid), unreadable, 200},
		{"gRPC: garbage", grpc, string(enveloped([]byte("\xff\xff"))), unreadable, 200},
		{"gRPC: two messages", grpc, string(enveloped(valid)) + string(enveloped(valid)), noMethod, 200},
		{"gRPC-Web: half an envelope", web, "\x00\x00\x00", unreadable, 200},
		{"gRPC-Web: less than promised", web, "\x00\x00\x00\x00\x09" + string(valid), unreadable, 200},
		{"gRPC-Web: garbage", web, string(enveloped([]byte("\xff\xff"))), unreadable, 200},
	} {
		over := s.http1
		if strings.HasPrefix(c.header["Content-Type"], "application/grpc+") {
			over = s.http2
		}
		all := header{"Content-Type": "application/json"}
		maps.Copy(all, c.header)
		answer := s.send(over, http.MethodPost, createTask, token, all, bytes.NewReader([]byte(c.body)))
		s.expect(t, c.name, answer, c.want)
		if c.status != 0 && answer.status != c.status {
			t.Errorf("%s: status %d, want %d", c.name, answer.status, c.status)
		}
		s.findLeaks(c.name, []byte(answer.told(t).words))
	}
}

func TestEncodingsThatAreNotSpokenAreRefusedInOurForm(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	whole := hostile.Gzip(t, []byte(`{"name":"x"}`))
	wrong := bytes.Clone(whole)
	wrong[len(wrong)-6] ^= 1 // in the checksum
	type header = map[string]string
	for _, c := range []struct {
		name   string
		header header
		body   []byte
		want   refusal
	}{
		{"brotli", header{"Content-Encoding": "br"}, []byte("x"), noMethod},
		{"two encodings", header{"Content-Encoding": "gzip, gzip"}, whole, noMethod},
		{"gRPC in zstd", header{"Content-Type": "application/grpc-web", "Grpc-Encoding": "zstd"}, enveloped(nil), noMethod},
		{"truncated gzip", header{"Content-Encoding": "gzip"}, whole[:len(whole)-9], unreadable},
		{"gzip without its end", header{"Content-Encoding": "gzip"}, whole[:len(whole)-1], unreadable},
		{"gzip with a wrong checksum", header{"Content-Encoding": "gzip"}, wrong, unreadable},
		{"not gzip", header{"Content-Encoding": "gzip"}, []byte(`{"name":"x"}`), unreadable},
		{"an empty gzip", header{"Content-Encoding": "gzip"}, nil, unreadable},
		{"gzip in gzip", header{"Content-Encoding": "gzip"}, hostile.Gzip(t, whole), unreadable},
		{"gRPC with a truncated gzip", header{"Content-Type": "application/grpc-web", "Grpc-Encoding": "gzip"}, packed(whole[:20]), unreadable},
		{"gRPC compressed without saying how", header{"Content-Type": "application/grpc-web"}, packed(whole), unreadable},
	} {
		s.expect(t, c.name, s.post(createTask, token, c.body, c.header), c.want)
	}
}

func TestADeadlineThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	for _, value := range []string{"-1", "abc", "12345678901", "1.5", "0x10", "1e3"} {
		s.expect(t, "Connect: "+value, s.post(listTasks, token, []byte("{}"), map[string]string{"Connect-Timeout-Ms": value}), unreadable)
	}
	for _, value := range []string{"5", "S", "-1S", "123456789S", "1.5S", "1X"} {
		header := map[string]string{"Content-Type": "application/grpc-web+proto", "Grpc-Timeout": value}
		s.expect(t, "gRPC-Web: "+value, s.post(listTasks, token, enveloped(nil), header), unreadable)
		header["Content-Type"] = "application/grpc+proto"
		s.expect(t, "gRPC: "+value, s.send(s.http2, http.MethodPost, listTasks, token, header, bytes.NewReader(enveloped(nil))), unreadable)
	}
	s.expect(t, "a good one", s.post(listTasks, token, []byte("{}"), map[string]string{"Connect-Timeout-Ms": "5000"}), refusal{})
}

func TestWhatIsNotThereIsRefusedInOurForm(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
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
		{"PUT", http.MethodPut, getTask, "application/json", 405, "use GET, POST"},
		{"DELETE", http.MethodDelete, deleteTask, "application/json", 405, "use POST"},
		{"HEAD", http.MethodHead, getTask, "", 405, "use GET, POST"},
		{"OPTIONS", http.MethodOptions, getTask, "", 405, "use GET, POST"},
		{"a form", http.MethodPost, createTask, "application/x-www-form-urlencoded", 415, "send application/json or application/proto"},
		{"plain text", http.MethodPost, createTask, "text/plain", 415, "send application/json or application/proto"},
		{"plain text that says JSON", http.MethodPost, createTask, "text/plain; application/json", 415, "send application/json or application/proto"},
		{"another charset", http.MethodPost, createTask, "application/json; charset=utf-16", 415, "send application/json or application/proto"},
		{"no type", http.MethodPost, createTask, "", 415, "send application/json or application/proto"},
		{"XML", http.MethodPost, createTask, "application/xml", 415, "send application/json or application/proto"},
		{"a POST of health", http.MethodPost, "/healthz", "application/json", 405, "use GET"},
	} {
		answer := s.send(s.http1, c.method, c.path, token, map[string]string{"Content-Type": c.contentType}, strings.NewReader(`{"name":"x"}`))
		if answer.status != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, answer.status, c.status, answer.body)
		}
		if c.method != http.MethodHead {
			want := noMethod
			if c.contentType == "" && c.status == http.StatusUnsupportedMediaType {
				want = unreadable // something is missing: the method is there
			}
			s.expect(t, c.name, answer, want)
			if words := answer.told(t).words; !strings.Contains(words, c.words) {
				t.Errorf("%s: %q, want it to contain %q", c.name, words, c.words)
			}
		}
	}
	for _, path := range []string{"/teamtask.v1.TaskService/Nothing", "/teamtask.v1.Nothing/GetTask", "/"} {
		for _, over := range []http.RoundTripper{s.http1, s.http2} {
			for _, contentType := range []string{"application/grpc", "application/grpc-web+proto"} {
				answer := s.send(over, http.MethodPost, path, token, map[string]string{"Content-Type": contentType}, bytes.NewReader(enveloped(nil)))
				s.expect(t, contentType+" of "+path, answer, noMethod)
				if answer.status != http.StatusOK {
					t.Errorf("%s of %s: status %d, want 200: gRPC tells errors by its own status", contentType, path, answer.status)
				}
			}
		}
	}
	if n := s.count(`SELECT count(*) FROM tasks`); n != 0 {
		t.Errorf("%d tasks were made by calls that were refused", n)
	}
}

// A GET that is not one of Connect's is refused as well: what is missing or cannot be
// read is one thing, what is not supported another.
func TestAMalformedGetIsRefusedInOurForm(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	for _, c := range []struct {
		name, target string
		want         refusal
		words        string
	}{
		{"no parameters", getTask, unreadable, "encoding and message"},
		{"no message", getTask + "?encoding=json", unreadable, ""},
		{"no encoding", getTask + "?message=%7B%7D", unreadable, "encoding and message"},
		{"an unknown encoding", getTask + "?encoding=xml&message=x", noMethod, "json or proto"},
		{"bad base64", getTask + "?encoding=json&base64=1&message=%25%25", unreadable, ""},
		{"bad JSON", getTask + "?encoding=json&message=%7B", unreadable, ""},
		{"an unknown packing", getTask + "?encoding=json&compression=br&message=%7B%7D", noMethod, "use gzip or none"},
		{"an unknown version", getTask + "?connect=v9&encoding=json&message=%7B%7D", unreadable, ""},
		{"a message of nothing", getTask + "?encoding=json&message=", unreadable, ""},
	} {
		answer := s.send(s.http1, http.MethodGet, c.target, token, nil, nil)
		s.expect(t, c.name, answer, c.want)
		if words := answer.told(t).words; !strings.Contains(words, c.words) {
			t.Errorf("%s: %q, want it to contain %q", c.name, words, c.words)
		}
	}
}

// What Google's client for gRPC-Web sends in its default mode, mode=grpcwebtext.
func TestTheTextFormOfGRPCWebIsRefusedWithWhatToUse(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	for _, contentType := range []string{"application/grpc-web-text", "application/grpc-web-text+proto"} {
		for _, path := range []string{listTasks, createTask} {
			body := base64.StdEncoding.EncodeToString(enveloped(nil))
			answer := s.send(s.http1, http.MethodPost, path, token, map[string]string{"Content-Type": contentType}, strings.NewReader(body))
			s.expect(t, contentType, answer, noMethod)
			if answer.status != http.StatusNotImplemented || !strings.Contains(answer.told(t).words, "use application/grpc-web+proto") {
				t.Errorf("%s of %s: %d %s", contentType, path, answer.status, answer.body)
			}
		}
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	answer := s.post(createTask, s.token("alice", "d2-gamers", 2), []byte(`{"name":"x","inTheFuture":{"a":[1]},"tenantId":"org_acme"}`))
	if answer.status != http.StatusOK || s.count(`SELECT count(*) FROM tasks WHERE tenant_id = 'org_d2gamers'`) != 1 {
		t.Errorf("%d %s", answer.status, answer.body)
	}
}
