package tasks

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// Lengths are counted in characters, whatever a character weighs.
func TestTextsMayHaveExactlyTheirLargestLength(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	for _, letter := range []string{"a", "é", "世", "🎉", "\u200f", "\t"} {
		text := func(n int) string { return strings.Repeat(letter, n) }
		for _, c := range []struct {
			name, description int
			request           int
			want              stacktest.Refusal
		}{
			{1, 0, 0, stacktest.Refusal{}},
			{200, 10_000, 128, stacktest.Refusal{}},
			{0, 0, 0, stacktest.Unreadable},
			{201, 0, 0, stacktest.Unreadable},
			{1, 10_001, 0, stacktest.Unreadable},
			{1, 0, 129, stacktest.Unreadable},
		} {
			title := fmt.Sprintf("%q: name of %d, description of %d, request id of %d", letter, c.name, c.description, c.request)
			answer, err := alice.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{
				Name: text(c.name), Description: text(c.description), RequestId: text(c.request),
			})
			if diff := cmp.Diff(c.want, stacktest.RefusalOf(t, err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", title, diff)
			}
			if err == nil && (answer.GetTask().GetName() != text(c.name) || answer.GetTask().GetDescription() != text(c.description)) {
				t.Errorf("%s: the answer holds another text", title)
			}
			if c.request > 0 {
				continue
			}
			update := stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: id, Name: text(c.name), Description: text(c.description)}, "name", "description")
			_, err = alice.UpdateTask(t.Context(), update)
			if diff := cmp.Diff(c.want, stacktest.RefusalOf(t, err)); diff != "" {
				t.Errorf("%s, updated (-want +got):\n%s", title, diff)
			}
		}
	}
}

// withNUL is the method's case with a NUL in one field.
func withNUL(s *stacktest.Stack, m protoreflect.MethodDescriptor, f stacktest.TextField, id, value string) proto.Message {
	request := stacktest.CaseOf(s.T, m).Request(id)
	f.Set(request.ProtoReflect(), value)
	return request
}

// PostgreSQL cannot store the character, and would say so in its own words.
func TestNULIsRefusedInEveryTextOfEveryRequest(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	token := s.Token("dana", "d2-gamers", 2) // who may call everything
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	before := s.Snapshot("org_d2gamers")
	for _, m := range stacktest.Methods() {
		for _, f := range stacktest.TextFields(m.Input(), nil) {
			for _, value := range []string{"\x00", "a\x00b", "name\x00"} {
				title := fmt.Sprintf("%s.%s = %q", m.Name(), f, value)
				request := withNUL(s, m, f, id, value)
				binary, err := proto.Marshal(request)
				if err != nil {
					t.Fatal(err)
				}
				for _, contentType := range []string{"application/proto", "application/grpc-web+proto"} {
					body := binary
					if contentType != "application/proto" {
						body = stacktest.Enveloped(binary)
					}
					s.Expect(t, title+" as "+contentType, s.Post(stacktest.ProcedureOf(m), token, body, map[string]string{"Content-Type": contentType}), stacktest.Unreadable)
				}
				if stacktest.IsRead(m) {
					s.Expect(t, title+" by GET", s.Send(s.HTTP1, http.MethodGet, stacktest.GetURL(stacktest.ProcedureOf(m), "proto", binary), token, nil, nil), stacktest.Unreadable)
				}
				if stacktest.Kinds[f.Last().FullName()] == stacktest.FieldPath {
					continue // not a text of its own in JSON
				}
				for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8"} {
					body := stacktest.JSONOf(t, request)
					s.Expect(t, title+" as "+contentType, s.Post(stacktest.ProcedureOf(m), token, body, map[string]string{"Content-Type": contentType}), stacktest.Unreadable)
				}
			}
		}
	}
	if diff := cmp.Diff(before, s.Snapshot("org_d2gamers")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
	if strings.Contains(s.Log.String(), "SQLSTATE 22021") || strings.Contains(s.Log.String(), "internal error") {
		t.Errorf("PostgreSQL was asked to store it:\n%s", s.Log)
	}
	// What only looks like one is a text.
	made := stacktest.Create(t, s.As("alice", "d2-gamers"), &teamtaskv1.CreateTaskRequest{Name: `\u0000 \x00 %00`})
	if made.GetName() != `\u0000 \x00 %00` {
		t.Errorf("name = %q", made.GetName())
	}
}

func TestInvalidUTF8IsRefusedInEveryTextOfEveryRequest(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	token := s.Token("dana", "d2-gamers", 2) // who may call everything
	for _, m := range stacktest.Methods() {
		for _, f := range stacktest.TextFields(m.Input(), nil) {
			for _, value := range []string{"\xff", "\xc0\x80", "\xed\xa0\x80", "a\xe4\xb8", "\xf4\x90\x80\x80"} {
				answer := s.Post(stacktest.ProcedureOf(m), token, rawText(f, value), map[string]string{"Content-Type": "application/proto"})
				s.Expect(t, fmt.Sprintf("%s.%s = %q", m.Name(), f, value), answer, stacktest.Unreadable)
			}
		}
	}
}

