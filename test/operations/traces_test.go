package operations

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/collector"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// newTraced is a stack that sends its traces to the collector.
func newTraced(t *testing.T) (*stacktest.Stack, *collector.Collector) {
	t.Helper()
	c := collector.New(t)
	return stacktest.New(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}), c
}

// system is what a span calls the protocol.
func system(p stacktest.Protocol) string {
	if strings.HasPrefix(p.Name, "gRPC") {
		return "grpc"
	}
	return "connectrpc"
}

func TestEveryCallIsOneSpanWithItsStatementInside(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	here := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	get := stacktest.MethodOf(t, stacktest.GetTask)
	for _, p := range stacktest.Protocols {
		for _, missing := range []bool{false, true} {
			want := map[string]string{
				"rpc.system.name": system(p), "rpc.method": stacktest.GetTask[1:], "rpc.response.status_code": "OK",
				"teamtask.organization_id": "org_d2gamers",
			}
			id := here
			if missing {
				id = stacktest.NewID(t)
				want["rpc.response.status_code"], want["error.type"], want["teamtask.reason"] = "NOT_FOUND", "NOT_FOUND", "TASK_NOT_FOUND"
			}
			answer, err := s.Call(t.Context(), p, s.Token("alice", "d2-gamers", 2), get, &teamtaskv1.GetTaskRequest{Id: id})
			if e, ok := errors.AsType[*connect.Error](err); ok && missing {
				want["teamtask.request_id"] = e.Meta().Get(fault.RequestIDHeader)
			} else if err == nil {
				want["teamtask.request_id"] = answer.Header().Get(fault.RequestIDHeader)
			}
			spans := c.Take(t, s.Spans)
			call, statement := collector.One(t, p.Name, spans, collector.Call), collector.One(t, p.Name, spans, collector.Statement)
			if call.GetName() != stacktest.GetTask[1:] || len(call.GetParentSpanId()) != 0 || call.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_UNSET {
				t.Errorf("%s: %v", p.Name, call)
			}
			if diff := cmp.Diff(want, collector.Attributes(call.GetAttributes())); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", p.Name, diff)
			}
			if statement.GetName() != "select_task" || !bytes.Equal(statement.GetParentSpanId(), call.GetSpanId()) || !bytes.Equal(statement.GetTraceId(), call.GetTraceId()) {
				t.Errorf("%s: %v is not a child of %v", p.Name, statement, call)
			}
			if diff := cmp.Diff(map[string]string{"db.system.name": "postgresql"}, collector.Attributes(statement.GetAttributes())); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", p.Name, diff)
			}
		}
	}
	about := collector.Attributes(c.Resource)
	if about["service.name"] != "teamtask" || about["service.version"] == "" || about["host.name"] != "" {
		t.Errorf("the spans are of %v", about)
	}
}

func TestAStatementThatPostgreSQLRefusesSaysSo(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	s.Post(stacktest.CreateTask, s.Token("ben", "d2-gamers", 2), []byte(`{"name":"x"}`))
	spans := c.Take(t, s.Spans)
	statement := collector.One(t, "without a seat", spans, collector.Statement)
	if got := collector.Attributes(statement.GetAttributes())["db.response.status_code"]; got != "TT001" || statement.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("without a seat: SQLSTATE %q, %v", got, statement.GetStatus())
	}
	if got := collector.Attributes(collector.One(t, "without a seat", spans, collector.Call).GetAttributes())["teamtask.reason"]; got != "SEAT_REQUIRED" {
		t.Errorf("without a seat: reason %q", got)
	}
	s.Exec(`ALTER TABLE tasks RENAME TO broken`)
	s.Post(stacktest.ListTasks, s.Token("ben", "d2-gamers", 2), []byte(`{}`))
	call := collector.One(t, "a broken table", c.Take(t, s.Spans), collector.Call)
	if collector.Attributes(call.GetAttributes())["teamtask.reason"] != "INTERNAL" || call.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR || call.GetStatus().GetMessage() != "" {
		t.Errorf("a broken table: %v", call)
	}
}

