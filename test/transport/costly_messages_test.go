package transport

import (
	"bytes"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/hostile"
	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestAMessageThatWouldCostMuchIsRefusedInClearWords(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	const json, charset, grpcJSON = "application/json", "application/json; charset=utf-8", "application/grpc-web+json"
	for _, c := range []struct {
		contentType, body, words string
	}{
		{json, hostile.Nested(10_000), "nested more than 64 levels deep"},
		{charset, hostile.Nested(10_000), "nested more than 64 levels deep"},
		{grpcJSON, hostile.Nested(10_000), "nested more than 64 levels deep"},
		{json, hostile.ListOf(100_000, "1"), "more than 20,000 values"},
		{json, "\xef\xbb\xbf{}", "byte order mark"},
		{json, "{\x00}", "byte of zero"},
		{json, hostile.TextOf(200 << 10), "a text is longer than 128 KiB"},
		{"application/proto", string(hostile.Groups(100)), "nested more than 64 levels deep"},
		{"application/grpc-web", string(hostile.Fields(1023, 50_000)), "more than 20,000 values"},
	} {
		for _, zipped := range []bool{false, true} {
			header, body := map[string]string{"Content-Type": c.contentType}, []byte(c.body)
			if zipped {
				body = hostile.Gzip(t, body)
				maps.Copy(header, map[string]string{"Content-Encoding": "gzip", "Grpc-Encoding": "gzip"})
			}
			if strings.HasPrefix(c.contentType, "application/grpc") {
				body = stacktest.Enveloped(body)
				if zipped {
					body[0] = 1
				}
			}
			answer := s.Send(s.HTTP1, http.MethodPost, stacktest.CreateTask, token, header, bytes.NewReader(body))
			s.Expect(t, c.words, answer, stacktest.Unreadable)
			if got := answer.Told(t).Words; !strings.HasPrefix(got, "the request cannot be read: ") || !strings.Contains(got, c.words) {
				t.Errorf("%s in %s: %q", c.words, c.contentType, got)
			}
		}
	}
}

func TestAMaskOfManyFieldsIsRefused(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	mask := []byte(`{"updateMask":"` + strings.Repeat("a,", 64) + `a"}`)
	for contentType, body := range map[string][]byte{"application/json": mask, "application/proto": hostile.Mask(65)} {
		answer := s.Send(s.HTTP1, http.MethodPost, stacktest.UpdateTask, token, map[string]string{"Content-Type": contentType}, bytes.NewReader(body))
		s.Expect(t, contentType, answer, stacktest.Unreadable)
		if got := answer.Told(t).Words; contentType == "application/json" && !strings.Contains(got, "name more than 64 fields") {
			t.Errorf("%s: %q", contentType, got)
		}
	}
}