// rawText is a message in binary whose field holds the bytes, which no marshaler would
// write.
func rawText(f stacktest.TextField, value string) []byte {
	message := protowire.AppendTag(nil, f.Last().Number(), protowire.BytesType)
	message = protowire.AppendString(message, value)
	for i := len(f.Path) - 2; i >= 0; i-- {
		outer := protowire.AppendTag(nil, f.Path[i].Number(), protowire.BytesType)
		message = protowire.AppendBytes(outer, message)
	}
	return message
}

// hostileTexts are texts that mean something to a database, a template, a terminal or a
// careless program.
var hostileTexts = []string{
	"'", "''", `"`, "\\", "\\'", ";", "--", "/*", "*/", "$1", "$$", "%", "_", "%%", "%s", "%n", "?", ":name", "@x", "#{x}", "${x}", "{{7*7}}",
	"' OR '1'='1", "' OR 1=1 --", "'; DROP TABLE tasks; --", "1; DELETE FROM tasks", "' UNION SELECT key FROM sealing_keys --",
	"'); SELECT set_config('app.tenant_id', 'org_acme', false); --", "x' || pg_sleep(5) || '", "\\x27 OR 1=1", "E'\\\\'", "U&'\\0027'",
	"$tag$ OR $tag$", "NULL", "null", "true", "0", "-1", "1e309", "NaN", "[]", "{}", "<script>alert(1)</script>", "javascript:alert(1)",
	"../../etc/passwd", "|id", "`id`", "$(id)", "\r\nSet-Cookie: a=b", "[31m", "\u202e", "\u200b", "\ufeff", "\ufffe",
	"\u00c5", "A\u030a", "\u212b", "\ufb00", "\u0130", "\U0001f3f3\ufe0f\u200d\U0001f308", strings.Repeat("%_", 60),
}

func TestHostileTextsAreStoredAndComparedLiterally(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	others := s.Snapshot("org_acme")
	for i, text := range hostileTexts {
		made := stacktest.Create(t, alice, &teamtaskv1.CreateTaskRequest{Name: text, Description: text, RequestId: text})
		if made.GetName() != text || made.GetDescription() != text {
			t.Errorf("%q came back as %q and %q", text, made.GetName(), made.GetDescription())
		}
		again := stacktest.Create(t, alice, &teamtaskv1.CreateTaskRequest{Name: text, Description: text, RequestId: text})
		if again.GetId() != made.GetId() {
			t.Errorf("%q as a request id is not itself", text)
		}
		var stored string
		if err := s.Admin.QueryRow(t.Context(), `SELECT name FROM tasks WHERE id = $1`, made.GetId()).Scan(&stored); err != nil || stored != text {
			t.Errorf("%q is stored as %q, %v", text, stored, err)
		}
		if _, err := alice.UpdateTask(t.Context(), stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: made.GetId(), Description: text + text}, "description")); err != nil {
			t.Errorf("%q in an update: %v", text, err)
		}
		listed, err := alice.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{Filter: &teamtaskv1.ListTasksRequest_Filter{CreatedBy: text}})
		if err != nil || len(listed.GetTasks()) != 0 {
			t.Errorf("%q as a person's id: %d tasks, %v", text, len(listed.GetTasks()), err)
		}
		if _, err := alice.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageToken: text}); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%q as a page token: %v", text, err)
		}
		if n := s.Count(`SELECT count(*) FROM tasks WHERE tenant_id = 'org_d2gamers'`); n != i+1 {
			t.Fatalf("%d tasks after %q, want %d", n, text, i+1)
		}
	}
	if diff := cmp.Diff(others, s.Snapshot("org_acme")); diff != "" {
		t.Errorf("another tenant's rows changed:\n%s", diff)
	}
	if strings.Contains(s.Log.String(), "SQLSTATE 42") || strings.Contains(s.Log.String(), "internal error") {
		t.Errorf("a text reached PostgreSQL as something else than a text:\n%s", s.Log)
	}
}

// What comes from a token reaches statements as well.
func TestIDsInTokensAreComparedLiterally(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	s.Put(stacktest.Row{Tenant: "org_d2gamers"}, stacktest.Row{Tenant: "user_alice"})
	for _, user := range []string{"user_", "user_%", "user_alice'--", "user_alice ", "alice", "org_d2gamers", "user_ali\u0000ce", "system:purge"} {
		token := s.Bent("alice", 2, func(c map[string]any) { c["sub"] = user; delete(c, "o") })
		answer := s.Post(stacktest.ListTasks, token, []byte("{}"))
		if answer.Status == http.StatusOK && bytes.Contains(answer.Body, []byte("name")) {
			t.Errorf("sub %q sees tasks: %s", user, answer.Body)
		}
	}
	for _, org := range []string{"org_", "org_%", "org_d2gamers ", "user_alice", "", "org_d2gamers'", "org_D2GAMERS"} {
		answer := s.Post(stacktest.ListTasks, s.TokenIn("alice", org, 2), []byte("{}"))
		if answer.Status == http.StatusOK && bytes.Contains(answer.Body, []byte("name")) {
			t.Errorf("organization %q sees tasks: %s", org, answer.Body)
		}
	}
}
