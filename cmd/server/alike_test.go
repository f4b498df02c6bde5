package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/hostile"
)

// Status, headers, trailers and body of an answer to another tenant's id are, byte for
// byte, those of the answer to an id that never was.
func TestATaskOfAnotherTenantIsAnsweredLikeNoneInEveryProtocol(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	theirs := s.put(row{tenant: "org_acme", name: canary, description: canary, owner: "user_alice"})[0]
	before := s.snapshot("org_acme")
	asked := 0
	for _, m := range methods() {
		var takesID bool
		for _, f := range textFields(m.Input(), nil) {
			takesID = takesID || kinds[f.last().FullName()] == taskID
		}
		for _, p := range protocols {
			if !takesID || !p.carries(m) {
				continue
			}
			for _, user := range []string{"dana", "alice", "bob"} {
				asked++
				token := s.token(user, "d2-gamers", 2)
				foreign := p.put(s, procedureOf(m), token, p.written(t, caseOf(t, m).request(theirs)), "")
				absent := p.put(s, procedureOf(m), token, p.written(t, caseOf(t, m).request(newID(t))), "")
				title := fmt.Sprintf("%s by %s over %s", m.Name(), user, p.name)
				if diff := cmp.Diff(absent.comparable(), foreign.comparable()); diff != "" {
					t.Errorf("%s: told apart (-none +another's):\n%s", title, diff)
				}
				s.expect(t, title, foreign, refused(5, "TASK_NOT_FOUND"))
			}
		}
	}
	if asked < 3*2*8 {
		t.Errorf("only %d calls were made", asked)
	}
	if diff := cmp.Diff(before, s.snapshot("org_acme")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
}

// detailTypes are what an error may come with. None of them has room for a stack or a
// statement.
var detailTypes = []string{"google.rpc.ErrorInfo", "google.rpc.RequestInfo", "google.rpc.RetryInfo", "buf.validate.Violations"}

// decoded is all that an answer says, with what is packed in it unpacked.
func (r reply) decoded(t *testing.T) string {
	t.Helper()
	all := r.comparable()
	packed := []string{r.header.Get("Grpc-Status-Details-Bin"), r.trailer.Get("Grpc-Status-Details-Bin")}
	if strings.HasPrefix(r.header.Get("Content-Type"), "application/grpc-web") {
		packed = append(packed, webTrailer(t, r.body).Get("Grpc-Status-Details-Bin"))
	}
	var wire struct {
		Details []struct {
			Value string
			Debug json.RawMessage
		}
	}
	if json.Unmarshal(r.body, &wire) == nil {
		for _, d := range wire.Details {
			packed = append(packed, d.Value)
			all += string(d.Debug)
		}
	}
	for _, text := range packed {
		data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		all += "\n" + string(data)
	}
	return all
}

// Whatever goes wrong, no answer of any protocol says how the server is made: not in
// its words, nor in its details.
func TestNoErrorOfAnyProtocolShowsTheInsideOfTheServer(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	id := s.put(row{tenant: "org_d2gamers"})[0]
	s.exec(`ALTER TABLE tasks ADD CONSTRAINT broken CHECK (name <> 'break')`)
	s.exec(`CREATE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'SELECT from tasks_pkey of tenant_id'; END $$`)
	s.exec(`CREATE TRIGGER bad BEFORE DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION bad()`)
	alice, charlie, ben := s.token("alice", "d2-gamers", 2), s.token("charlie", "d2-gamers", 2), s.token("ben", "d2-gamers", 2)
	reasons := map[string]bool{}
	look := func(title string, answer reply) {
		t.Helper()
		got := answer.told(t)
		reasons[got.Reason] = true
		for _, kind := range got.details {
			if !slices.Contains(detailTypes, kind) {
				t.Errorf("%s: the answer has a %s", title, kind)
			}
		}
		text := answer.decoded(t) + got.words
		for _, word := range append([]string{s.database.Name, "for-tests-only", "127.0.0.1", "broken", "plpgsql"}, inside...) {
			if strings.Contains(text, word) {
				t.Errorf("%s: the answer says %q:\n%.600s", title, word, text)
			}
		}
	}
	for _, p := range protocols {
		call := func(what, procedure, token string, message []byte, encoding string) {
			t.Helper()
			if p.carries(methodOf(t, procedure)) {
				look(p.name+": "+what, p.put(s, procedure, token, message, encoding))
			}
		}
		create := func(r *teamtaskv1.CreateTaskRequest) []byte { return p.written(t, r) }
		call("no token", getTask, "", nil, "")
		call("a bad token", getTask, "x.y.z", nil, "")
		call("no permission", createTask, charlie, create(&teamtaskv1.CreateTaskRequest{Name: "x"}), "")
		call("no seat", createTask, ben, create(&teamtaskv1.CreateTaskRequest{Name: "x"}), "")
		call("garbage", getTask, alice, []byte("\xff\xff\x00{"), "")
		call("a rule broken", createTask, alice, create(&teamtaskv1.CreateTaskRequest{Name: strings.Repeat("x", 201), Description: strings.Repeat("x", 10_001)}), "")
		call("a bad id", getTask, alice, p.written(t, &teamtaskv1.GetTaskRequest{Id: "x"}), "")
		call("a bad page token", listTasks, alice, p.written(t, &teamtaskv1.ListTasksRequest{PageToken: "AAAA"}), "")
		call("an unknown path", updateTask, alice, p.written(t, masked(&teamtaskv1.UpdateTaskRequest{Id: id}, "created_by")), "")
		call("a bad etag", updateTask, alice, p.written(t, masked(&teamtaskv1.UpdateTaskRequest{Id: id, Etag: "9"}, "done")), "")
		call("no such task", getTask, alice, p.written(t, &teamtaskv1.GetTaskRequest{Id: newID(t)}), "")
		call("an unknown encoding", getTask, alice, []byte("x"), "br")
		call("no gzip", getTask, alice, []byte("x"), "gzip")
		call("a bomb", createTask, alice, hostile.Bomb(t, 2<<20), "gzip")
		call("a constraint of the database", createTask, alice, create(&teamtaskv1.CreateTaskRequest{Name: "break"}), "")
		call("a function of the database", deleteTask, alice, p.written(t, &teamtaskv1.DeleteTaskRequest{Id: id}), "")
		if !p.isGet() {
			look(p.name+": no such method", p.put(s, "/teamtask.v1.TaskService/Nothing", alice, nil, ""))
		}
	}
	s.exec(`REVOKE SELECT ON tasks FROM teamtask_runtime`)
	for _, p := range protocols {
		look(p.name+": no right", p.put(s, getTask, alice, p.written(t, &teamtaskv1.GetTaskRequest{Id: id}), ""))
	}
	for _, reason := range []string{"", "UNAUTHENTICATED", "PERMISSION_MISSING", "SEAT_REQUIRED", "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", "METHOD_UNKNOWN", "ETAG_MISMATCH", "TASK_NOT_FOUND", "MESSAGE_TOO_LARGE"} {
		if !reasons[reason] {
			t.Errorf("no answer had the reason %q: this test saw too little", reason)
		}
	}
}
