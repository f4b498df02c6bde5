package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/hostile"
)

var tooLarge = refused(connect.CodeResourceExhausted, "MESSAGE_TOO_LARGE")

func TestABodyMayHaveExactlyTheLargestSize(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	for _, c := range []struct {
		name   string
		over   http.RoundTripper
		header map[string]string
		body   []byte
		want   refusal
	}{
		{"JSON at the limit", s.http1, nil, padded(wireLimit), refusal{}},
		{"JSON one over", s.http1, nil, padded(wireLimit + 1), tooLarge},
		{"JSON far over", s.http1, nil, padded(100 * wireLimit), tooLarge},
		{"JSON over h2c at the limit", s.http2, nil, padded(wireLimit), refusal{}},
		{"JSON over h2c one over", s.http2, nil, padded(wireLimit + 1), tooLarge},
		{"binary at the limit", s.http1, map[string]string{"Content-Type": "application/proto"}, paddedBinary(t, wireLimit), refusal{}},
		{"binary one over", s.http1, map[string]string{"Content-Type": "application/proto"}, paddedBinary(t, wireLimit+1), tooLarge},
		{"gRPC at the limit", s.http2, map[string]string{"Content-Type": "application/grpc"}, enveloped(paddedBinary(t, wireLimit-5)), refusal{}},
		{"gRPC one over", s.http2, map[string]string{"Content-Type": "application/grpc"}, enveloped(paddedBinary(t, wireLimit-4)), tooLarge},
		{"gRPC-Web at the limit", s.http1, map[string]string{"Content-Type": "application/grpc-web"}, enveloped(paddedBinary(t, wireLimit-5)), refusal{}},
		{"gRPC-Web one over", s.http1, map[string]string{"Content-Type": "application/grpc-web"}, enveloped(paddedBinary(t, wireLimit-4)), tooLarge},
	} {
		header := map[string]string{"Content-Type": "application/json"}
		maps.Copy(header, c.header)
		answer := s.send(c.over, http.MethodPost, createTask, token, header, bytes.NewReader(c.body))
		s.expect(t, c.name, answer, c.want)
	}
}

func TestAMessageMayInflateToExactlyTheLargestSize(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	for _, c := range []struct {
		name        string
		contentType string
		body        []byte
		want        refusal
	}{
		{"JSON at the limit", "application/json", hostile.Gzip(t, padded(messageLimit)), refusal{}},
		{"JSON one over", "application/json", hostile.Gzip(t, padded(messageLimit+1)), tooLarge},
		{"JSON far over", "application/json", hostile.Bomb(t, 16<<20), tooLarge},
		{"binary at the limit", "application/proto", hostile.Gzip(t, paddedBinary(t, messageLimit)), refusal{}},
		{"binary one over", "application/proto", hostile.Gzip(t, paddedBinary(t, messageLimit+1)), tooLarge},
		{"gRPC-Web at the limit", "application/grpc-web", packed(hostile.Gzip(t, paddedBinary(t, messageLimit))), refusal{}},
		{"gRPC-Web one over", "application/grpc-web", packed(hostile.Gzip(t, paddedBinary(t, messageLimit+1))), tooLarge},
		{"gRPC-Web far over", "application/grpc-web+json", packed(hostile.Bomb(t, 16<<20)), tooLarge},
	} {
		answer := s.post(createTask, token, c.body, map[string]string{
			"Content-Type": c.contentType, "Content-Encoding": "gzip", "Grpc-Encoding": "gzip",
		})
		s.expect(t, c.name, answer, c.want)
	}
}

// A page of the longest texts ends early, so that an answer stays small in the form that
// makes the most of it, JSON with six bytes a character; and no task is lost by it.
func TestAPageOfLongTextsEndsEarlyAndLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	rows := make([]row, 200)
	for i := range rows {
		rows[i] = row{tenant: "org_d2gamers", name: strings.Repeat("🎉", 200), description: strings.Repeat("\u0001", 10_000)}
	}
	s.put(rows...)
	token := s.token("alice", "d2-gamers", 2)
	answer := s.post(listTasks, token, []byte(`{"pageSize":200}`))
	if answer.status != http.StatusOK || len(answer.body) > 2<<20 {
		t.Errorf("status %d, %d bytes: %.200s", answer.status, len(answer.body), answer.body)
	}
	seen := map[string]bool{}
	client := protocols[6].typed(s, token)
	request := &teamtaskv1.ListTasksRequest{PageSize: 200}
	for pages := 1; ; pages++ {
		listed, err := client.ListTasks(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range listed.GetTasks() {
			seen[task.GetId()] = true
		}
		if request.PageToken = listed.GetNextPageToken(); request.PageToken == "" {
			if pages < 2 || len(seen) != len(rows) {
				t.Errorf("%d tasks on %d pages, want %d on more than one", len(seen), pages, len(rows))
			}
			return
		}
	}
}

func TestHeadersHaveALargestSize(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	header := map[string]string{"Content-Type": "application/json", "X-Filler": strings.Repeat("x", 900<<10)}
	if answer := s.send(s.http1, http.MethodPost, listTasks, "", header, strings.NewReader("{}")); answer.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want 431", answer.status)
	}
}

func TestABombIsNotInflatedPastTheLargestMessage(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	packed := hostile.Bomb(t, 16<<20)
	answer := s.post(createTask, s.token("alice", "d2-gamers", 2), packed, map[string]string{"Content-Encoding": "gzip"})
	s.expect(t, "a bomb", answer, tooLarge)
	if seen := fmt.Sprintf("message size %d", messageLimit+1); !strings.Contains(s.log.String(), seen) {
		t.Errorf("more than %d bytes were inflated:\n%s", messageLimit+1, s.log)
	}
}
