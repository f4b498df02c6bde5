package tasks

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/stacktest"
)

func idsOf(tasks []*teamtaskv1.Task) []string {
	ids := make([]string, len(tasks))
	for i, task := range tasks {
		ids[i] = task.GetId()
	}
	return ids
}

// pages reads the list to its end and answers the ids of each page; between runs after
// every page.
func pages(ctx context.Context, t *testing.T, c teamtaskv1connect.TaskServiceClient, request *teamtaskv1.ListTasksRequest, between func()) [][]string {
	t.Helper()
	var all [][]string
	for {
		answer, err := c.ListTasks(ctx, request)
		if err != nil {
			t.Fatalf("page %d: %v", len(all)+1, err)
		}
		all = append(all, idsOf(answer.GetTasks()))
		request.PageToken = answer.GetNextPageToken()
		if request.PageToken == "" {
			return all
		}
		if between != nil {
			between()
		}
		if len(all) > 1000 {
			t.Fatal("the list has no end")
		}
	}
}

func TestAListIsWholeAndNewestFirst(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	c := s.As("alice", "d2-gamers")
	var made []string
	for i := range 23 {
		task, err := c.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, task.GetTask().GetId())
	}
	slices.Reverse(made)
	for _, size := range []int32{1, 2, 5, 22, 23, 24} {
		got := pages(t.Context(), t, c, &teamtaskv1.ListTasksRequest{PageSize: size}, nil)
		if diff := cmp.Diff(made, slices.Concat(got...)); diff != "" {
			t.Errorf("pages of %d (-made +got):\n%s", size, diff)
		}
		for i, page := range got {
			if len(page) > int(size) || (len(page) < int(size) && i < len(got)-1) {
				t.Errorf("pages of %d: page %d has %d", size, i, len(page))
			}
		}
		if want := (23 + int(size) - 1) / int(size); len(got) != want {
			t.Errorf("pages of %d: %d pages, want %d", size, len(got), want)
		}
	}
	empty, err := s.As("alice", "").ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{})
	if err != nil || len(empty.GetTasks()) != 0 || empty.GetNextPageToken() != "" {
		t.Errorf("an empty list: %v, %v", empty, err)
	}
}

func TestThePageSizeHasADefaultAndACap(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	s.Put(make205()...)
	c := s.As("charlie", "d2-gamers")
	for size, want := range map[int32]int{0: 50, 1: 1, 50: 50, 199: 199, 200: 200, 201: 200, math.MaxInt32: 200} {
		answer, err := c.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageSize: size})
		if err != nil || len(answer.GetTasks()) != want || answer.GetNextPageToken() == "" {
			t.Errorf("page_size %d: %d tasks, %v; want %d and more", size, len(answer.GetTasks()), err, want)
		}
	}
	for _, size := range []int32{-1, -50, math.MinInt32} {
		_, err := c.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageSize: size})
		if diff := cmp.Diff(stacktest.Unreadable, stacktest.RefusalOf(t, err)); diff != "" {
			t.Errorf("page_size %d (-want +got):\n%s", size, diff)
		}
	}
	for _, body := range []string{`{"pageSize":2147483648}`, `{"pageSize":1.5}`, `{"pageSize":"x"}`, `{"pageSize":1e99}`} {
		s.Expect(t, body, s.Post(stacktest.ListTasks, s.Token("alice", "d2-gamers", 2), []byte(body)), stacktest.Unreadable)
	}
}

func make205() []stacktest.Row {
	rows := make([]stacktest.Row, 205)
	for i := range rows {
		rows[i].Tenant = "org_d2gamers"
	}
	return rows
}

