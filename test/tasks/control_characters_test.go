package tasks

import (
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// A control character is six bytes in JSON and moves the cursor of a terminal. Tabs and
// line ends are text, also as Windows writes them, and so is what directs a script.
func TestControlCharactersAreRefusedInTexts(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	allowed := []rune{'\t', '\n', '\r', ' ', '~', 0xa0, 0xad, 0x2028, 0x2029, 0x200f, 0x202e, 0x2066, 0xfeff, 0x1f389}
	for c := range rune(0x100) {
		if (c < 0x20 || c >= 0x7f && c < 0xa0) && !slices.Contains(allowed, c) {
			text := "a" + string(c) + "b"
			_, err := alice.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: text})
			expectControl(t, "name", c, err)
			_, err = alice.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x", Description: strings.Repeat("x", 9_999) + string(c)})
			expectControl(t, "description", c, err)
			for _, field := range []string{"name", "description"} {
				_, err = alice.UpdateTask(t.Context(), stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: id, Name: text, Description: text}, field))
				expectControl(t, "name", c, err)
			}
			_, err = alice.UpdateTask(t.Context(), stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: id, Name: "x", Description: string(c)}, "description"))
			expectControl(t, "description", c, err)
		}
	}
	if n := s.Count(`SELECT count(*) FROM tasks`); n != 1 {
		t.Errorf("%d tasks, want the one there was", n)
	}
	for _, c := range allowed {
		text := "a" + string(c) + "b\r\n"
		made := stacktest.Create(t, alice, &teamtaskv1.CreateTaskRequest{Name: text, Description: text})
		if made.GetName() != text || made.GetDescription() != text {
			t.Errorf("%U came back as %q", c, made.GetName())
		}
	}
}

func expectControl(t *testing.T, field string, c rune, err error) {
	t.Helper()
	if got := stacktest.RefusalOf(t, err); got.Code != connect.CodeInvalidArgument || got.Reason != "INVALID_ARGUMENT" {
		t.Errorf("%U in %s: %v", c, field, err)
		return
	}
	words := field + ": must not have control characters"
	if c == 0 {
		words = "NUL"
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("%U in %s: %v", c, field, err)
	}
}

// What was stored before the rule was can be read, and changed but for the text.
func TestATaskWithControlCharactersCanStillBeReadAndChanged(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers", Name: "a\u0001b", Description: "\u001b[31m"})[0]
	changed, err := alice.UpdateTask(t.Context(), stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: id, Done: true}, "done"))
	if err != nil || changed.GetTask().GetName() != "a\u0001b" || !changed.GetTask().GetDone() {
		t.Errorf("changed: %v, %v", changed, err)
	}
	got, err := alice.GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: id})
	if err != nil || got.GetTask().GetDescription() != "\u001b[31m" {
		t.Errorf("read: %v, %v", got, err)
	}
}
