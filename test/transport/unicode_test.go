package transport

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// scripts are texts that something on the way might normalise, trim, fold or reorder.
var scripts = map[string]string{
	"composed":              "caf\u00e9 \u00c5 \u1e9b\u0323",
	"decomposed":            "cafe\u0301 A\u030a \u017f\u0323\u0307",
	"compatibility":         "\ufb01 \u2460 \u212b \uff21 \u3392",
	"right to left":         "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
	"overridden direction":  "\u202egnp.exe\u202c \u2066x\u2069 \u200f\u200e\u061c",
	"zero width":            "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg",
	"homoglyphs":            "\u0430\u0440\u0440\u04cfe \u0391\u0412\u0415",
	"four bytes":            "\U0001f389 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U00020000 \U0001d518",
	"variation selectors":   "\u2708\ufe0f \u2708\ufe0e \U000e0100",
	"many marks":            "z" + strings.Repeat("\u0300\u0301", 50),
	"capitals that change":  "\u0130 \u0131 \u00df \u1e9e \u03c2\u03c3\u03a3 \u01c5",
	"kinds of white space":  "\u00a0 \u1680\u2003\u2028\u2029\u205f\u3000\t",
	"white space around":    " \n\t x \t\n ",
	"white space alone":     " ",
	"line ends":             "a\r\nb\nc\rd",
	"no characters":         "\ufffe \uffff \U0001ffff \U0010ffff \ufdd0",
	"private use":           "\ue000 \U000f0000 \U0010fffd",
	"replacement character": "\ufffd",
	"hangul":                "\uac00 \u1100\u1161 \u3131",
	"tags":                  "\U000e0041\U000e0042\U000e007f",
	"what JSON escapes":     "\"\\/\n\r\t<>&\u2028\u2029",
	"what looks escaped":    `\u00e9 \n \" %C3%A9 &eacute; &#233;`,
}

// Names and descriptions are kept byte for byte as they were sent: nothing is
// normalised, trimmed or folded, in whatever form they are written and read.
func TestTextsAreKeptByteForByte(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	forms := []stacktest.Protocol{stacktest.Protocols[0], stacktest.Protocols[2], stacktest.Protocols[6], stacktest.Protocols[7], stacktest.Protocols[10]}
	readers := append([]stacktest.Protocol{stacktest.Protocols[4], stacktest.Protocols[5]}, forms...)
	for name, text := range scripts {
		for _, written := range forms {
			other := "other " + text
			made, err := written.Typed(s, token).CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: text, Description: other})
			if err != nil {
				t.Fatalf("%s in %s: %v", name, written.Name, err)
			}
			id := made.GetTask().GetId()
			sameTexts(t, name+", created in "+written.Name, made.GetTask(), text, other)
			for _, read := range readers {
				found(t, s, token, fmt.Sprintf("%s, created in %s, read in %s", name, written.Name, read.Name), read, id, text, other)
			}
			stores(t, s, name+", created in "+written.Name, id, text, other)

			changed, err := written.Typed(s, token).UpdateTask(t.Context(), stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: id, Name: text, Description: text}, "name", "description"))
			if err != nil {
				t.Fatalf("%s, updated in %s: %v", name, written.Name, err)
			}
			sameTexts(t, name+", updated in "+written.Name, changed.GetTask(), text, text)
			for _, read := range []stacktest.Protocol{stacktest.Protocols[0], stacktest.Protocols[2]} {
				found(t, s, token, fmt.Sprintf("%s, updated in %s, read in %s", name, written.Name, read.Name), read, id, text, text)
			}
			stores(t, s, name+", updated in "+written.Name, id, text, text)
			if _, err := written.Typed(s, token).DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: id}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func sameTexts(t *testing.T, title string, task *teamtaskv1.Task, name, description string) {
	t.Helper()
	if task.GetName() != name || task.GetDescription() != description {
		t.Errorf("%s: %+q and %+q, want %+q and %+q", title, task.GetName(), task.GetDescription(), name, description)
	}
}

