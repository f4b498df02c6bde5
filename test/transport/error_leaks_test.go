package transport

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
	"github.com/teamtask/teamtask/internal/stacktest"
)

// Status, headers, trailers and body of an answer to another tenant's id are, byte for
// byte, those of the answer to an id that never was.
func TestForeignTasksLookLikeNoneInEveryProtocol(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	theirs := s.Put(stacktest.Row{Tenant: "org_acme", Name: stacktest.Canary, Description: stacktest.Canary, Owner: "user_alice"})[0]
	before := s.Snapshot("org_acme")
	asked := 0
	for _, m := range stacktest.Methods() {
		var takesID bool
		for _, f := range stacktest.TextFields(m.Input(), nil) {
			takesID = takesID || stacktest.Kinds[f.Last().FullName()] == stacktest.TaskID
		}
		for _, p := range stacktest.Protocols {
			if !takesID || !p.Carries(m) {
				continue
			}
			for _, user := range []string{"dana", "alice", "bob"} {
				asked++
				token := s.Token(user, "d2-gamers", 2)
				foreign := p.Put(s, stacktest.ProcedureOf(m), token, p.Written(t, stacktest.CaseOf(t, m).Request(theirs)), "")
				absent := p.Put(s, stacktest.ProcedureOf(m), token, p.Written(t, stacktest.CaseOf(t, m).Request(stacktest.NewID(t))), "")
				title := fmt.Sprintf("%s by %s over %s", m.Name(), user, p.Name)
				if diff := cmp.Diff(absent.Comparable(), foreign.Comparable()); diff != "" {
					t.Errorf("%s: told apart (-none +another's):\n%s", title, diff)
				}
				s.Expect(t, title, foreign, stacktest.Refused(5, "TASK_NOT_FOUND"))
			}
		}
	}
	if asked < 3*2*8 {
		t.Errorf("only %d calls were made", asked)
	}
	if diff := cmp.Diff(before, s.Snapshot("org_acme")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
}

// detailTypes are what an error may come with. None of them has room for a stack or a
// statement.
var detailTypes = []string{"google.rpc.ErrorInfo", "google.rpc.RequestInfo", "google.rpc.RetryInfo", "buf.validate.Violations"}

// decoded is all that an answer says, with what is packed in it unpacked.
func decoded(t *testing.T, r stacktest.Reply) string {
	t.Helper()
	all := r.Comparable()
	packed := []string{r.Header.Get("Grpc-Status-Details-Bin"), r.Trailer.Get("Grpc-Status-Details-Bin")}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc-web") {
		packed = append(packed, stacktest.WebTrailer(t, r.Body).Get("Grpc-Status-Details-Bin"))
	}
	var wire struct {
		Details []struct {
			Value string
			Debug json.RawMessage
		}
	}
	if json.Unmarshal(r.Body, &wire) == nil {
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
	s := stacktest.New(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	s.Exec(`ALTER TABLE tasks ADD CONSTRAINT broken CHECK (name <> 'break')`)
	s.Exec(`CREATE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'SELECT from tasks_pkey of tenant_id'; END $$`)
	s.Exec(`CREATE TRIGGER bad BEFORE DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION bad()`)
	alice, charlie, ben := s.Token("alice", "d2-gamers", 2), s.Token("charlie", "d2-gamers", 2), s.Token("ben", "d2-gamers", 2)
	reasons := map[string]bool{}
	look := func(title string, answer stacktest.Reply) {
		t.Helper()
		got := answer.Told(t)
		reasons[got.Reason] = true
		for _, kind := range got.Details {
			if !slices.Contains(detailTypes, kind) {
				t.Errorf("%s: the answer has a %s", title, kind)
			}
		}
		text := decoded(t, answer) + got.Words
		for _, word := range append([]string{s.Database.Name, "for-tests-only", "127.0.0.1", "broken", "plpgsql"}, stacktest.Inside...) {
			if strings.Contains(text, word) {
				t.Errorf("%s: the answer says %q:\n%.600s", title, word, text)
			}
		}
	}
	for _, p := range stacktest.Protocols {
		call := func(what, procedure, token string, message []byte, encoding string) {
			t.Helper()
			if p.Carries(stacktest.MethodOf(t, procedure)) {
				look(p.Name+": "+what, p.Put(s, procedure, token, message, encoding))
			}
		}
		create := func(r *teamtaskv1.CreateTaskRequest) []byte { return p.Written(t, r) }
		call("no token", stacktest.GetTask, "", nil, "")
		call("a bad token", stacktest.GetTask, "x.y.z", nil, "")
		call("no permission", stacktest.CreateTask, charlie, create(&teamtaskv1.CreateTaskRequest{Name: "x"}), "")
		call("no seat", stacktest.CreateTask, ben, create(&teamtaskv1.CreateTaskRequest{Name: "x"}), "")
		call("garbage", stacktest.GetTask, alice, []byte("\xff\xff\x00{"), "")
		call("a rule broken", stacktest.CreateTask, alice, create(&teamtaskv1.CreateTaskRequest{Name: strings.Repeat("x", 201), Description: strings.Repeat("x", 10_001)}), "")
		call("a bad id", stacktest.GetTask, alice, p.Written(t, &teamtaskv1.GetTaskRequest{Id: "x"}), "")
		call("a bad page token", stacktest.ListTasks, alice, p.Written(t, &teamtaskv1.ListTasksRequest{PageToken: "AAAA"}), "")
		call("an unknown path", stacktest.UpdateTask, alice, p.Written(t, stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: id}, "created_by")), "")
		call("a bad etag", stacktest.UpdateTask, alice, p.Written(t, stacktest.Masked(&teamtaskv1.UpdateTaskRequest{Id: id, Etag: "9"}, "done")), "")
		call("no such task", stacktest.GetTask, alice, p.Written(t, &teamtaskv1.GetTaskRequest{Id: stacktest.NewID(t)}), "")
		call("an unknown encoding", stacktest.GetTask, alice, []byte("x"), "br")
		call("no gzip", stacktest.GetTask, alice, []byte("x"), "gzip")
		call("a bomb", stacktest.CreateTask, alice, hostile.Bomb(t, 2<<20), "gzip")
		call("a constraint of the database", stacktest.CreateTask, alice, create(&teamtaskv1.CreateTaskRequest{Name: "break"}), "")
		call("a function of the database", stacktest.DeleteTask, alice, p.Written(t, &teamtaskv1.DeleteTaskRequest{Id: id}), "")
		if !p.IsGet() {
			look(p.Name+": no such method", p.Put(s, "/teamtask.v1.TaskService/Nothing", alice, nil, ""))
		}
	}
	s.Exec(`REVOKE SELECT ON tasks FROM teamtask_runtime`)
	for _, p := range stacktest.Protocols {
		look(p.Name+": no right", p.Put(s, stacktest.GetTask, alice, p.Written(t, &teamtaskv1.GetTaskRequest{Id: id}), ""))
	}
	for _, reason := range []string{"", "UNAUTHENTICATED", "PERMISSION_MISSING", "SEAT_REQUIRED", "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", "METHOD_UNKNOWN", "ETAG_MISMATCH", "TASK_NOT_FOUND", "MESSAGE_TOO_LARGE"} {
		if !reasons[reason] {
			t.Errorf("no answer had the reason %q: this test saw too little", reason)
		}
	}
}
