package transport

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
	"github.com/teamtask/teamtask/internal/stacktest"
)

var tooLarge = stacktest.Refused(connect.CodeResourceExhausted, "MESSAGE_TOO_LARGE")

func TestABodyMayHaveExactlyTheLargestSize(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	for _, c := range []struct {
		name   string
		over   http.RoundTripper
		header map[string]string
		body   []byte
		want   stacktest.Refusal
	}{
		{"JSON at the limit", s.HTTP1, nil, stacktest.Padded(stacktest.WireLimit), stacktest.Refusal{}},
		{"JSON one over", s.HTTP1, nil, stacktest.Padded(stacktest.WireLimit + 1), tooLarge},
		{"JSON far over", s.HTTP1, nil, stacktest.Padded(100 * stacktest.WireLimit), tooLarge},
		{"JSON over h2c at the limit", s.HTTP2, nil, stacktest.Padded(stacktest.WireLimit), stacktest.Refusal{}},
		{"JSON over h2c one over", s.HTTP2, nil, stacktest.Padded(stacktest.WireLimit + 1), tooLarge},
		{"binary at the limit", s.HTTP1, map[string]string{"Content-Type": "application/proto"}, stacktest.PaddedBinary(t, stacktest.WireLimit), stacktest.Refusal{}},
		{"binary one over", s.HTTP1, map[string]string{"Content-Type": "application/proto"}, stacktest.PaddedBinary(t, stacktest.WireLimit+1), tooLarge},
		{"gRPC at the limit", s.HTTP2, map[string]string{"Content-Type": "application/grpc"}, stacktest.Enveloped(stacktest.PaddedBinary(t, stacktest.WireLimit-5)), stacktest.Refusal{}},
		{"gRPC one over", s.HTTP2, map[string]string{"Content-Type": "application/grpc"}, stacktest.Enveloped(stacktest.PaddedBinary(t, stacktest.WireLimit-4)), tooLarge},
		{"gRPC-Web at the limit", s.HTTP1, map[string]string{"Content-Type": "application/grpc-web"}, stacktest.Enveloped(stacktest.PaddedBinary(t, stacktest.WireLimit-5)), stacktest.Refusal{}},
		{"gRPC-Web one over", s.HTTP1, map[string]string{"Content-Type": "application/grpc-web"}, stacktest.Enveloped(stacktest.PaddedBinary(t, stacktest.WireLimit-4)), tooLarge},
	} {
		header := map[string]string{"Content-Type": "application/json"}
		maps.Copy(header, c.header)
		answer := s.Send(c.over, http.MethodPost, stacktest.CreateTask, token, header, bytes.NewReader(c.body))
		s.Expect(t, c.name, answer, c.want)
	}
}

func TestAMessageMayInflateToExactlyTheLargestSize(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	for _, c := range []struct {
		name        string
		contentType string
		body        []byte
		want        stacktest.Refusal
	}{
		{"JSON at the limit", "application/json", hostile.Gzip(t, stacktest.Padded(stacktest.MessageLimit)), stacktest.Refusal{}},
		{"JSON one over", "application/json", hostile.Gzip(t, stacktest.Padded(stacktest.MessageLimit+1)), tooLarge},
		{"JSON far over", "application/json", hostile.Bomb(t, 16<<20), tooLarge},
		{"binary at the limit", "application/proto", hostile.Gzip(t, stacktest.PaddedBinary(t, stacktest.MessageLimit)), stacktest.Refusal{}},
		{"binary one over", "application/proto", hostile.Gzip(t, stacktest.PaddedBinary(t, stacktest.MessageLimit+1)), tooLarge},
		{"gRPC-Web at the limit", "application/grpc-web", stacktest.Packed(hostile.Gzip(t, stacktest.PaddedBinary(t, stacktest.MessageLimit))), stacktest.Refusal{}},
		{"gRPC-Web one over", "application/grpc-web", stacktest.Packed(hostile.Gzip(t, stacktest.PaddedBinary(t, stacktest.MessageLimit+1))), tooLarge},
		{"gRPC-Web far over", "application/grpc-web+json", stacktest.Packed(hostile.Bomb(t, 16<<20)), tooLarge},
	} {
		answer := s.Post(stacktest.CreateTask, token, c.body, map[string]string{
			"Content-Type": c.contentType, "Content-Encoding": "gzip", "Grpc-Encoding": "gzip",
		})
		s.Expect(t, c.name, answer, c.want)
	}
}

// A page of the longest texts ends early, so that an answer stays small in the form that
// makes the most of it, JSON with six bytes a character; and no task is lost by it.
func TestAPageOfLongTextsEndsEarlyAndLosesNothing(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	rows := make([]stacktest.Row, 200)
	for i := range rows {
		rows[i] = stacktest.Row{Tenant: "org_d2gamers", Name: strings.Repeat("🎉", 200), Description: strings.Repeat("\u0001", 10_000)}
	}
	s.Put(rows...)
	token := s.Token("alice", "d2-gamers", 2)
	answer := s.Post(stacktest.ListTasks, token, []byte(`{"pageSize":200}`))
	if answer.Status != http.StatusOK || len(answer.Body) > 2<<20 {
		t.Errorf("status %d, %d bytes: %.200s", answer.Status, len(answer.Body), answer.Body)
	}
	seen := map[string]bool{}
	client := stacktest.Protocols[6].Typed(s, token)
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
	s := stacktest.New(t, nil)
	header := map[string]string{"Content-Type": "application/json", "X-Filler": strings.Repeat("x", 900<<10)}
	if answer := s.Send(s.HTTP1, http.MethodPost, stacktest.ListTasks, "", header, strings.NewReader("{}")); answer.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want 431", answer.Status)
	}
}

func TestABombIsNotInflatedPastTheLargestMessage(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	packed := hostile.Bomb(t, 16<<20)
	answer := s.Post(stacktest.CreateTask, s.Token("alice", "d2-gamers", 2), packed, map[string]string{"Content-Encoding": "gzip"})
	s.Expect(t, "a bomb", answer, tooLarge)
	if seen := fmt.Sprintf("message size %d", stacktest.MessageLimit+1); !strings.Contains(s.Log.String(), seen) {
		t.Errorf("more than %d bytes were inflated:\n%s", stacktest.MessageLimit+1, s.Log)
	}
}
