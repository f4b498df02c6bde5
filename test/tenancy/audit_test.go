package tenancy

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// auditor reads the audit log of d2-gamers as its administrator.
func auditor(s *stacktest.Stack) teamtaskv1connect.AuditServiceClient {
	return teamtaskv1connect.NewAuditServiceClient(
		&http.Client{Transport: s.Transport(s.Token("dana", "d2-gamers", 2), s.HTTP1)}, s.URL, connect.WithProtoJSON())
}

func audited(t *testing.T, c teamtaskv1connect.AuditServiceClient, r *teamtaskv1.ListAuditEventsRequest) (events []*teamtaskv1.AuditEvent) {
	t.Helper()
	for {
		answer, err := c.ListAuditEvents(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, answer.GetEvents()...)
		if r.PageToken = answer.GetNextPageToken(); r.GetPageToken() == "" {
			return events
		}
	}
}

// What no interceptor sees is audited as well, once, and nothing of what it says is kept.
func TestUnreadableCallsLeaveOneLineWithoutTheirText(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	for body, want := range map[string]string{
		`{"name":"CANARY`: "invalid_argument INVALID_ARGUMENT ",
		`{"name":""}`:     "invalid_argument INVALID_ARGUMENT ",
		`{"name":"` + strings.Repeat("CANARY", 50) + `"}`:                    "invalid_argument INVALID_ARGUMENT ",
		`{"name":"` + strings.Repeat("CANARY", stacktest.WireLimit/6) + `"}`: "resource_exhausted MESSAGE_TOO_LARGE ",
		`{"name":"CANARY","description":"CANARY"}`:                           "ok  ",
		`{"name":"CANARY","requestId":"CANARY"}`:                             "ok  ",
	} {
		before := len(auditLines(s, "org_d2gamers"))
		answer := s.Post(stacktest.CreateTask, token, []byte(body))
		if want == "ok  " {
			made, _ := s.Column(`SELECT id::text FROM tasks ORDER BY id DESC LIMIT 1`)
			want += made[0]
		}
		if diff := cmp.Diff([]string{"user_alice " + stacktest.CreateTask + " " + want}, auditLines(s, "org_d2gamers")[before:]); diff != "" {
			t.Errorf("%.40s: status %d (-want +got):\n%s", body, answer.Status, diff)
		}
		if s.Count(`SELECT count(*) FROM audit_events WHERE request_id = $1`, answer.ID()) != 1 {
			t.Errorf("%.40s: no line of request %s", body, answer.ID())
		}
	}
	for _, body := range []string{
		`{"id":"CANARY","done":true,"updateMask":"done"}`, `{"id":"` + id + `","etag":"CANARY","done":true,"updateMask":"done"}`,
		`{"id":"` + id + `","name":"CANARY","description":"CANARY","updateMask":"name,description"}`, `{"id":"` + id + `","updateMask":"cANARY"}`,
	} {
		s.Post(stacktest.UpdateTask, token, []byte(body))
	}
	s.Post(stacktest.CreateTask, "", []byte(`{"name":"CANARY"}`)) // nobody: no tenant, no line
	if n := s.Count(`SELECT count(*) FROM audit_events`); n != 10 {
		t.Errorf("%d lines, want 10", n)
	}
	if n := s.Count(`SELECT count(*) FROM audit_events a WHERE lower(to_jsonb(a)::text) LIKE '%canary%'`); n != 0 {
		t.Errorf("%d lines hold what a request said", n)
	}
	if got, _ := s.Column(`SELECT details::text FROM audit_events WHERE outcome = 'ok' AND method = $1`, stacktest.UpdateTask); !cmp.Equal(got, []string{`{"update_mask": ["name", "description"]}`}) {
		t.Errorf("details %q", got)
	}
}

