package operations

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
	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestMetricsAndProfilesAreOnTheAdminAddressAlone(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"REFLECTION": "on"})
	s.Post(stacktest.ListTasks, s.Token("alice", "d2-gamers", 2), []byte("{}"))
	admin := s.Server.AdminHandler()
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
		for _, over := range []http.RoundTripper{s.HTTP1, s.HTTP2} {
			if answer := s.Send(over, http.MethodGet, path, s.Token("dana", "d2-gamers", 2), nil, nil); answer.Status != http.StatusNotFound {
				t.Errorf("%s on the public address: status %d, want 404", path, answer.Status)
			}
		}
	}
	for _, path := range []string{"/debug/vars", "/debug/", "/debug/pprof", "/metrics/"} {
		if answer := s.Send(s.HTTP1, http.MethodGet, path, "", nil, nil); answer.Status != http.StatusNotFound {
			t.Errorf("%s on the public address: status %d, want 404", path, answer.Status)
		}
	}
	recorder := httptest.NewRecorder()
	admin.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, stacktest.ListTasks, nil))
	if recorder.Code != http.StatusNotFound {
		t.Errorf("a method on the admin address: status %d, want 404", recorder.Code)
	}
}

// Figures name methods, codes and reasons: nothing that a caller chose becomes a label.
func TestACallerCannotMakeLabelsOfMetrics(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	for _, path := range []string{"/canary-path", "/teamtask.v1.TaskService/CanaryMethod", "/canary.v1.Service/Method"} {
		s.Post(path, "canary-token", []byte("{}"))
	}
	recorder := httptest.NewRecorder()
	s.Server.AdminHandler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if strings.Contains(strings.ToLower(recorder.Body.String()), "canary") {
		t.Error("a label is made of what a caller sent")
	}
}

func TestReflectionIsThereOnlyWhereItIsSwitchedOn(t *testing.T) {
	t.Parallel()
	off := stacktest.New(t, nil)
	for _, path := range []string{stacktest.Reflection, stacktest.ReflectionOld} {
		for _, contentType := range []string{"application/grpc", "application/grpc-web", "application/connect+proto"} {
			answer := off.Send(off.HTTP2, http.MethodPost, path, off.Token("dana", "d2-gamers", 2), map[string]string{"Content-Type": contentType}, bytes.NewReader(nil))
			if contentType != "application/connect+proto" {
				off.Expect(t, path, answer, stacktest.NoMethod)
			} else if answer.Status != http.StatusNotFound {
				t.Errorf("%s: status %d, want 404", path, answer.Status)
			}
		}
	}
	on := stacktest.New(t, map[string]string{"REFLECTION": "on"})
	stream := grpcreflect.NewClient(&http.Client{Transport: on.Transport("", on.HTTP2)}, on.URL, connect.WithGRPC()).NewStream(t.Context())
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
	s := stacktest.New(t, nil)
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if answer := s.Send(s.HTTP1, http.MethodGet, path, "", nil, nil); answer.Status != http.StatusOK || string(answer.Body) != want {
			t.Errorf("%s: %d %q", path, answer.Status, answer.Body)
		}
	}
	for service, want := range map[string]string{"": "\x08\x01", "teamtask.v1.TaskService": "\x08\x01", "teamtask.v1.AuditService": "\x08\x01", "teamtask.v1.MembershipService": "\x08\x01"} {
		message := append([]byte{0x0a, byte(len(service))}, service...)
		answer := s.Send(s.HTTP2, http.MethodPost, stacktest.HealthCheck, "", map[string]string{"Content-Type": "application/grpc"}, bytes.NewReader(stacktest.Enveloped(message)))
		if answer.Trailer.Get("Grpc-Status") != "0" || len(answer.Body) < 5 || string(answer.Body[5:]) != want {
			t.Errorf("health of %q: %q %v, want %q", service, answer.Body, answer.Trailer, want)
		}
	}
	answer := s.Post(stacktest.HealthCheck, "", []byte(`{"service":"teamtask.v1.Nothing"}`))
	if got := answer.Told(t); got.Code != connect.CodeNotFound {
		t.Errorf("health of a service that is not here: %v", got)
	}
}

// The process lives while its database is away, says that it is not ready, and serves
// again by itself.
func TestWithoutItsDatabaseTheServerIsAliveAndNotReady(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	client := s.As("alice", "d2-gamers")
	if _, err := client.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: "before"}); err != nil {
		t.Fatal(err)
	}
	s.Exec(`REVOKE CONNECT ON DATABASE ` + s.Database.Name + ` FROM PUBLIC`)
	s.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'teamtask'`)
	gone := stacktest.Refused(connect.CodeUnavailable, "DATABASE_UNAVAILABLE")
	for range 3 {
		ready := s.Send(s.HTTP1, http.MethodGet, "/readyz", "", nil, nil)
		s.Expect(t, "/readyz", ready, gone)
		if ready.Status != http.StatusServiceUnavailable {
			t.Errorf("/readyz: status %d, want 503", ready.Status)
		}
		_, err := client.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{})
		if diff := cmp.Diff(gone, stacktest.RefusalOf(t, err)); diff != "" {
			t.Errorf("ListTasks (-want +got):\n%s", diff)
		}
		if answer := s.Post(stacktest.HealthCheck, "", []byte("{}")); !strings.Contains(string(answer.Body), "NOT_SERVING") {
			t.Errorf("health: %s", answer.Body)
		}
		if answer := s.Send(s.HTTP1, http.MethodGet, "/healthz", "", nil, nil); answer.Status != http.StatusOK {
			t.Errorf("/healthz: status %d", answer.Status)
		}
	}
	s.Exec(`GRANT CONNECT ON DATABASE ` + s.Database.Name + ` TO PUBLIC`)
	stacktest.Until(t, "it is ready again", func() bool { // a result is cached for a second
		return s.Send(s.HTTP1, http.MethodGet, "/readyz", "", nil, nil).Status == http.StatusOK
	})
	if answer, err := client.ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{}); err != nil || len(answer.GetTasks()) != 1 {
		t.Errorf("ListTasks afterwards: %v, %v", answer, err)
	}
}

func TestTheServerIsNotReadyBeforeItsMigrations(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	s.Exec(`DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
	answer := s.Send(s.HTTP1, http.MethodGet, "/readyz", "", nil, nil)
	if answer.Status == http.StatusOK || !strings.Contains(s.Log.String(), "migrate up") {
		t.Errorf("/readyz: %d %s", answer.Status, answer.Body)
	}
}
