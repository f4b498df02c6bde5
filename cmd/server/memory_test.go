package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/hostile"
)

// roomFor are the usual limits but for the bytes of requests.
func roomFor(all, tenant int) admission.Limits {
	within := patientLimits(8)
	within.Bytes, within.TenantBytes = all, tenant
	return within
}

// stalls sends all of a body of so many bytes but the last, on a connection of its own.
func (s *stack) stalls(t *testing.T, path, token string, size int, header string) *rawConn {
	t.Helper()
	conn := s.dial()
	t.Cleanup(func() { conn.Close() })
	conn.say(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n%sContent-Length: %d\r\n\r\n", path, token, header, size))
	conn.say(string(padded(size)[:size-1]))
	return conn
}

// A body is in memory while the rest of it is waited for: beyond what there is for all
// of them, a call is refused with when to try again.
func TestBodiesThatAreReadAreBounded(t *testing.T) {
	t.Parallel()
	const all = 4 << 20
	s := newLimited(t, roomFor(all, all/2), stub{})
	gamersToken, acmeToken := s.token("alice", "d2-gamers", 2), s.token("erin", "acme", 2)
	for range 2 * all / wireLimit { // four times what the tenant may have
		s.stalls(t, createTask, gamersToken, wireLimit, "")
	}
	until(t, "what the tenant may have is taken", func() bool {
		return s.calls.Memory.Used() > all/2-2*wireLimit && s.outcomes(t, createTask, "resource_exhausted") > 0
	})
	if used := s.calls.Memory.Used(); used > all/2 {
		t.Errorf("%d bytes of one tenant are taken, %d may be", used, all/2)
	}
	s.expect(t, "another tenant", s.post(createTask, acmeToken, padded(wireLimit)), refused(connect.CodeUnimplemented, "METHOD_UNKNOWN"))
	for range 2 * all / wireLimit {
		s.stalls(t, createTask, s.token("alice", "", 2), wireLimit, "")
	}
	until(t, "all is taken", func() bool { return s.calls.Memory.Used() > all-4*wireLimit })
	if used := s.calls.Memory.Used(); used > 2*all {
		t.Errorf("%d bytes are taken", used)
	}
}

// Whichever way a call comes, it is told the same, and the connection is not kept for
// what it has not sent.
func TestACallWhoseBodyHasNoRoomIsToldToTryAgain(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	s := newLimited(t, roomFor(1, 1), stub{get: func(context.Context) error { served.Add(1); return nil }})
	token := s.token("alice", "d2-gamers", 2)
	json, binary := padded(100<<10), paddedBinary(t, 100<<10)
	for _, c := range []struct {
		name, contentType string
		over              http.RoundTripper
		body              []byte
	}{
		{"Connect JSON", "application/json", s.http1, json},
		{"Connect JSON over h2c", "application/json", s.http2, json},
		{"Connect binary", "application/proto", s.http1, binary},
		{"gRPC", "application/grpc", s.http2, enveloped(binary)},
		{"gRPC with JSON", "application/grpc+json", s.http2, enveloped(json)},
		{"gRPC-Web", "application/grpc-web", s.http1, enveloped(binary)},
		{"gRPC-Web over h2c", "application/grpc-web+json", s.http2, enveloped(json)},
		{"an envelope that says too much", "application/grpc", s.http2, append([]byte{0, 0x7f, 0, 0, 0}, binary...)},
	} {
		answer := s.send(c.over, http.MethodPost, createTask, token, map[string]string{"Content-Type": c.contentType}, bytes.NewReader(c.body))
		s.expect(t, c.name, answer, overloaded)
		if told := string(answer.body); c.contentType == "application/json" && !strings.Contains(told, "RetryInfo") {
			t.Errorf("%s: no time to try again: %s", c.name, told)
		}
	}
	conn := s.stalls(t, createTask, token, wireLimit, "")
	began := time.Now()
	if got := conn.hear(); got.status != http.StatusTooManyRequests || time.Since(began) > readWithin/2 {
		t.Errorf("a body that stalls: %d after %v", got.status, time.Since(began))
	}
	for _, p := range protocols { // they are small
		if err := s.getsTask(t.Context(), p); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	if n := s.calls.Memory.Used(); n != 0 || served.Load() != int64(len(protocols)) {
		t.Errorf("%d bytes are taken, %d calls were served", n, served.Load())
	}
}

// What is small on the wire may be large in memory, while it is inflated and while the
// call waits.
func TestWhatWasCompressedCountsAsWhatItIs(t *testing.T) {
	t.Parallel()
	large := hostile.Gzip(t, padded(900<<10))
	header := map[string]string{"Content-Encoding": "gzip", "Grpc-Encoding": "gzip"}
	narrow := newLimited(t, roomFor(1<<20, 1<<20), stub{}) // a buffer of 900 KiB has twice that
	token := narrow.token("alice", "d2-gamers", 2)
	narrow.expect(t, "inflated", narrow.post(createTask, token, large, header), overloaded)
	header["Content-Type"] = "application/grpc-web"
	narrow.expect(t, "inflated in gRPC-Web", narrow.post(createTask, token, packed(hostile.Gzip(t, paddedBinary(t, 900<<10))), header), overloaded)
	query := "?message=" + base64.RawURLEncoding.EncodeToString(large) + "&encoding=json&compression=gzip&base64=1&connect=v1"
	answer := narrow.send(narrow.http1, http.MethodGet, getTask+query, token, nil, nil)
	narrow.expect(t, "inflated by HTTP GET", answer, overloaded)
	header["Content-Type"] = "application/json"
	whole := hostile.Gzip(t, padded(300<<10))
	for _, broken := range [][]byte{whole[:len(whole)-9], append(bytes.Clone(whole), "garbage"...)} {
		narrow.expect(t, "broken", narrow.post(createTask, token, broken, header), refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT"))
	}
	if n := narrow.calls.Memory.Used(); n != 0 {
		t.Errorf("%d bytes are still taken", n)
	}

	within := roomFor(4<<20, 1<<20)
	within.TenantAtWork = 1
	s := newLimited(t, within, stub{})
	leave := enterLimiter(t, s.calls, gamers)
	body := fmt.Appendf(nil, `{"name":%q}`, strings.Repeat("x", 120<<10))
	const calls = 10
	answers := make(chan reply, calls)
	for range calls {
		go func() {
			answers <- s.post(createTask, token, hostile.Gzip(t, body), map[string]string{"Content-Encoding": "gzip"})
		}()
	}
	shed := 0
	until(t, "each is refused or waits", func() bool { shed = len(answers); return shed+s.calls.Queued() == calls })
	if n := s.calls.Memory.Used(); shed == 0 || n < (calls-shed)*120<<10 || n > 1<<20 {
		t.Errorf("%d bytes are taken by calls that wait, of which %d were refused", n, shed)
	}
	leave()
	for range calls {
		<-answers
	}
	limiterRests(t, s.calls)
	until(t, "all is given back", func() bool { return s.calls.Memory.Used() == 0 })
}

func TestTheServerCountsWhatItReads(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	conn := s.stalls(t, createTask, s.token("alice", "d2-gamers", 2), 100<<10, "")
	until(t, "what was read is counted", func() bool { return s.calls.Memory.Used() >= 190<<10 })
	if n := s.calls.Memory.UsedBy(gamers); n < 190<<10 {
		t.Errorf("%d bytes are the organization's", n)
	}
	conn.hangUp(true)
	until(t, "it is given back", func() bool { return s.calls.Memory.Used() == 0 })
}

// Without a token nobody has more than a few bytes of a body read.
func TestOpenServicesReadOnlySmallBodies(t *testing.T) {
	t.Parallel()
	s := newStack(t, map[string]string{"REFLECTION": "on"})
	for range 200 {
		s.stalls(t, healthCheck, "", wireLimit, "")
	}
	until(t, "all of them are refused", func() bool { return s.outcomes(t, healthCheck, "resource_exhausted") == 200 })
	if n := s.calls.Memory.Used(); n != 0 {
		t.Errorf("%d bytes are taken", n)
	}
}