// A refusal that was decided by the database gave out a transaction id and changed
// nothing: only what changed something is "ok".
func TestOfManyWithTheSameETagOneIsOKAndTheOthersAreNot(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	const many = 24
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	alice := s.As("alice", "d2-gamers")
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			_, _ = alice.UpdateTask(t.Context(), &teamtaskv1.UpdateTaskRequest{
				Id: id, Etag: "1", Done: true, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"done"}},
			})
			_, _ = alice.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: stacktest.NewID(t), RequestId: "the same"})
		})
	}
	all.Wait()
	got := map[string]int{}
	for _, l := range auditLines(s, "org_d2gamers") {
		got[l]++
	}
	made, _ := s.Column(`SELECT id::text FROM tasks WHERE id <> $1`, id)
	want := map[string]int{
		"user_alice " + stacktest.UpdateTask + " ok  " + id:                         1,
		"user_alice " + stacktest.UpdateTask + " aborted ETAG_MISMATCH " + id:       many - 1,
		"user_alice " + stacktest.CreateTask + " ok  " + strings.Join(made, " "):    1,
		"user_alice " + stacktest.CreateTask + " already_exists REQUEST_ID_REUSED ": many - 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestAChangeWithoutItsAuditLineIsRolledBack(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	s.Exec(`REVOKE INSERT ON audit_events FROM teamtask_runtime`)
	s.Exec(`ALTER TABLE audit_events ADD CONSTRAINT broken CHECK (false) NOT VALID`)
	_, err := s.As("alice", "d2-gamers").CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x"})
	if stacktest.RefusalOf(t, err).Code != connect.CodeInternal || s.Count(`SELECT count(*) FROM tasks`) != 0 {
		t.Errorf("got %v, and %d tasks; want an internal error and none", err, s.Count(`SELECT count(*) FROM tasks`))
	}
	_, err = s.As("ben", "d2-gamers").CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x"})
	if diff := cmp.Diff(stacktest.Refused(connect.CodePermissionDenied, "SEAT_REQUIRED"), stacktest.RefusalOf(t, err)); diff != "" {
		t.Errorf("a refusal (-want +got):\n%s", diff)
	}
	if strings.Count(s.Log.String(), "audit line counted") != 2 {
		t.Errorf("the log does not say that 2 lines are counted:\n%s", s.Log)
	}
	s.Trail.Close()
	if strings.Count(s.Log.String(), "audit line lost") != 2 {
		t.Errorf("the log does not say that 2 lines were lost:\n%s", s.Log)
	}
	families, err := s.Metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "teamtask_audit_failures_total" && f.GetMetric()[0].GetCounter().GetValue() != 2 {
			t.Errorf("the counter is at %v, want 2", f.GetMetric()[0].GetCounter().GetValue())
		}
	}
}

func TestAFloodOfRefusalsIsCountedInOneLine(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("charlie", "d2-gamers", 2)
	const flood, most = 100, 60
	for range flood {
		s.Post(stacktest.CreateTask, token, []byte(`{"name":"x"}`))
	}
	if n := len(auditLines(s, "org_d2gamers")); n != most {
		t.Errorf("%d lines of %d refusals, want %d", n, flood, most)
	}
	s.Post(stacktest.CreateTask, s.Token("ben", "d2-gamers", 2), []byte(`{"name":"x"}`)) // somebody else's is not held back
	s.Trail.Close()
	got, _ := s.Column(`SELECT concat_ws(' ', actor, method, outcome, reason, details) FROM audit_events WHERE details <> '{}'`)
	if diff := cmp.Diff([]string{"user_charlie " + stacktest.CreateTask + ` permission_denied PERMISSION_MISSING {"repeated": 40}`}, got); diff != "" {
		t.Errorf("lines with a count (-want +got):\n%s", diff)
	}
	if n := len(auditLines(s, "org_d2gamers")); n != most+2 {
		t.Errorf("%d lines, want %d", n, most+2)
	}
}

