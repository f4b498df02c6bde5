package tasks

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/stacktest"
)

var reused = stacktest.Refused(connect.CodeAlreadyExists, "REQUEST_ID_REUSED")

// crowd is how many do the same thing at once.
const crowd = 32

// atOnce runs fn as often, all of it beginning together.
func atOnce(times int, fn func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range times {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			fn(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

// refuses wants CreateTask to be refused so.
func refuses(t *testing.T, what string, c teamtaskv1connect.TaskServiceClient, request *teamtaskv1.CreateTaskRequest, want stacktest.Refusal) {
	t.Helper()
	_, err := c.CreateTask(t.Context(), request)
	if diff := cmp.Diff(want, stacktest.RefusalOf(t, err)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestANewTaskIsItsCreatorsAndOpen(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	before := time.Now().Add(-time.Minute)
	got := stacktest.Create(t, s.As("bob", "d2-gamers"), &teamtaskv1.CreateTaskRequest{Name: "n", Description: "d"})
	want := &teamtaskv1.Task{Name: "n", Description: "d", CreatedBy: "user_bob", UpdatedBy: "user_bob"}
	given := protocmp.IgnoreFields(want, "id", "etag", "create_time", "update_time")
	if diff := cmp.Diff(want, got, protocmp.Transform(), given); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(got.GetId()) != 36 || got.GetId()[14] != '7' || got.GetId() != strings.ToLower(got.GetId()) {
		t.Errorf("id = %q, want a version 7 UUID in lower case", got.GetId())
	}
	created := got.GetCreateTime().AsTime()
	if got.GetEtag() == "" || created.Before(before) || created.After(time.Now().Add(time.Minute)) || !created.Equal(got.GetUpdateTime().AsTime()) {
		t.Errorf("etag %q, created %v, updated %v", got.GetEtag(), created, got.GetUpdateTime().AsTime())
	}
}

func TestARepeatedRequestAnswersTheTaskAsItIsNow(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	request := &teamtaskv1.CreateTaskRequest{Name: "n", Description: "d", RequestId: "r"}
	first := stacktest.Create(t, alice, request)
	if diff := cmp.Diff(first, stacktest.Create(t, alice, request), protocmp.Transform()); diff != "" {
		t.Errorf("again (-first +again):\n%s", diff)
	}
	changed, err := alice.UpdateTask(t.Context(), &teamtaskv1.UpdateTaskRequest{
		Id: first.GetId(), Name: "changed", Done: true, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name", "done"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	// Through another session and protocol it is the same person.
	for _, c := range []teamtaskv1connect.TaskServiceClient{alice, s.Client(s.Token("alice", "d2-gamers", 1), connect.WithGRPCWeb())} {
		if diff := cmp.Diff(changed.GetTask(), stacktest.Create(t, c, request), protocmp.Transform()); diff != "" {
			t.Errorf("after a change (-changed +again):\n%s", diff)
		}
	}
	if _, err := alice.DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: first.GetId()}); err != nil {
		t.Fatal(err)
	}
	refuses(t, "after a delete", alice, request, stacktest.Refused(connect.CodeNotFound, "TASK_NOT_FOUND"))
	if n := s.Count(`SELECT count(*) FROM tasks`); n != 0 {
		t.Errorf("%d tasks, want none: a deleted task was made again", n)
	}
}

func TestARequestIDStandsForOneRequest(t *testing.T) {
	t.Parallel()
	stacktest.WithAndWithoutTheNet(t, oneRequest)
}

func oneRequest(t *testing.T, s *stacktest.Stack) {
	t.Helper()
	s.Stock("org_d2gamers2")
	alice := s.As("alice", "d2-gamers")
	request := &teamtaskv1.CreateTaskRequest{Name: "ab", Description: "c", RequestId: "r"}
	first := stacktest.Create(t, alice, request)
	for _, other := range []*teamtaskv1.CreateTaskRequest{
		{Name: "ab", Description: "d", RequestId: "r"},
		{Name: "ab", RequestId: "r"},
		{Name: "AB", Description: "c", RequestId: "r"},
		{Name: "a", Description: "bc", RequestId: "r"},
		{Name: "abc", RequestId: "r"},
	} {
		refuses(t, other.String(), alice, other, reused)
	}
	// Others, other tenants and other ids have nothing to do with it, not even a task of
	// another tenant that has the same id.
	s.Put(stacktest.Row{Tenant: "org_acme", ID: first.GetId(), Name: stacktest.Canary})
	seen := map[string]bool{first.GetId(): true}
	for what, c := range map[string]teamtaskv1connect.TaskServiceClient{
		"another person":       s.As("bob", "d2-gamers"),
		"another organization": s.Client(s.TokenIn("alice", "org_d2gamers2", 2)),
		"her own workspace":    s.As("alice", ""),
	} {
		made := stacktest.Create(t, c, &teamtaskv1.CreateTaskRequest{Name: "other", RequestId: "r"})
		if seen[made.GetId()] {
			t.Errorf("%s: got a task that is there already", what)
		}
		seen[made.GetId()] = true
	}
	for _, id := range []string{"R", "r ", "", ""} {
		made := stacktest.Create(t, alice, &teamtaskv1.CreateTaskRequest{Name: "ab", Description: "c", RequestId: id})
		if seen[made.GetId()] {
			t.Errorf("request id %q: got a task that is there already", id)
		}
		seen[made.GetId()] = true
	}
	if diff := cmp.Diff(first, stacktest.Create(t, alice, request), protocmp.Transform()); diff != "" {
		t.Errorf("the first, again (-first +again):\n%s", diff)
	}
}

func TestARequestMadeManyTimesAtOnceMakesOneTask(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	for round := range 5 {
		ids := make([]string, crowd)
		atOnce(crowd, func(i int) {
			answer, err := alice.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "n", RequestId: fmt.Sprint("r", round)})
			if err != nil {
				t.Errorf("call %d: %v", i, err)
			}
			ids[i] = answer.GetTask().GetId()
		})
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("two tasks for one request: %v", ids)
			}
		}
	}
	if n := s.Count(`SELECT count(*) FROM tasks`); n != 5 {
		t.Errorf("%d tasks, want 5", n)
	}
}

// Of different requests with one id at once, one is made, and every other is told.
func TestDifferentRequestsWithOneIDAtOnceMakeOneTask(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	var mu sync.Mutex
	made := 0
	atOnce(crowd, func(i int) {
		_, err := alice.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: fmt.Sprint(i), RequestId: "r"})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			made++
		} else if diff := cmp.Diff(reused, stacktest.RefusalOf(t, err)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	if n := s.Count(`SELECT count(*) FROM tasks`); n != 1 || made != 1 {
		t.Errorf("%d tasks, %d answers; want one of each", n, made)
	}
}

func TestARequestIDIsForgottenAfterADay(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	alice := s.As("alice", "d2-gamers")
	request := &teamtaskv1.CreateTaskRequest{Name: "n", RequestId: "r"}
	first := stacktest.Create(t, alice, request)
	age := func(interval string) {
		s.Exec(`UPDATE task_requests SET create_time = now() - $1::interval WHERE request_id = 'r'`, interval)
	}
	age("23 hours 59 minutes")
	if again := stacktest.Create(t, alice, request); again.GetId() != first.GetId() {
		t.Error("forgotten within a day")
	}
	age("24 hours 1 second")
	second := stacktest.Create(t, alice, request)
	if second.GetId() == first.GetId() {
		t.Error("remembered after a day")
	}
	if again := stacktest.Create(t, alice, request); again.GetId() != second.GetId() {
		t.Error("the new request is not remembered")
	}
	age("25 hours")
	other := &teamtaskv1.CreateTaskRequest{Name: "another", RequestId: "r"}
	if third := stacktest.Create(t, alice, other); third.GetName() != "another" {
		t.Errorf("a different request after a day: %v", third)
	}
	// After a day, many at once make one task as well.
	age("25 hours")
	ids := make([]string, crowd)
	atOnce(crowd, func(i int) {
		answer, err := alice.CreateTask(t.Context(), request)
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
		ids[i] = answer.GetTask().GetId()
	})
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two tasks for one request: %v", ids)
		}
	}
}