// found gets the task and lists it, in the protocol.
func found(t *testing.T, s *stacktest.Stack, token, title string, p stacktest.Protocol, id, name, description string) {
	t.Helper()
	c := p.Typed(s, token)
	got, err := c.GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: id})
	if err != nil {
		t.Fatalf("%s: %v", title, err)
	}
	sameTexts(t, title, got.GetTask(), name, description)
	listed, err := c.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageSize: 1})
	if err != nil || len(listed.GetTasks()) != 1 || listed.GetTasks()[0].GetId() != id {
		t.Fatalf("%s, listed: %v, %v", title, listed, err)
	}
	sameTexts(t, title+", listed", listed.GetTasks()[0], name, description)
}

// stores compares with what is in the database.
func stores(t *testing.T, s *stacktest.Stack, title, id, name, description string) {
	t.Helper()
	var n, d []byte
	err := s.Admin.QueryRow(t.Context(), `SELECT convert_to(name, 'UTF8'), convert_to(description, 'UTF8') FROM tasks WHERE id = $1`, id).Scan(&n, &d)
	if err != nil || string(n) != name || string(d) != description {
		t.Errorf("%s: stored are %+q and %+q, %v", title, n, d, err)
	}
}

// The same without our own writers and readers of JSON on the client's side: characters
// written as themselves and as escapes are the same text.
func TestEscapesInJSONStandForTheirCharacters(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	for name, text := range scripts {
		var escaped strings.Builder
		for _, r := range text {
			if r > 0xffff {
				r -= 0x10000
				fmt.Fprintf(&escaped, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
				continue
			}
			fmt.Fprintf(&escaped, `\u%04x`, r)
		}
		plain, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, literal := range []string{string(plain), `"` + escaped.String() + `"`} {
			answer := s.Post(stacktest.CreateTask, token, []byte(`{"name":`+literal+`,"description":`+literal+`}`))
			var got struct {
				Task struct{ Name, Description string }
			}
			if err := json.Unmarshal(answer.Body, &got); err != nil || got.Task.Name != text || got.Task.Description != text {
				t.Errorf("%s: %d %+q %v, want %+q", name, answer.Status, got, err, text)
			}
		}
	}
}

// Texts that only look alike are different wherever a text is compared.
func TestTextsThatLookAlikeAreDifferent(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	tasks := map[string]bool{}
	for _, requestID := range []string{"caf\u00e9", "cafe\u0301", "cafe", "CAFE", "caf\u00e9\u200b", " caf\u00e9", "c\u0430fe", "\uff43afe"} {
		first := stacktest.Create(t, alice, &teamtaskv1.CreateTaskRequest{Name: "x", RequestId: requestID})
		again := stacktest.Create(t, alice, &teamtaskv1.CreateTaskRequest{Name: "x", RequestId: requestID})
		if tasks[first.GetId()] || again.GetId() != first.GetId() {
			t.Errorf("request id %+q: tasks %s and %s; it must stand for itself alone", requestID, first.GetId(), again.GetId())
		}
		tasks[first.GetId()] = true
	}
	for _, user := range []string{"user_\u0430lice", "user_alice\u200b", "user_\uff41lice", "USER_ALICE", "user_alice ", "\ufeffuser_alice"} {
		answer, err := alice.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{Filter: &teamtaskv1.ListTasksRequest_Filter{CreatedBy: user}})
		if err != nil || len(answer.GetTasks()) != 0 {
			t.Errorf("created_by %+q: %d tasks, %v; want none", user, len(answer.GetTasks()), err)
		}
	}
	made := stacktest.Create(t, alice, &teamtaskv1.CreateTaskRequest{Name: "x"})
	update := func(id, etag, path string) error {
		_, err := alice.UpdateTask(t.Context(), stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: id, Etag: etag, Done: true}, path))
		return err
	}
	for _, etag := range []string{"\uff11", "1\u200b", " 1", "\u0661", "\u00b9", "01", "+1"} {
		if diff := cmp.Diff(stacktest.Mismatch, stacktest.RefusalOf(t, update(made.GetId(), etag, "done"))); diff != "" {
			t.Errorf("etag %+q (-want +got):\n%s", etag, diff)
		}
	}
	for _, id := range []string{strings.ReplaceAll(made.GetId(), "0", "\uff10"), made.GetId() + "\u200b", "\ufeff" + made.GetId(), strings.Replace(made.GetId(), "-", "\u2010", 1)} {
		if diff := cmp.Diff(stacktest.Unreadable, stacktest.RefusalOf(t, update(id, "", "done"))); diff != "" {
			t.Errorf("id %+q (-want +got):\n%s", id, diff)
		}
	}
	for _, path := range []string{"d\u043ene", "done\u200b", "\uff44one"} {
		request := stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: made.GetId(), Done: true}, path)
		answer := stacktest.Protocols[2].Put(s, stacktest.UpdateTask, s.Token("alice", "d2-gamers", 2), stacktest.Protocols[2].Written(t, request), "")
		s.Expect(t, fmt.Sprintf("path %+q", path), answer, stacktest.NotAllowed(path))
	}
	token := sealed(t, s)
	for _, bad := range []string{token + "\u200b", "\ufeff" + token, "\uff21" + token[1:]} {
		_, err := alice.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageToken: bad})
		if diff := cmp.Diff(stacktest.Refused(connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID"), stacktest.RefusalOf(t, err)); diff != "" {
			t.Errorf("page token %+q (-want +got):\n%s", bad, diff)
		}
	}
	if err := update(made.GetId(), "1", "done"); err != nil {
		t.Errorf("in their own letters: %v", err)
	}
}