// Whoever has no token must not be able to fill the collector. The metrics count them.
func TestWhatIsRefusedBeforeTheHandlersHasNoSpan(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	alice := s.Token("alice", "d2-gamers", 2)
	s.Post(stacktest.ListTasks, "", []byte(`{}`))
	s.Post(stacktest.ListTasks, "no-token", []byte(`{}`))
	s.Post(stacktest.CreateTask, s.Token("charlie", "d2-gamers", 2), []byte(`{}`))
	s.Post(stacktest.CreateTask, alice, []byte(`{`))
	s.Post("/nothing", alice, nil)
	s.Send(s.HTTP1, http.MethodGet, "/readyz", "", nil, nil)
	if spans := c.Take(t, s.Spans); len(spans) != 0 {
		t.Errorf("%d spans, want none: %v", len(spans), spans)
	}
	s.Post(stacktest.CreateTask, alice, []byte(`{}`)) // breaks a rule of its message
	if got := collector.Attributes(collector.One(t, "an empty name", c.Take(t, s.Spans), collector.Call).GetAttributes())["teamtask.reason"]; got != "INVALID_ARGUMENT" {
		t.Errorf("an empty name: reason %q", got)
	}
}

func TestSpansHoldNothingThatACallerWrote(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	const word = "canary-text"
	token := s.Bent("alice", 2, func(claims map[string]any) { claims["email"] = "canary-mail@d2-gamers.test" })
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers", Name: word, Description: word})[0]
	headers := map[string]string{
		"User-Agent": word, "X-Request-Id": word, "X-Forwarded-For": word, "Baggage": "canary=" + word,
		"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate": "canary=" + word,
	}
	post := func(procedure, body string) { s.Post(procedure, token, []byte(body), headers) }
	post(stacktest.CreateTask, `{"name":"`+word+`","description":"`+word+`","requestId":"`+word+`"}`)
	post(stacktest.CreateTask, `{"name":"`+word+`","description":"other `+word+`","requestId":"`+word+`"}`)
	post(stacktest.CreateTask, `{"name":"`+strings.Repeat(word, 50)+`"}`)
	post(stacktest.CreateTask, `{"`+word+`":7,"name":7}`)
	post(stacktest.CreateTask, `{"name":"`+word+`\u0000"}`)
	post(stacktest.ListTasks, `{"pageToken":"`+word+`"}`)
	post(stacktest.ListTasks, `{"filter":{"createdBy":"`+word+`"}}`)
	post(stacktest.GetTask, `{"id":"`+word+`"}`)
	post(stacktest.GetTask, `{"id":"`+id+`"}`)
	post(stacktest.UpdateTask, `{"id":"`+id+`","updateMask":"name","name":"`+word+`","etag":"`+word+`"}`)
	post(stacktest.DeleteTask+"/"+word, `{}`)
	personal := s.Token("alice", "", 2)
	s.Post(stacktest.CreateTask, personal, []byte(`{"name":"`+word+`"}`), headers)
	for _, p := range stacktest.Protocols {
		_, _ = p.Typed(s, token).CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: word, RequestId: word + p.Name})
	}
	s.Exec(`ALTER TABLE tasks ADD CONSTRAINT broken CHECK (name <> 'canary-text break')`)
	post(stacktest.CreateTask, `{"name":"canary-text break"}`)

	if spans := c.Take(t, s.Spans); len(spans) < 20 {
		t.Fatalf("only %d spans to look at", len(spans))
	}
	for _, secret := range []string{word, "canary", "Bearer", "eyJ", token[:20], token[len(token)-20:], "user_", "d2-gamers", "127.0.0.1", id, "INSERT", "tenant_id"} {
		if bytes.Contains(c.Raw.Bytes(), []byte(secret)) {
			t.Errorf("the collector was sent %q", secret)
		}
	}
}