func TestExpiredRequestIDsAreSweptOfTheCallersTenantAlone(t *testing.T) {
	t.Parallel()
	stacktest.WithAndWithoutTheNet(t, sweep)
}

func sweep(t *testing.T, s *stacktest.Stack) {
	t.Helper()
	alice := s.As("alice", "d2-gamers")
	for _, tenant := range []string{"org_d2gamers", "org_acme"} {
		s.Exec(`INSERT INTO task_requests (tenant_id, user_id, request_id, request_hash, task_id, create_time)
			SELECT $1, 'user_gone', 'old' || i, '\x00', gen_random_uuid(), now() - interval '2 days'
			  FROM generate_series(1, 40) i`, tenant)
	}
	// One that is fresh here has expired elsewhere.
	s.Exec(`INSERT INTO task_requests (tenant_id, user_id, request_id, request_hash, task_id, create_time) VALUES
		('org_d2gamers', 'user_bob', 'fresh', '\x00', gen_random_uuid(), now() - interval '23 hours'),
		('org_acme', 'user_bob', 'fresh', '\x00', gen_random_uuid(), now() - interval '3 days')`)
	for i := range 4 {
		stacktest.Create(t, alice, &teamtaskv1.CreateTaskRequest{Name: "n", RequestId: fmt.Sprint("new", i)})
	}
	for query, want := range map[string]int{
		`SELECT count(*) FROM task_requests WHERE tenant_id = 'org_d2gamers' AND request_id LIKE 'old%'`: 0,
		`SELECT count(*) FROM task_requests WHERE tenant_id = 'org_acme'`:                                41,
		`SELECT count(*) FROM task_requests WHERE request_id = 'fresh'`:                                  2,
		`SELECT count(*) FROM task_requests WHERE request_id LIKE 'new%'`:                                4,
	} {
		if got := s.Count(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}
