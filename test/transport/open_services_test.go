package transport

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/hostile"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// What is open to everybody has the same guards as what is not, and reads far less.
func TestOpenServicesAreGuardedInEveryProtocol(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"REFLECTION": "on"})
	inJSON := func(format string, a ...any) []byte { return fmt.Appendf(nil, format, a...) }
	for _, p := range stacktest.Protocols {
		if p.IsGet() {
			continue
		}
		isJSON := strings.Contains(p.ContentType, "json")
		envelope := 0
		if p.IsFramed() {
			envelope = 5
		}
		for _, c := range []struct {
			name, encoding string
			data           []byte
			want           stacktest.Refusal
		}{
			{"a message at the limit", "", inJSON(`{%s}`, strings.Repeat(" ", 4<<10-envelope-2)), stacktest.Refusal{}},
			{"a message over it", "", inJSON(`{%s}`, strings.Repeat(" ", 4<<10-envelope-1)), tooLarge},
			{"a message far over it", "", inJSON(`{%s}`, strings.Repeat(" ", 1_000*4<<10)), tooLarge},
			{"inflated to the limit", "gzip", hostile.Gzip(t, inJSON(`{%s}`, strings.Repeat(" ", 4<<10-2))), stacktest.Refusal{}},
			{"inflated over it", "gzip", hostile.Gzip(t, inJSON(`{%s}`, strings.Repeat(" ", 4<<10-1))), tooLarge},
			{"a bomb", "gzip", hostile.Gzip(t, inJSON(`{%s}`, strings.Repeat(" ", 3<<20))), tooLarge},
			{"64 levels", "", inJSON(`{"x":%s%s}`, strings.Repeat("[", 63), strings.Repeat("]", 63)), stacktest.Refusal{}},
			{"65 levels", "", inJSON(`{"x":%s%s}`, strings.Repeat("[", 64), strings.Repeat("]", 64)), stacktest.Unreadable},
			{"1,900 levels", "", inJSON(`{"x":%s%s}`, strings.Repeat("[", 1_900), strings.Repeat("]", 1_900)), stacktest.Unreadable},
			{"the character NUL", "", []byte(`{"service":"\u0000"}`), stacktest.Unreadable},
			{"a long number", "", inJSON(`{"x":%s}`, strings.Repeat("9", 1_001)), stacktest.Unreadable},
			{"bad UTF-8", "", []byte("{\"service\":\"\xff\"}"), stacktest.Unreadable},
			{"gzip in gzip", "gzip", hostile.Gzip(t, hostile.Gzip(t, []byte("{}"))), stacktest.Unreadable},
			{"another encoding", "br", []byte("{}"), stacktest.NoMethod},
		} {
			if isJSON {
				s.Expect(t, p.Name+": "+c.name, p.Put(s, stacktest.HealthCheck, "", c.data, c.encoding), c.want)
			}
		}
		for _, c := range []struct {
			name, encoding string
			data           []byte
			want           stacktest.Refusal
		}{
			{"a message at the limit", "", paddedHealth(4<<10 - envelope), stacktest.Refusal{}},
			{"a message over it", "", paddedHealth(4<<10 - envelope + 1), tooLarge},
			{"a message far over it", "", paddedHealth(1_000 * 4 << 10), tooLarge},
			{"inflated to the limit", "gzip", hostile.Gzip(t, paddedHealth(4<<10)), stacktest.Refusal{}},
			{"inflated over it", "gzip", hostile.Gzip(t, paddedHealth(4<<10+1)), tooLarge},
			{"a bomb", "gzip", hostile.Gzip(t, paddedHealth(3<<20)), tooLarge},
			{"groups in each other", "", bytes.Repeat([]byte("\xfb\x3f"), 64), stacktest.Unreadable},
			{"the character NUL", "", []byte("\x0a\x01\x00"), stacktest.Unreadable},
			{"bad UTF-8", "", []byte("\x0a\x01\xff"), stacktest.Unreadable},
			{"not gzip", "gzip", []byte("\x0a\x01x"), stacktest.Unreadable},
		} {
			if !isJSON {
				s.Expect(t, p.Name+": "+c.name, p.Put(s, stacktest.HealthCheck, "", c.data, c.encoding), c.want)
			}
		}
	}
	if n := s.Outcomes(t, stacktest.HealthCheck, "ok"); n == 0 {
		t.Error("no call is counted")
	}
	if log := s.Log.String(); strings.Contains(log, "message size 31457") || !strings.Contains(log, "message size 4097") {
		t.Error("a bomb was inflated to its end")
	}
	for _, path := range []string{stacktest.Reflection, stacktest.ReflectionOld} {
		for _, c := range []struct {
			name, contentType string
			body              []byte
			want              stacktest.Refusal
		}{
			{"a message over the limit", "application/grpc", stacktest.Enveloped(paddedHealth(16 << 10)), tooLarge},
			{"a message far over it", "application/grpc", stacktest.Enveloped(paddedHealth(100 * 16 << 10)), tooLarge},
			{"many messages", "application/grpc", bytes.Repeat(stacktest.Enveloped([]byte("\x3a\x00")), 16<<10/7+1), tooLarge},
			{"a bomb", "application/grpc", stacktest.Packed(hostile.Gzip(t, paddedHealth(3<<20))), tooLarge},
			{"groups in each other", "application/grpc", stacktest.Enveloped(bytes.Repeat([]byte("\xfb\x3f"), 64)), stacktest.Unreadable},
			{"65 levels", "application/grpc+json", stacktest.Enveloped([]byte(`{"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`)), stacktest.Unreadable},
			{"the character NUL", "application/grpc-web+json", stacktest.Enveloped([]byte(`{"host":"\u0000"}`)), stacktest.Unreadable},
		} {
			answer := s.Send(s.HTTP2, http.MethodPost, path, "", map[string]string{"Content-Type": c.contentType, "Grpc-Encoding": "gzip"}, bytes.NewReader(c.body))
			got := answer.Told(t).Refusal
			if got.Code != c.want.Code || got.Reason != c.want.Reason {
				t.Errorf("%s: %s: %v, want %v", path, c.name, got, c.want)
			}
		}
	}
}

// paddedHealth is a request of exactly so many bytes, at least 5, in which all is a field
// that this server does not know.
func paddedHealth(size int) []byte {
	for n := size - 3; ; n-- {
		message := []byte{0xfa, 0x3f} // field 1023, bytes
		length := n
		for ; length >= 0x80; length >>= 7 {
			message = append(message, byte(length)|0x80)
		}
		message = append(message, byte(length))
		if len(message)+n == size {
			return append(message, bytes.Repeat([]byte("x"), n)...)
		}
	}
}