// sealed is a page token of alice's organization.
func sealed(t *testing.T, s *stacktest.Stack) string {
	t.Helper()
	s.Put(stacktest.Row{Tenant: "org_d2gamers"}, stacktest.Row{Tenant: "org_d2gamers"})
	answer, err := s.As("alice", "d2-gamers").ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageSize: 1})
	if err != nil || answer.GetNextPageToken() == "" {
		t.Fatalf("a page token: %v, %v", answer, err)
	}
	return answer.GetNextPageToken()
}

// What is no UTF-8 is no JSON either, wherever it stands.
func TestInvalidUTF8InJSONIsRefusedInEveryText(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	before := s.Snapshot("org_d2gamers")
	const place = "placeholder"
	bad := []string{
		"\xff", "\xc0\x80", "\xc1\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "a\xe4\xb8", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\x80",
		`\ud800`, `\udc00`, `\ud800a`, `\udc00\ud800`, `\ud800\ud800`, `\uD83C`,
	}
	for _, m := range stacktest.Methods() {
		token := s.TokenFor(t, m)
		templates := map[string]string{
			"an unknown field":          `{"other":"` + place + `"}`,
			"the name of a field":       `{"` + place + `":1}`,
			"a name in an unknown one":  `{"other":{"` + place + `":[1]}}`,
			"a list in an unknown one":  `{"other":["` + place + `"]}`,
			"beside everything":         `{}` + place,
			"in place of the message":   place,
			"in place of a known value": `{"id":` + place + `}`,
		}
		for _, f := range stacktest.TextFields(m.Input(), nil) {
			request := stacktest.CaseOf(t, m).Request(id)
			if stacktest.Kinds[f.Last().FullName()] == stacktest.FieldPath {
				proto.Reset(request)
			}
			f.Set(request.ProtoReflect(), place)
			templates[f.String()] = string(stacktest.JSONOf(t, request))
		}
		for title, template := range templates {
			for _, value := range bad {
				body := []byte(strings.Replace(template, place, value, 1))
				for _, p := range stacktest.Protocols {
					if p.IsJSON() && p.Carries(m) && (!p.HTTP2 || p.IsGet()) {
						s.Expect(t, fmt.Sprintf("%s, %s = %q in %s", m.Name(), title, value, p.Name), p.Put(s, stacktest.ProcedureOf(m), token, body, ""), stacktest.Unreadable)
					}
				}
			}
		}
	}
	if diff := cmp.Diff(before, s.Snapshot("org_d2gamers")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
	if strings.Contains(s.Log.String(), "internal error") {
		t.Error("some of it reached the database")
	}
}