// A server with too much to do does not get more to do by refusing.
func TestRefusalsUnderOverloadAreAuditedLater(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	empty := stacktest.FillLimiter(t, s.Calls, stacktest.Gamers)
	token := s.Token("alice", "d2-gamers", 2)
	for range 3 {
		s.Expect(t, "while full", s.Post(stacktest.CreateTask, token, []byte(`{"name":"x"}`)), stacktest.Overloaded)
	}
	empty()
	stacktest.LimiterRests(t, s.Calls)
	if got := auditLines(s, stacktest.Gamers); len(got) != 0 {
		t.Errorf("lines while full: %q, want none", got)
	}
	s.Trail.Close()
	got, _ := s.Column(`SELECT concat_ws(' ', actor, method, outcome, reason, details) FROM audit_events`)
	if diff := cmp.Diff([]string{"user_alice " + stacktest.CreateTask + ` resource_exhausted OVERLOADED {"repeated": 3}`}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestWhatIsOlderThan400DaysIsSwept(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	add := func(count int, age string) {
		s.Exec(`INSERT INTO audit_events (tenant_id, time, actor, impersonator, method, target, outcome, reason, request_id, details)
			SELECT 'org_'||n%7, now() - $2::interval, 'user_a', '', 'm', '', 'ok', '', '', '{}' FROM generate_series(1, $1) n`, count, age)
	}
	add(2500, "401 days")
	add(10, "399 days")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sweeping sync.WaitGroup
	sweeping.Go(func() { s.Trail.KeepSwept(ctx, time.Millisecond) })
	end := func() {
		cancel()
		sweeping.Wait()
	}
	swept := func() bool { return s.Count(`SELECT count(*) FROM audit_events`) == 10 }
	stacktest.Until(t, "the old lines are gone", swept)
	add(1, "401 days")
	stacktest.Until(t, "another old line is gone", swept)
	for _, want := range []string{`"removed":2500`, `"removed":1`} {
		stacktest.Until(t, "the log has "+want, func() bool { return strings.Contains(s.Log.String(), want) })
	}
	end()
	add(1, "401 days")
	s.Exec(`REVOKE DELETE ON audit_events FROM teamtask_expiry`)
	if n, err := s.Trail.Sweep(t.Context()); n != 0 || err == nil {
		t.Errorf("without the right: got %d lines swept, %v", n, err)
	}
}

func TestBothIDsOfAnImpersonationAreAudited(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{"on": "ok ", "": "failed_precondition IMPERSONATION_NOT_ALLOWED"} {
		s := stacktest.New(t, map[string]string{"ALLOW_IMPERSONATION": setting})
		token := s.Bent("alice", 2, func(c map[string]any) { c["act"] = map[string]any{"iss": "x", "sid": "y", "sub": "user_support"} })
		s.Post(stacktest.CreateTask, token, []byte(`{"name":"x"}`))
		got, _ := s.Column(`SELECT concat_ws(' ', actor, impersonator, outcome, reason) FROM audit_events`)
		if diff := cmp.Diff([]string{"user_alice user_support " + want}, got); diff != "" {
			t.Errorf("ALLOW_IMPERSONATION=%q (-want +got):\n%s", setting, diff)
		}
	}
}

func TestAuditEventsAreListedNewestFirstByFilter(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	for i := range 130 {
		user := []string{"alice", "bob", "ben"}[i%3]
		s.Post(stacktest.CreateTask, s.Token(user, "d2-gamers", 1+i%2), []byte(`{"name":"x"}`))
	}
	s.Post(stacktest.CreateTask, s.Token("erin", "acme", 2), []byte(`{"name":"x"}`)) // not theirs
	all := audited(t, auditor(s), &teamtaskv1.ListAuditEventsRequest{PageSize: 7})
	if len(all) != 130 {
		t.Fatalf("%d events, want 130", len(all))
	}
	for i, e := range all {
		if i > 0 && (e.GetId() >= all[i-1].GetId() || e.GetTime().AsTime().After(all[i-1].GetTime().AsTime())) {
			t.Errorf("event %d is not older than the one before", i)
		}
		if e.GetActor() == "user_erin" || e.GetRequestId() == "" {
			t.Errorf("event %v", e)
		}
	}
	match := func(f *teamtaskv1.ListAuditEventsRequest_Filter) (ids []string) {
		for _, e := range all {
			at := e.GetTime().AsTime()
			if (f.GetActor() == "" || f.GetActor() == e.GetActor()) && (f.GetMethod() == "" || f.GetMethod() == e.GetMethod()) &&
				(f.GetOutcome() == "" || f.GetOutcome() == e.GetOutcome()) &&
				(f.Since == nil || !at.Before(f.GetSince().AsTime())) && (f.Until == nil || at.Before(f.GetUntil().AsTime())) {
				ids = append(ids, e.GetId())
			}
		}
		return ids
	}
	for _, actor := range []string{"", "user_bob"} {
		for _, method := range []string{"", stacktest.CreateTask, stacktest.DeleteTask} {
			for _, outcome := range []string{"", "ok", "permission_denied", "o"} {
				for _, since := range []*timestamppb.Timestamp{nil, all[100].GetTime()} {
					for _, until := range []*timestamppb.Timestamp{nil, all[20].GetTime()} {
						f := &teamtaskv1.ListAuditEventsRequest_Filter{Actor: actor, Method: method, Outcome: outcome, Since: since, Until: until}
						var got []string
						for _, e := range audited(t, auditor(s), &teamtaskv1.ListAuditEventsRequest{PageSize: 20, Filter: f}) {
							got = append(got, e.GetId())
						}
						if diff := cmp.Diff(match(f), got); diff != "" {
							t.Errorf("%v (-want +got):\n%s", f, diff)
						}
					}
				}
			}
		}
	}
	first, err := auditor(s).ListAuditEvents(t.Context(), &teamtaskv1.ListAuditEventsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = auditor(s).ListAuditEvents(t.Context(), &teamtaskv1.ListAuditEventsRequest{
		PageToken: first.GetNextPageToken(), Filter: &teamtaskv1.ListAuditEventsRequest_Filter{Actor: "user_bob"},
	})
	if got := stacktest.RefusalOf(t, err).Reason; got != "PAGE_TOKEN_INVALID" {
		t.Errorf("a token with another filter: %q", got)
	}
	_, err = auditor(s).ListAuditEvents(t.Context(), &teamtaskv1.ListAuditEventsRequest{
		Filter: &teamtaskv1.ListAuditEventsRequest_Filter{Since: all[0].GetTime(), Until: all[0].GetTime()},
	})
	if got := stacktest.RefusalOf(t, err).Reason; got != "INVALID_ARGUMENT" {
		t.Errorf("an empty period: %q", got)
	}
}

// The connection dies between the statement and its commit: neither the change nor its
// line is there, and the caller's refusal is.
func TestNeitherChangeNorLineOutlivesATransactionThatDies(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	// The last thing before the commit is the line: it takes the connection with it.
	s.Exec(`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
		$$ BEGIN IF NEW.outcome = 'ok' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$`)
	s.Exec(`CREATE TRIGGER die BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION die()`)
	answer := s.Post(stacktest.UpdateTask, s.Token("alice", "d2-gamers", 2), []byte(`{"id":"`+id+`","done":true,"updateMask":"done"}`))
	if got := answer.Told(t); got.Reason != "DATABASE_UNAVAILABLE" {
		t.Errorf("got %v", got)
	}
	if n := s.Count(`SELECT count(*) FROM tasks WHERE done`); n != 0 {
		t.Errorf("%d tasks changed, want 0", n)
	}
	want := []string{"user_alice " + stacktest.UpdateTask + " unavailable DATABASE_UNAVAILABLE " + id}
	if diff := cmp.Diff(want, auditLines(s, "org_d2gamers")); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if !bytes.Contains(answer.Body, []byte("unavailable")) {
		t.Errorf("%s", answer.Body)
	}
}

// The line of a call that makes something says what it made.
func TestTheLineOfACreationNamesWhatWasMade(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	tasks := s.As("alice", "d2-gamers")
	targets := func() []string {
		got, _ := s.Column(`SELECT target FROM audit_events WHERE method = $1 AND outcome = 'ok' ORDER BY id`, stacktest.CreateTask)
		return got
	}
	var want []string
	for _, request := range []string{"", "again"} {
		made, err := tasks.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x", RequestId: request})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, made.GetTask().GetId())
	}
	if diff := cmp.Diff(want, targets()); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	// Repeated, it makes nothing, and names what it made before: the id that it had ready is
	// nobody's.
	if _, err := tasks.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x", RequestId: "again"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(want, want[1]), targets()); diff != "" {
		t.Errorf("targets after the repetition (-want +got):\n%s", diff)
	}
}
