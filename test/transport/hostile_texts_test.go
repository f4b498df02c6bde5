package transport

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// injections are 500 texts made of pieces that mean something to a database: what ends a
// text or a comment, what is a statement by itself, and what makes the rest of a line go
// away.
func injections() []string {
	ends := []string{"", "'", "\"", "')", "\\'", "$$", "*/", "';", "')) ", "\u02bc"}
	acts := []string{
		" OR 1=1", " UNION SELECT key::text FROM sealing_keys", "; DROP TABLE tasks", "; SELECT set_config('app.tenant_id','org_acme',false)", " AND pg_sleep(9)",
		"; SET row_security = off", " || (SELECT name FROM tasks LIMIT 1)", "; COPY tasks TO PROGRAM 'id'", "::uuid", "%' OR name LIKE '%",
	}
	rests := []string{"", " --", " /*", ";", "\u2028"}
	all := make([]string, 0, len(ends)*len(acts)*len(rests))
	for _, end := range ends {
		for _, act := range acts {
			for _, rest := range rests {
				all = append(all, "x"+end+act+rest)
			}
		}
	}
	return all
}

// In every text of every request each of them is a text: kept, compared or refused for
// its form. Fields of the caller's own words get all of them, the others every eighth, each
// field beginning with another. TEAMTASK_TEXTS=all puts all of them into all fields.
func TestTextsReachTheDatabaseAsTextsAlone(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	s.Put(stacktest.Row{Tenant: "org_acme", Name: stacktest.Canary, Description: stacktest.Canary})
	theirs := s.Snapshot("org_acme")
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers", Name: "x"})[0]
	texts := injections()
	if len(texts) < 500 {
		t.Fatalf("only %d texts", len(texts))
	}
	form := stacktest.Protocols[2]
	calls, fields := 0, 0
	every := 8
	if os.Getenv("TEAMTASK_TEXTS") == "all" {
		every = 1
	}
	for _, m := range stacktest.Methods() {
		token := s.TokenFor(t, m)
		s.Stock("org_d2gamers")
		for _, f := range stacktest.TextFields(m.Input(), nil) {
			fields++
			for i, text := range texts {
				if stacktest.Kinds[f.Last().FullName()] != stacktest.FreeText && (i+fields)%every != 0 {
					continue
				}
				request := stacktest.CaseOf(t, m).Request(id)
				f.Set(request.ProtoReflect(), text)
				if update, ok := request.(*teamtaskv1.UpdateTaskRequest); ok && stacktest.Kinds[f.Last().FullName()] == stacktest.FreeText {
					update.UpdateMask.Paths = []string{f.String()}
				}
				r := post(form, stacktest.ProcedureOf(m), strings.NewReader(string(form.Written(t, request))))
				r.Header.Set("Authorization", "Bearer "+token)
				recorder := httptest.NewRecorder()
				s.Handler.ServeHTTP(recorder, r)
				calls++
				title := fmt.Sprintf("%s.%s = %q", m.Name(), f, text)
				if recorder.Code >= 500 {
					t.Errorf("%s: status %d: %s", title, recorder.Code, recorder.Body)
				}
				if strings.Contains(recorder.Body.String(), stacktest.Canary) {
					t.Errorf("%s: the answer holds data of another tenant", title)
				}
				if stacktest.Kinds[f.Last().FullName()] != stacktest.FreeText {
					continue
				}
				if recorder.Code != 200 || !strings.Contains(recorder.Body.String(), text) {
					t.Errorf("%s: %d, and the text does not come back", title, recorder.Code)
				}
			}
		}
	}
	if n := s.Count(`SELECT count(DISTINCT name) FROM tasks WHERE tenant_id = 'org_d2gamers' AND name = ANY ($1)`, texts); n != len(texts) {
		t.Errorf("%d of the %d texts are stored as they are", n, len(texts))
	}
	if diff := cmp.Diff(theirs, s.Snapshot("org_acme")); diff != "" {
		t.Errorf("another tenant's rows changed (-before +after):\n%s", diff)
	}
	for _, word := range []string{"SQLSTATE", "internal error", "22P02"} {
		if at := strings.Index(s.Log.String(), word); at >= 0 {
			t.Errorf("the log says %s: %.400s", word, s.Log.String()[max(0, at-200):])
		}
	}
	if _, err := s.As("alice", "d2-gamers").GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: stacktest.NewID(t)}); stacktest.RefusalOf(t, err).Reason != "TASK_NOT_FOUND" {
		t.Errorf("afterwards: %v", err)
	}
	t.Logf("%d calls", calls)
}