func TestARemoteParentIsALinkAndNotTheParent(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	const theirs, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for _, flags := range []string{"01", "00"} { // nor does the caller decide what is recorded
		s.Post(stacktest.ListTasks, s.Token("alice", "d2-gamers", 2), []byte(`{}`), map[string]string{"Traceparent": "00-" + theirs + "-" + span + "-" + flags})
		call := collector.One(t, flags, c.Take(t, s.Spans), collector.Call)
		if hex.EncodeToString(call.GetTraceId()) == theirs || len(call.GetParentSpanId()) != 0 {
			t.Errorf("flags %s: the caller's trace goes on: %v", flags, call)
		}
		if len(call.GetLinks()) != 1 || hex.EncodeToString(call.GetLinks()[0].GetTraceId()) != theirs {
			t.Errorf("flags %s: links %v, want one to the caller's trace", flags, call.GetLinks())
		}
	}
}

func TestEveryLineOfATracedCallHasItsTrace(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	alice := s.Token("alice", "d2-gamers", 2)
	s.Post(stacktest.GetTask, alice, []byte(`{"id":"`+stacktest.NewID(t)+`"}`))
	refused := s.Post(stacktest.GetTask, "", []byte(`{}`))
	s.Exec(`ALTER TABLE tasks RENAME TO broken`)
	s.Post(stacktest.ListTasks, alice, []byte(`{}`))
	traces := map[string]string{} // by request id
	for _, span := range c.Take(t, s.Spans) {
		if id := collector.Attributes(span.GetAttributes())["teamtask.request_id"]; id != "" {
			traces[id] = hex.EncodeToString(span.GetTraceId())
		}
	}
	seen := map[string]int{}
	for text := range strings.Lines(s.Log.String()) {
		var line struct {
			Msg, Method string
			RequestID   string `json:"request_id"`
			TraceID     string `json:"trace_id"`
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line.TraceID != traces[line.RequestID] {
			t.Errorf("trace %q, want %q: %s", line.TraceID, traces[line.RequestID], text)
		}
		if line.TraceID != "" {
			seen[line.Msg]++
		}
	}
	if len(traces) != 2 || traces[refused.ID()] != "" {
		t.Errorf("traces: %v", traces)
	}
	if seen["refused"] != 1 || seen["internal error"] != 1 || seen["call"] == 0 {
		t.Errorf("lines with a trace: %v", seen)
	}
}

func TestWithoutAnEndpointThereIsNoTracer(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"})
	if s.Spans != nil || len(s.Spans.Interceptors()) != 0 || s.Spans.Statements() != nil {
		t.Errorf("tracing is on: %v", s.Spans)
	}
	s.Post(stacktest.GetTask, s.Token("alice", "d2-gamers", 2), []byte(`{"id":"`+stacktest.NewID(t)+`"}`), map[string]string{"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	if strings.Contains(s.Log.String(), "trace_id") {
		t.Errorf("the log has a trace:\n%s", s.Log)
	}
}

func TestACollectorThatCannotBeReachedFailsNothing(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, stacktest.SecretValue, http.StatusForbidden)
	}))
	t.Cleanup(refusing.Close)
	for name, c := range map[string]struct{ url, cause string }{
		"nobody there":    {"http://127.0.0.1:1", "connection refused"},
		"one that hangs":  {"http://" + silent.Addr().String(), ""},
		"one that is shy": {refusing.URL, "403 Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stacktest.New(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.url + "/" + stacktest.SecretValue})
			alice := s.Token("alice", "d2-gamers", 2)
			for range 3 {
				if got := s.Post(stacktest.ListTasks, alice, []byte(`{}`)).Status; got != http.StatusOK {
					t.Errorf("status %d", got)
				}
				if c.cause != "" {
					if err := s.Spans.Flush(t.Context()); err != nil {
						t.Errorf("flush: %v", err)
					}
				}
			}
			begun := time.Now()
			s.Spans.Close(context.Background())
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("the end took %v", took)
			}
			if strings.Contains(s.Log.String(), stacktest.SecretValue) {
				t.Errorf("the log quotes the address or the collector:\n%s", s.Log)
			}
			if c.cause == "" {
				return
			}
			if got := strings.Count(s.Log.String(), "traces were not taken"); got != 1 || !strings.Contains(s.Log.String(), c.cause) || !strings.Contains(s.Log.String(), `"level":"WARN"`) {
				t.Errorf("told %d times, want once with %q:\n%s", got, c.cause, s.Log)
			}
		})
	}
}