// While a list is read to its end others create and delete. What is there all the time
// comes exactly once, and nothing comes twice.
func TestAListIsExactUnderConcurrentChanges(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	staying := s.Put(make205()[:60]...)
	goes := s.Put(make205()[:60]...)
	slices.Reverse(staying)
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	for range 2 {
		others.Go(func() {
			c := s.As("alice", "d2-gamers")
			for ctx.Err() == nil {
				if made, err := c.CreateTask(ctx, &teamtaskv1.CreateTaskRequest{Name: "new"}); err == nil {
					_, _ = c.DeleteTask(ctx, &teamtaskv1.DeleteTaskRequest{Id: made.GetTask().GetId()})
				}
			}
		})
	}
	c := s.As("bob", "d2-gamers")
	for range 5 {
		deleted := 0
		got := slices.Concat(pages(t.Context(), t, c, &teamtaskv1.ListTasksRequest{PageSize: 7}, func() {
			if deleted < len(goes) {
				_, _ = s.As("alice", "d2-gamers").DeleteTask(t.Context(), &teamtaskv1.DeleteTaskRequest{Id: goes[deleted]})
				deleted += 5
			}
		})...)
		if !slices.IsSortedFunc(got, func(a, b string) int { return cmpDescending(a, b) }) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("not newest first, or twice the same: %v", got)
		}
		var stayed []string
		for _, id := range got {
			if slices.Contains(staying, id) {
				stayed = append(stayed, id)
			}
		}
		if diff := cmp.Diff(staying, stayed); diff != "" {
			t.Errorf("what was there all the time (-want +got):\n%s", diff)
		}
	}
}

func cmpDescending(a, b string) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

func TestFiltersNarrowAndCombine(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	ids := s.Put(
		stacktest.Row{Tenant: "org_d2gamers", Owner: "user_alice"},
		stacktest.Row{Tenant: "org_d2gamers", Owner: "user_alice", Done: true},
		stacktest.Row{Tenant: "org_d2gamers", Owner: "user_bob"},
		stacktest.Row{Tenant: "org_d2gamers", Owner: "user_bob", Done: true},
		stacktest.Row{Tenant: "org_d2gamers", Owner: "USER_BOB"},
		stacktest.Row{Tenant: "org_acme", Owner: "user_alice"},
	)
	yes, no := true, false
	for _, f := range []struct {
		name   string
		filter *teamtaskv1.ListTasksRequest_Filter
		want   []int // indices, newest first
	}{
		{"none", nil, []int{4, 3, 2, 1, 0}},
		{"empty", &teamtaskv1.ListTasksRequest_Filter{}, []int{4, 3, 2, 1, 0}},
		{"done", &teamtaskv1.ListTasksRequest_Filter{Done: &yes}, []int{3, 1}},
		{"open", &teamtaskv1.ListTasksRequest_Filter{Done: &no}, []int{4, 2, 0}},
		{"alice's", &teamtaskv1.ListTasksRequest_Filter{CreatedBy: "user_alice"}, []int{1, 0}},
		{"alice's and done", &teamtaskv1.ListTasksRequest_Filter{CreatedBy: "user_alice", Done: &yes}, []int{1}},
		{"bob's and open", &teamtaskv1.ListTasksRequest_Filter{CreatedBy: "user_bob", Done: &no}, []int{2}},
		{"nobody's", &teamtaskv1.ListTasksRequest_Filter{CreatedBy: "user_%"}, nil},
	} {
		var want []string
		for _, i := range f.want {
			want = append(want, ids[i])
		}
		for _, size := range []int32{1, 2, 50} {
			got := slices.Concat(pages(t.Context(), t, s.As("charlie", "d2-gamers"), &teamtaskv1.ListTasksRequest{PageSize: size, Filter: f.filter}, nil)...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, pages of %d (-want +got):\n%s", f.name, size, diff)
			}
		}
	}
}

