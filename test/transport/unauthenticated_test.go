package transport

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/hostile"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// tripwire is a body that reports whether it was read.
type tripwire struct{ read atomic.Int64 }

func (w *tripwire) Read([]byte) (int, error) {
	w.read.Add(1)
	return 0, io.ErrUnexpectedEOF
}

func (*tripwire) Close() error { return nil }

func TestWithoutATokenNoMethodReadsItsBody(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	stale := s.Bent("alice", 2, func(c map[string]any) { c["iss"] = "https://clerk.evil.example" })
	want := stacktest.Refused(connect.CodeUnauthenticated, "UNAUTHENTICATED")
	for _, m := range stacktest.Methods() {
		if stacktest.AccessOf(t, m).GetPublic() {
			continue
		}
		for _, p := range stacktest.Protocols {
			if p.ContentType == "" {
				continue
			}
			for name, authorization := range map[string]string{
				"none": "", "not a token": "Bearer x", "basic": "Basic YTpi", "foreign issuer": "Bearer " + stale,
			} {
				for _, encoding := range []string{"", "gzip"} {
					body := &tripwire{}
					r := post(p, stacktest.ProcedureOf(m), body)
					r.Header.Set("Content-Encoding", encoding)
					r.Header.Set("Grpc-Encoding", encoding)
					r.Header.Set("Authorization", authorization)
					answer := inProcess(s, r)
					title := string(m.Name()) + " over " + p.Name + ", token: " + name
					if diff := cmp.Diff(want, answer.Told(t).Refusal); diff != "" {
						t.Errorf("%s (-want +got):\n%s", title, diff)
					}
					if body.read.Load() != 0 {
						t.Errorf("%s: the body was read", title)
					}
				}
			}
		}
	}
	// The tripwire works: with a token the body is read.
	body := &tripwire{}
	r := post(stacktest.Protocols[0], stacktest.CreateTask, body)
	r.Header.Set("Authorization", "Bearer "+s.Token("alice", "d2-gamers", 2))
	inProcess(s, r)
	if body.read.Load() == 0 {
		t.Error("with a token the body is not read either: this test sees nothing")
	}
}

func post(p stacktest.Protocol, procedure string, body io.Reader) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, procedure, body)
	r.Header.Set("Content-Type", p.ContentType)
	if p.HTTP2 {
		r.ProtoMajor, r.ProtoMinor, r.Proto = 2, 0, "HTTP/2.0"
	}
	return r
}

func TestABombWithoutATokenIsRefusedAsUnauthenticated(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	answer := s.Post(stacktest.CreateTask, "", hostile.Bomb(t, 16<<20), map[string]string{"Content-Encoding": "gzip"})
	if got := answer.Told(t).Refusal; got.Reason != "UNAUTHENTICATED" {
		t.Errorf("got %v", got)
	}
	answer = s.Post(stacktest.CreateTask, s.Token("alice", "d2-gamers", 2), hostile.Bomb(t, 16<<20), map[string]string{"Content-Encoding": "gzip"})
	if diff := cmp.Diff(stacktest.Refused(connect.CodeResourceExhausted, "MESSAGE_TOO_LARGE"), answer.Told(t).Refusal); diff != "" {
		t.Errorf("with a token (-want +got):\n%s", diff)
	}
}

// What was wrong with a token is for the log: an answer that told would help whoever
// is trying.
func TestEveryBadTokenGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	bend := func(change func(map[string]any)) string { return s.Bent("alice", 2, change) }
	good := s.Token("alice", "d2-gamers", 2)
	bad := map[string]string{
		"none":           "",
		"garbage":        "garbage",
		"empty parts":    "..",
		"no signature":   good[:strings.LastIndex(good, ".")+1],
		"cut short":      good[:len(good)-2],
		"too long":       strings.Repeat("a", 9<<10),
		"expired":        bend(func(c map[string]any) { c["exp"], c["iat"] = 1_700_000_060, 1_700_000_000 }),
		"not yet":        bend(func(c map[string]any) { c["nbf"] = int64(1) << 36 }),
		"no expiry":      bend(func(c map[string]any) { delete(c, "exp") }),
		"other issuer":   bend(func(c map[string]any) { c["iss"] = s.Box.Issuer() + "/" }),
		"pending":        bend(func(c map[string]any) { c["sts"] = "pending" }),
		"no subject":     bend(func(c map[string]any) { delete(c, "sub") }),
		"no session":     bend(func(c map[string]any) { delete(c, "sid") }),
		"version 3":      bend(func(c map[string]any) { c["v"] = 3 }),
		"no role":        bend(func(c map[string]any) { c["o"] = map[string]any{"id": "org_d2gamers"} }),
		"strange org":    bend(func(c map[string]any) { c["o"] = map[string]any{"id": "org_a b", "rol": "admin"} }),
		"long subject":   bend(func(c map[string]any) { c["sub"] = "user_" + strings.Repeat("x", 300) }),
		"SQL in the org": bend(func(c map[string]any) { c["o"] = map[string]any{"id": "org_' OR 1=1--", "rol": "admin"} }),
	}
	first := s.Post(stacktest.ListTasks, "", []byte("{}"))
	for name, token := range bad {
		answer := s.Post(stacktest.ListTasks, token, []byte("{}"))
		if diff := cmp.Diff(first.Comparable(), answer.Comparable()); diff != "" {
			t.Errorf("%s: the answer differs (-none +got):\n%s", name, diff)
		}
	}
	if answer := s.Post(stacktest.ListTasks, good, []byte("{}")); answer.Status != http.StatusOK {
		t.Errorf("the good token is refused: %d %s", answer.Status, answer.Body)
	}
}

// The scheme is compared without case, over the wire too, and any number of spaces may follow.
func TestTheSchemeIsReadInAnyCase(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "bEaReR ", "bearer   "} {
		answer := s.Post(stacktest.ListTasks, "", []byte("{}"), map[string]string{"Authorization": scheme + token})
		if answer.Status != http.StatusOK {
			t.Errorf("%q: %d %s", scheme, answer.Status, answer.Body)
		}
	}
}

// A token in any place but the one header is no token.
func TestATokenElsewhereThanInItsHeaderIsNone(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	body := []byte("{}")
	for name, r := range map[string]stacktest.Reply{
		"no space":       s.Post(stacktest.ListTasks, "", body, map[string]string{"Authorization": "Bearer" + token}),
		"a tab":          s.Post(stacktest.ListTasks, "", body, map[string]string{"Authorization": "Bearer\t" + token}),
		"two tokens":     s.Post(stacktest.ListTasks, "", body, map[string]string{"Authorization": "Bearer " + token + " " + token}),
		"no scheme":      s.Post(stacktest.ListTasks, "", body, map[string]string{"Authorization": token}),
		"comma list":     s.Post(stacktest.ListTasks, "", body, map[string]string{"Authorization": "Bearer " + token + ", Bearer " + token}),
		"cookie":         s.Post(stacktest.ListTasks, "", body, map[string]string{"Cookie": "__session=" + token}),
		"another header": s.Post(stacktest.ListTasks, "", body, map[string]string{"X-Authorization": "Bearer " + token}),
		"query":          s.Post(stacktest.ListTasks+"?access_token="+token, "", body),
	} {
		if got := r.Told(t).Refusal; got.Reason != "UNAUTHENTICATED" {
			t.Errorf("%s: got %v, want UNAUTHENTICATED", name, got)
		}
	}
}
