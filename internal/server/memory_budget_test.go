package server_test

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
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// roomFor are the usual limits but for the bytes of requests.
func roomFor(all, tenant int) admission.Limits {
	within := stacktest.PatientLimits(8)
	within.Bytes, within.TenantBytes = all, tenant
	return within
}

// stalls sends all of a body of so many bytes but the last, on a connection of its own.
func stalls(t *testing.T, s *stacktest.Stack, path, token string, size int, header string) *stacktest.RawConn {
	t.Helper()
	conn := s.Dial()
	t.Cleanup(func() { conn.Close() })
	conn.Say(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n%sContent-Length: %d\r\n\r\n", path, token, header, size))
	conn.Say(string(stacktest.Padded(size)[:size-1]))
	return conn
}

// A body is in memory while the rest of it is waited for: beyond what there is for all
// of them, a call is refused with when to try again.
func TestBodiesThatAreReadAreBounded(t *testing.T) {
	t.Parallel()
	const all = 4 << 20
	s := newLimited(t, roomFor(all, all/2), stub{})
	gamersToken, acmeToken := s.Token("alice", "d2-gamers", 2), s.Token("erin", "acme", 2)
	for range 2 * all / stacktest.WireLimit { // four times what the tenant may have
		stalls(t, s, stacktest.CreateTask, gamersToken, stacktest.WireLimit, "")
	}
	stacktest.Until(t, "what the tenant may have is taken", func() bool {
		return s.Calls.Memory.Used() > all/2-2*stacktest.WireLimit && s.Outcomes(t, stacktest.CreateTask, "resource_exhausted") > 0
	})
	if used := s.Calls.Memory.Used(); used > all/2 {
		t.Errorf("%d bytes of one tenant are taken, %d may be", used, all/2)
	}
	s.Expect(t, "another tenant", s.Post(stacktest.CreateTask, acmeToken, stacktest.Padded(stacktest.WireLimit)), stacktest.Refused(connect.CodeUnimplemented, "METHOD_UNKNOWN"))
	for range 2 * all / stacktest.WireLimit {
		stalls(t, s, stacktest.CreateTask, s.Token("alice", "", 2), stacktest.WireLimit, "")
	}
	stacktest.Until(t, "all is taken", func() bool { return s.Calls.Memory.Used() > all-4*stacktest.WireLimit })
	if used := s.Calls.Memory.Used(); used > 2*all {
		t.Errorf("%d bytes are taken", used)
	}
}

// Whichever way a call comes, it is told the same, and the connection is not kept for
// what it has not sent.
func TestACallWhoseBodyHasNoRoomIsToldToTryAgain(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	s := newLimited(t, roomFor(1, 1), stub{get: func(context.Context) error { served.Add(1); return nil }})
	token := s.Token("alice", "d2-gamers", 2)
	json, binary := stacktest.Padded(100<<10), stacktest.PaddedBinary(t, 100<<10)
	for _, c := range []struct {
		name, contentType string
		over              http.RoundTripper
		body              []byte
	}{
		{"Connect JSON", "application/json", s.HTTP1, json},
		{"Connect JSON over h2c", "application/json", s.HTTP2, json},
		{"Connect binary", "application/proto", s.HTTP1, binary},
		{"gRPC", "application/grpc", s.HTTP2, stacktest.Enveloped(binary)},
		{"gRPC with JSON", "application/grpc+json", s.HTTP2, stacktest.Enveloped(json)},
		{"gRPC-Web", "application/grpc-web", s.HTTP1, stacktest.Enveloped(binary)},
		{"gRPC-Web over h2c", "application/grpc-web+json", s.HTTP2, stacktest.Enveloped(json)},
		{"an envelope that says too much", "application/grpc", s.HTTP2, append([]byte{0, 0x7f, 0, 0, 0}, binary...)},
	} {
		answer := s.Send(c.over, http.MethodPost, stacktest.CreateTask, token, map[string]string{"Content-Type": c.contentType}, bytes.NewReader(c.body))
		s.Expect(t, c.name, answer, stacktest.Overloaded)
		if told := string(answer.Body); c.contentType == "application/json" && !strings.Contains(told, "RetryInfo") {
			t.Errorf("%s: no time to try again: %s", c.name, told)
		}
	}
	conn := stalls(t, s, stacktest.CreateTask, token, stacktest.WireLimit, "")
	began := time.Now()
	if got := conn.Hear(); got.Status != http.StatusTooManyRequests || time.Since(began) > server.ReadWithin/2 {
		t.Errorf("a body that stalls: %d after %v", got.Status, time.Since(began))
	}
	for _, p := range stacktest.Protocols { // they are small
		if err := getsTask(t.Context(), s, p); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	if n := s.Calls.Memory.Used(); n != 0 || served.Load() != int64(len(stacktest.Protocols)) {
		t.Errorf("%d bytes are taken, %d calls were served", n, served.Load())
	}
}

// What is small on the wire may be large in memory, while it is inflated and while the
// call waits.
func TestWhatWasCompressedCountsAsWhatItIs(t *testing.T) {
	t.Parallel()
	large := hostile.Gzip(t, stacktest.Padded(900<<10))
	header := map[string]string{"Content-Encoding": "gzip", "Grpc-Encoding": "gzip"}
	narrow := newLimited(t, roomFor(1<<20, 1<<20), stub{}) // a buffer of 900 KiB has twice that
	token := narrow.Token("alice", "d2-gamers", 2)
	narrow.Expect(t, "inflated", narrow.Post(stacktest.CreateTask, token, large, header), stacktest.Overloaded)
	header["Content-Type"] = "application/grpc-web"
	narrow.Expect(t, "inflated in gRPC-Web", narrow.Post(stacktest.CreateTask, token, stacktest.Packed(hostile.Gzip(t, stacktest.PaddedBinary(t, 900<<10))), header), stacktest.Overloaded)
	query := "?message=" + base64.RawURLEncoding.EncodeToString(large) + "&encoding=json&compression=gzip&base64=1&connect=v1"
	answer := narrow.Send(narrow.HTTP1, http.MethodGet, stacktest.GetTask+query, token, nil, nil)
	narrow.Expect(t, "inflated by HTTP GET", answer, stacktest.Overloaded)
	header["Content-Type"] = "application/json"
	whole := hostile.Gzip(t, stacktest.Padded(300<<10))
	for _, broken := range [][]byte{whole[:len(whole)-9], append(bytes.Clone(whole), "garbage"...)} {
		narrow.Expect(t, "broken", narrow.Post(stacktest.CreateTask, token, broken, header), stacktest.Refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT"))
	}
	if n := narrow.Calls.Memory.Used(); n != 0 {
		t.Errorf("%d bytes are still taken", n)
	}

	within := roomFor(4<<20, 1<<20)
	within.TenantAtWork = 1
	s := newLimited(t, within, stub{})
	leave := stacktest.EnterLimiter(t, s.Calls, stacktest.Gamers)
	body := fmt.Appendf(nil, `{"name":%q}`, strings.Repeat("x", 120<<10))
	const calls = 10
	answers := make(chan stacktest.Reply, calls)
	for range calls {
		go func() {
			answers <- s.Post(stacktest.CreateTask, token, hostile.Gzip(t, body), map[string]string{"Content-Encoding": "gzip"})
		}()
	}
	shed := 0
	stacktest.Until(t, "each is refused or waits", func() bool { shed = len(answers); return shed+s.Calls.Queued() == calls })
	if n := s.Calls.Memory.Used(); shed == 0 || n < (calls-shed)*120<<10 || n > 1<<20 {
		t.Errorf("%d bytes are taken by calls that wait, of which %d were refused", n, shed)
	}
	leave()
	for range calls {
		<-answers
	}
	stacktest.LimiterRests(t, s.Calls)
	stacktest.Until(t, "all is given back", func() bool { return s.Calls.Memory.Used() == 0 })
}

func TestTheServerCountsWhatItReads(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	conn := stalls(t, s, stacktest.CreateTask, s.Token("alice", "d2-gamers", 2), 100<<10, "")
	stacktest.Until(t, "what was read is counted", func() bool { return s.Calls.Memory.Used() >= 190<<10 })
	if n := s.Calls.Memory.UsedBy(stacktest.Gamers); n < 190<<10 {
		t.Errorf("%d bytes are the organization's", n)
	}
	hangUp(conn, true)
	stacktest.Until(t, "it is given back", func() bool { return s.Calls.Memory.Used() == 0 })
}

// Without a token nobody has more than a few bytes of a body read.
func TestOpenServicesReadOnlySmallBodies(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"REFLECTION": "on"})
	for range 200 {
		stalls(t, s, stacktest.HealthCheck, "", stacktest.WireLimit, "")
	}
	stacktest.Until(t, "all of them are refused", func() bool { return s.Outcomes(t, stacktest.HealthCheck, "resource_exhausted") == 200 })
	if n := s.Calls.Memory.Used(); n != 0 {
		t.Errorf("%d bytes are taken", n)
	}
}
