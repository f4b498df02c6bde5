package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

func TestMetricsAndProfilesAreOnTheAdminAddressAlone(t *testing.T) {
	t.Parallel()
	s := newStack(t, map[string]string{"REFLECTION": "on"})
	s.post(listTasks, s.token("alice", "d2-gamers", 2), []byte("{}"))
	admin := s.server.AdminHandler()
	for path, want := range map[string]string{
		"/metrics":                     "teamtask_calls_total",
		"/debug/pprof/":                "goroutine",
		"/debug/pprof/cmdline":         "",
		"/debug/pprof/heap":            "",
		"/debug/pprof/symbol":          "num_symbols",
		"/debug/pprof/goroutine?debug": "",
	} {
		recorder := httptest.NewRecorder()
		admin.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if recorder.Code != http.StatusOK || !strings.Contains(recorder.Body.String(), want) {
			t.Errorf("%s on the admin address: status %d", path, recorder.Code)
		}
		for _, over := range []http.RoundTripper{s.http1, s.http2} {
			if answer := s.send(over, http.MethodGet, path, s.token("dana", "d2-gamers", 2), nil, nil); answer.status != http.StatusNotFound {
				t.Errorf("%s on the public address: status %d, want 404", path, answer.status)
			}
		}
	}
	for _, path := range []string{"/debug/vars", "/debug/", "/debug/pprof", "/metrics/"} {
		if answer := s.send(s.http1, http.MethodGet, path, "", nil, nil); answer.status != http.StatusNotFound {
			t.Errorf("%s on the public address: status %d, want 404", path, answer.status)
		}
	}
	recorder := httptest.NewRecorder()
	admin.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, listTasks, nil))
	if recorder.Code != http.StatusNotFound {
		t.Errorf("a method on the admin address: status %d, want 404", recorder.Code)
	}
}

// Figures name methods, codes and reasons: nothing that a caller chose becomes a label.
func TestACallerCannotMakeLabelsOfMetrics(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for _, path := range []string{"/canary-path", "/teamtask.v1.TaskService/CanaryMethod", "/canary.v1.Service/Method"} {
		s.post(path, "canary-token", []byte("{}"))
	}
	recorder := httptest.NewRecorder()
	s.server.AdminHandler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if strings.Contains(strings.ToLower(recorder.Body.String()), "canary") {
		t.Error("a label is made of what a caller sent")
	}
}

func TestReflectionIsThereOnlyWhereItIsSwitchedOn(t *testing.T) {
	t.Parallel()
	off := newStack(t, nil)
	for _, path := range []string{reflection, reflectionOld} {
		for _, contentType := range []string{"application/grpc", "application/grpc-web", "application/connect+proto"} {
			answer := off.send(off.http2, http.MethodPost, path, off.token("dana", "d2-gamers", 2), map[string]string{"Content-Type": contentType}, bytes.NewReader(nil))
			if contentType != "application/connect+proto" {
				off.expect(t, path, answer, noMethod)
			} else if answer.status != http.StatusNotFound {
				t.Errorf("%s: status %d, want 404", path, answer.status)
			}
		}
	}
	on := newStack(t, map[string]string{"REFLECTION": "on"})
	stream := grpcreflect.NewClient(&http.Client{Transport: bearing{on, "", on.http2}}, on.url, connect.WithGRPC()).NewStream(t.Context())
	services, err := stream.ListServices()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(services)
	if diff := cmp.Diff([]protoreflect.FullName{"grpc.health.v1.Health", "teamtask.v1.AuditService", "teamtask.v1.LicensingService", "teamtask.v1.MembershipService", "teamtask.v1.TaskService"}, services); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	files, err := stream.FileContainingSymbol("teamtask.v1.TaskService")
	if err != nil || len(files) == 0 {
		t.Errorf("the descriptor of TaskService: %d files, %v", len(files), err)
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
}

func TestProbesNeedNoToken(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if answer := s.send(s.http1, http.MethodGet, path, "", nil, nil); answer.status != http.StatusOK || string(answer.body) != want {
			t.Errorf("%s: %d %q", path, answer.status, answer.body)
		}
	}
	for service, want := range map[string]string{"": "\x08\x01", "teamtask.v1.TaskService": "\x08\x01", "teamtask.v1.AuditService": "\x08\x01", "teamtask.v1.MembershipService": "\x08\x01"} {
		message := append([]byte{0x0a, byte(len(service))}, service...)
		answer := s.send(s.http2, http.MethodPost, healthCheck, "", map[string]string{"Content-Type": "application/grpc"}, bytes.NewReader(enveloped(message)))
		if answer.trailer.Get("Grpc-Status") != "0" || len(answer.body) < 5 || string(answer.body[5:]) != want {
			t.Errorf("health of %q: %q %v, want %q", service, answer.body, answer.trailer, want)
		}
	}
	answer := s.post(healthCheck, "", []byte(`{"service":"teamtask.v1.Nothing"}`))
	if got := answer.told(t); got.Code != connect.CodeNotFound {
		t.Errorf("health of a service that is not here: %v", got)
	}
}

// The process lives while its database is away, says that it is not ready, and serves
// again by itself.
func TestWithoutItsDatabaseTheServerIsAliveAndNotReady(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	client := s.as("alice", "d2-gamers")
	if _, err := client.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "before"}); err != nil {
		t.Fatal(err)
	}
	s.exec(`REVOKE CONNECT ON DATABASE ` + s.database.Name + ` FROM PUBLIC`)
	s.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'teamtask'`)
	gone := refused(connect.CodeUnavailable, "DATABASE_UNAVAILABLE")
	for range 3 {
		ready := s.send(s.http1, http.MethodGet, "/readyz", "", nil, nil)
		s.expect(t, "/readyz", ready, gone)
		if ready.status != http.StatusServiceUnavailable {
			t.Errorf("/readyz: status %d, want 503", ready.status)
		}
		_, err := client.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{})
		if diff := cmp.Diff(gone, refusalOf(t, err)); diff != "" {
			t.Errorf("ListTasks (-want +got):\n%s", diff)
		}
		if answer := s.post(healthCheck, "", []byte("{}")); !strings.Contains(string(answer.body), "NOT_SERVING") {
			t.Errorf("health: %s", answer.body)
		}
		if answer := s.send(s.http1, http.MethodGet, "/healthz", "", nil, nil); answer.status != http.StatusOK {
			t.Errorf("/healthz: status %d", answer.status)
		}
	}
	s.exec(`GRANT CONNECT ON DATABASE ` + s.database.Name + ` TO PUBLIC`)
	until(t, "it is ready again", func() bool { // a result is cached for a second
		return s.send(s.http1, http.MethodGet, "/readyz", "", nil, nil).status == http.StatusOK
	})
	if answer, err := client.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{}); err != nil || len(answer.GetTasks()) != 1 {
		t.Errorf("ListTasks afterwards: %v, %v", answer, err)
	}
}

func TestTheServerIsNotReadyBeforeItsMigrations(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	s.exec(`DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
	answer := s.send(s.http1, http.MethodGet, "/readyz", "", nil, nil)
	if answer.status == http.StatusOK || !strings.Contains(s.log.String(), "migrate up") {
		t.Errorf("/readyz: %d %s", answer.status, answer.body)
	}
}