func TestAPageTokenIsGoodForItsTenantAndFilterAlone(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	s.Put(make205()[:5]...)
	s.Put(stacktest.Row{Tenant: "org_acme"}, stacktest.Row{Tenant: "org_acme"}, stacktest.Row{Tenant: "user_alice"}, stacktest.Row{Tenant: "user_alice"})
	yes := true
	alice := s.As("alice", "d2-gamers")
	first, err := alice.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	token := first.GetNextPageToken()
	invalid := stacktest.Refused(connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID")
	for _, c := range []struct {
		name    string
		client  teamtaskv1connect.TaskServiceClient
		request *teamtaskv1.ListTasksRequest
		want    stacktest.Refusal
	}{
		{"the same person", alice, &teamtaskv1.ListTasksRequest{PageToken: token}, stacktest.Refusal{}},
		{"again", alice, &teamtaskv1.ListTasksRequest{PageToken: token}, stacktest.Refusal{}},
		{"another size", alice, &teamtaskv1.ListTasksRequest{PageToken: token, PageSize: 1}, stacktest.Refusal{}},
		{"an empty filter", alice, &teamtaskv1.ListTasksRequest{PageToken: token, Filter: &teamtaskv1.ListTasksRequest_Filter{}}, stacktest.Refusal{}},
		{"another person of the tenant", s.As("bob", "d2-gamers"), &teamtaskv1.ListTasksRequest{PageToken: token}, stacktest.Refusal{}},
		{"an older token of the same person", s.Client(s.Token("alice", "d2-gamers", 1)), &teamtaskv1.ListTasksRequest{PageToken: token}, stacktest.Refusal{}},
		{"another organization", s.As("erin", "acme"), &teamtaskv1.ListTasksRequest{PageToken: token}, invalid},
		{"her own workspace", s.As("alice", ""), &teamtaskv1.ListTasksRequest{PageToken: token}, invalid},
		{"a filter", alice, &teamtaskv1.ListTasksRequest{PageToken: token, Filter: &teamtaskv1.ListTasksRequest_Filter{Done: &yes}}, invalid},
		{"a filter by person", alice, &teamtaskv1.ListTasksRequest{PageToken: token, Filter: &teamtaskv1.ListTasksRequest_Filter{CreatedBy: "user_alice"}}, invalid},
		{"a filter that looks alike", alice, &teamtaskv1.ListTasksRequest{PageToken: token, Filter: &teamtaskv1.ListTasksRequest_Filter{CreatedBy: "*"}}, invalid},
		{"an id", alice, &teamtaskv1.ListTasksRequest{PageToken: first.GetTasks()[0].GetId()}, invalid},
		{"padding", alice, &teamtaskv1.ListTasksRequest{PageToken: token + "="}, invalid},
		{"white space", alice, &teamtaskv1.ListTasksRequest{PageToken: token + "\n"}, invalid},
		{"an offset", alice, &teamtaskv1.ListTasksRequest{PageToken: "50"}, invalid},
		{"too long", alice, &teamtaskv1.ListTasksRequest{PageToken: strings.Repeat("A", 1025)}, stacktest.Unreadable},
	} {
		_, err := c.client.ListTasks(t.Context(), c.request)
		if diff := cmp.Diff(c.want, stacktest.RefusalOf(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw { // each byte of it counts
		changed := slices.Clone(raw)
		changed[i] ^= 1
		for _, bad := range [][]byte{changed, raw[:i]} {
			if len(bad) == 0 {
				continue
			}
			_, err := alice.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageToken: base64.RawURLEncoding.EncodeToString(bad)})
			if diff := cmp.Diff(invalid, stacktest.RefusalOf(t, err)); diff != "" {
				t.Fatalf("byte %d changed (-want +got):\n%s", i, diff)
			}
		}
	}
}

// Servers share the key, which is in the database: what one seals another opens.
func TestAPageTokenIsGoodOnEveryServerOfTheInstallation(t *testing.T) {
	t.Parallel()
	one, other := stacktest.New(t, nil), stacktest.New(t, nil) // clones of one database have one key
	one.Put(make205()[:3]...)
	other.Put(make205()[:3]...)
	answer, err := one.As("alice", "d2-gamers").ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	request := &teamtaskv1.ListTasksRequest{PageToken: answer.GetNextPageToken()}
	if _, err := other.As("bob", "d2-gamers").ListTasks(t.Context(), request); err != nil {
		t.Error(err)
	}
}
