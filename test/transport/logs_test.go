package transport

import (
	"bufio"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// Logs go to more people than data does: they hold ids, codes and causes, and nothing
// that a caller wrote.
func TestLogsHoldNothingThatACallerWrote(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	withEmail := s.Bent("alice", 2, func(c map[string]any) { c["email"] = "canary-mail@d2-gamers.test" })
	const word = "canary-text"
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers", Name: word, Description: word})[0]
	request := func(body string, headers ...map[string]string) {
		s.Post(stacktest.CreateTask, token, []byte(body), headers...)
	}
	request(`{"name":"` + word + `","description":"` + word + `","requestId":"` + word + `"}`)
	request(`{"name":"` + word + `","description":"changed ` + word + `","requestId":"` + word + `"}`)
	request(`{"name":"` + strings.Repeat(word, 50) + `"}`)
	request(`{"name":"` + word + `\u0000"}`)
	request(`{"name":` + word + `}`)
	request(`{"` + word + `":7,"name":7}`)
	request(`{"name":"`+word+`"}`, map[string]string{"Connect-Timeout-Ms": word, "X-Request-Id": word, "User-Agent": word})
	request(`{"name":"`+word+`"}`, map[string]string{"Content-Type": "text/" + word})
	request(`{"name":"`+word+`"}`, map[string]string{"Content-Encoding": word})
	s.Post("/"+word, token, []byte(word))
	s.Post(stacktest.ListTasks, token, []byte(`{"pageToken":"`+word+`"}`))
	s.Post(stacktest.ListTasks, token, []byte(`{"filter":{"createdBy":"`+word+`"}}`))
	s.Post(stacktest.ListTasks, withEmail, []byte(`{}`))
	s.Post(stacktest.ListTasks, withEmail+"x", []byte(`{}`))
	s.Post(stacktest.ListTasks, "canary-token", []byte(`{}`))
	s.Post(stacktest.ListTasks, token[:len(token)-3]+"abc", []byte(`{}`))
	s.Post(stacktest.GetTask, token, []byte(`{"id":"`+word+`"}`))
	s.Post(stacktest.UpdateTask, token, []byte(`{"id":"`+id+`","updateMask":"canaryText","name":"`+word+`"}`))
	s.Post(stacktest.UpdateTask, token, []byte(`{"id":"`+id+`","updateMask":"name","name":"`+word+`","etag":"`+word+`"}`))
	s.Post(stacktest.UpdateTask, s.Token("bob", "d2-gamers", 2), []byte(`{"id":"`+id+`","updateMask":"name","name":"`+word+`"}`))
	for _, p := range stacktest.Protocols {
		c := p.Typed(s, token)
		_, _ = c.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: word + "\x00"})
		_, _ = c.UpdateTask(t.Context(), &teamtaskv1.UpdateTaskRequest{Id: id, Name: word, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"canary_text"}}})
	}
	s.Exec(`ALTER TABLE tasks ADD CONSTRAINT broken CHECK (name <> 'canary-text break')`)
	request(`{"name":"canary-text break","description":"` + word + `"}`)

	text := s.Log.String()
	if !strings.Contains(text, "internal error") || strings.Count(text, "\n") < 40 {
		t.Fatalf("the log has too little to look at:\n%s", text)
	}
	signature := token[strings.LastIndex(token, ".")+1:]
	for _, secret := range []string{word, "canary", "canaryText", "Bearer ", signature, signature[:20], "eyJ", "@d2-gamers.test", s.Box.SecretKey(), "for-tests-only"} {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("the log holds %q:\n%s", secret, text[max(0, at-300):min(len(text), at+200)])
		}
	}
}

// Every line of the log can be found by what an answer carries.
func TestEveryRefusalIsInTheLogUnderItsRequestID(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	answers := map[string]stacktest.Reply{
		"UNAUTHENTICATED":    s.Post(stacktest.ListTasks, "", []byte("{}")),
		"PERMISSION_MISSING": s.Post(stacktest.CreateTask, s.Token("charlie", "d2-gamers", 2), []byte("{}")),
		"SEAT_REQUIRED":      s.Post(stacktest.CreateTask, s.Token("ben", "d2-gamers", 2), []byte(`{"name":"x"}`)),
		"INVALID_ARGUMENT":   s.Post(stacktest.CreateTask, s.Token("alice", "d2-gamers", 2), []byte("{")),
		"TASK_NOT_FOUND":     s.Post(stacktest.GetTask, s.Token("alice", "d2-gamers", 2), fmt.Appendf(nil, `{"id":%q}`, stacktest.NewID(t))),
		"MESSAGE_TOO_LARGE":  s.Post(stacktest.CreateTask, s.Token("alice", "d2-gamers", 2), stacktest.Padded(stacktest.WireLimit+1)),
	}
	lines := map[string]map[string]any{} // by request id
	scanner := bufio.NewScanner(strings.NewReader(s.Log.String()))
	for scanner.Scan() {
		var line map[string]any
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatalf("not a JSON line: %s", scanner.Text())
		}
		if id, ok := line["request_id"].(string); ok && line["msg"] != "call" {
			if lines[id] != nil {
				t.Errorf("two lines of one call: %v", id)
			}
			lines[id] = line
		}
	}
	for reason, answer := range answers {
		line := lines[answer.ID()]
		if line["reason"] != reason {
			t.Errorf("%s: the log says %v", reason, line)
		}
		if line["method"] == "" {
			t.Errorf("%s: the log does not say which method was called", reason)
		}
		keys := []string{"time", "level", "msg", "request_id", "method", "code", "reason", "cause"}
		for key := range line {
			if !slices.Contains(keys, key) {
				t.Errorf("%s: the log has an entry %q that nobody looked at", reason, key)
			}
		}
	}
	well := s.Post(stacktest.ListTasks, s.Token("alice", "d2-gamers", 2), []byte("{}"))
	for line := range strings.Lines(s.Log.String()) {
		if strings.Contains(line, well.ID()) && !strings.Contains(line, `"level":"DEBUG","msg":"call"`) {
			t.Errorf("a call that went well is in the log above level debug: %s", line)
		}
	}
	if !strings.Contains(s.Log.String(), well.ID()) {
		t.Error("a call that went well is not in the log at level debug")
	}
}
