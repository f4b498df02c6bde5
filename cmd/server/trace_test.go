package main

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
)

// newTraced is a stack that sends its traces to the collector.
func newTraced(t *testing.T) (*stack, *collector.Collector) {
	t.Helper()
	c := collector.New(t)
	return newStack(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}), c
}

// system is what a span calls the protocol.
func (p protocol) system() string {
	if strings.HasPrefix(p.name, "gRPC") {
		return "grpc"
	}
	return "connectrpc"
}

func TestEveryCallIsOneSpanWithItsStatementInside(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	here := s.put(row{tenant: "org_d2gamers"})[0]
	get := methodOf(t, getTask)
	for _, p := range protocols {
		for _, missing := range []bool{false, true} {
			want := map[string]string{
				"rpc.system.name": p.system(), "rpc.method": getTask[1:], "rpc.response.status_code": "OK",
				"teamtask.organization_id": "org_d2gamers",
			}
			id := here
			if missing {
				id = newID(t)
				want["rpc.response.status_code"], want["error.type"], want["teamtask.reason"] = "NOT_FOUND", "NOT_FOUND", "TASK_NOT_FOUND"
			}
			answer, err := s.call(t.Context(), p, s.token("alice", "d2-gamers", 2), get, &teamtaskv1.GetTaskRequest{Id: id})
			if e, ok := errors.AsType[*connect.Error](err); ok && missing {
				want["teamtask.request_id"] = e.Meta().Get(fault.RequestIDHeader)
			} else if err == nil {
				want["teamtask.request_id"] = answer.Header().Get(fault.RequestIDHeader)
			}
			spans := c.Take(t, s.spans)
			call, statement := collector.One(t, p.name, spans, collector.Call), collector.One(t, p.name, spans, collector.Statement)
			if call.GetName() != getTask[1:] || len(call.GetParentSpanId()) != 0 || call.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_UNSET {
				t.Errorf("%s: %v", p.name, call)
			}
			if diff := cmp.Diff(want, collector.Attributes(call.GetAttributes())); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", p.name, diff)
			}
			if statement.GetName() != "select_task" || !bytes.Equal(statement.GetParentSpanId(), call.GetSpanId()) || !bytes.Equal(statement.GetTraceId(), call.GetTraceId()) {
				t.Errorf("%s: %v is not a child of %v", p.name, statement, call)
			}
			if diff := cmp.Diff(map[string]string{"db.system.name": "postgresql"}, collector.Attributes(statement.GetAttributes())); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", p.name, diff)
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
	s.post(createTask, s.token("ben", "d2-gamers", 2), []byte(`{"name":"x"}`))
	spans := c.Take(t, s.spans)
	statement := collector.One(t, "without a seat", spans, collector.Statement)
	if got := collector.Attributes(statement.GetAttributes())["db.response.status_code"]; got != "TT001" || statement.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("without a seat: SQLSTATE %q, %v", got, statement.GetStatus())
	}
	if got := collector.Attributes(collector.One(t, "without a seat", spans, collector.Call).GetAttributes())["teamtask.reason"]; got != "SEAT_REQUIRED" {
		t.Errorf("without a seat: reason %q", got)
	}
	s.exec(`ALTER TABLE tasks RENAME TO broken`)
	s.post(listTasks, s.token("ben", "d2-gamers", 2), []byte(`{}`))
	call := collector.One(t, "a broken table", c.Take(t, s.spans), collector.Call)
	if collector.Attributes(call.GetAttributes())["teamtask.reason"] != "INTERNAL" || call.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR || call.GetStatus().GetMessage() != "" {
		t.Errorf("a broken table: %v", call)
	}
}

// Whoever has no token must not be able to fill the collector. The metrics count them.
func TestWhatIsRefusedBeforeTheHandlersHasNoSpan(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	alice := s.token("alice", "d2-gamers", 2)
	s.post(listTasks, "", []byte(`{}`))
	s.post(listTasks, "no-token", []byte(`{}`))
	s.post(createTask, s.token("charlie", "d2-gamers", 2), []byte(`{}`))
	s.post(createTask, alice, []byte(`{`))
	s.post("/nothing", alice, nil)
	s.send(s.http1, http.MethodGet, "/readyz", "", nil, nil)
	if spans := c.Take(t, s.spans); len(spans) != 0 {
		t.Errorf("%d spans, want none: %v", len(spans), spans)
	}
	s.post(createTask, alice, []byte(`{}`)) // breaks a rule of its message
	if got := collector.Attributes(collector.One(t, "an empty name", c.Take(t, s.spans), collector.Call).GetAttributes())["teamtask.reason"]; got != "INVALID_ARGUMENT" {
		t.Errorf("an empty name: reason %q", got)
	}
}

func TestSpansHoldNothingThatACallerWrote(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	const word = "canary-text"
	token := s.bent("alice", 2, func(claims map[string]any) { claims["email"] = "canary-mail@d2-gamers.test" })
	id := s.put(row{tenant: "org_d2gamers", name: word, description: word})[0]
	headers := map[string]string{
		"User-Agent": word, "X-Request-Id": word, "X-Forwarded-For": word, "Baggage": "canary=" + word,
		"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate": "canary=" + word,
	}
	post := func(procedure, body string) { s.post(procedure, token, []byte(body), headers) }
	post(createTask, `{"name":"`+word+`","description":"`+word+`","requestId":"`+word+`"}`)
	post(createTask, `{"name":"`+word+`","description":"other `+word+`","requestId":"`+word+`"}`)
	post(createTask, `{"name":"`+strings.Repeat(word, 50)+`"}`)
	post(createTask, `{"`+word+`":7,"name":7}`)
	post(createTask, `{"name":"`+word+`\u0000"}`)
	post(listTasks, `{"pageToken":"`+word+`"}`)
	post(listTasks, `{"filter":{"createdBy":"`+word+`"}}`)
	post(getTask, `{"id":"`+word+`"}`)
	post(getTask, `{"id":"`+id+`"}`)
	post(updateTask, `{"id":"`+id+`","updateMask":"name","name":"`+word+`","etag":"`+word+`"}`)
	post(deleteTask+"/"+word, `{}`)
	personal := s.token("alice", "", 2)
	s.post(createTask, personal, []byte(`{"name":"`+word+`"}`), headers)
	for _, p := range protocols {
		_, _ = p.typed(s, token).CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: word, RequestId: word + p.name})
	}
	s.exec(`ALTER TABLE tasks ADD CONSTRAINT broken CHECK (name <> 'canary-text break')`)
	post(createTask, `{"name":"canary-text break"}`)

	if spans := c.Take(t, s.spans); len(spans) < 20 {
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
		s.post(listTasks, s.token("alice", "d2-gamers", 2), []byte(`{}`), map[string]string{"Traceparent": "00-" + theirs + "-" + span + "-" + flags})
		call := collector.One(t, flags, c.Take(t, s.spans), collector.Call)
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
	alice := s.token("alice", "d2-gamers", 2)
	s.post(getTask, alice, []byte(`{"id":"`+newID(t)+`"}`))
	refused := s.post(getTask, "", []byte(`{}`))
	s.exec(`ALTER TABLE tasks RENAME TO broken`)
	s.post(listTasks, alice, []byte(`{}`))
	traces := map[string]string{} // by request id
	for _, span := range c.Take(t, s.spans) {
		if id := collector.Attributes(span.GetAttributes())["teamtask.request_id"]; id != "" {
			traces[id] = hex.EncodeToString(span.GetTraceId())
		}
	}
	seen := map[string]int{}
	for text := range strings.Lines(s.log.String()) {
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
	if len(traces) != 2 || traces[refused.id()] != "" {
		t.Errorf("traces: %v", traces)
	}
	if seen["refused"] != 1 || seen["internal error"] != 1 || seen["call"] == 0 {
		t.Errorf("lines with a trace: %v", seen)
	}
}

func TestWithoutAnEndpointThereIsNoTracer(t *testing.T) {
	t.Parallel()
	s := newStack(t, map[string]string{"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"})
	if s.spans != nil || len(s.spans.Interceptors()) != 0 || s.spans.Statements() != nil {
		t.Errorf("tracing is on: %v", s.spans)
	}
	s.post(getTask, s.token("alice", "d2-gamers", 2), []byte(`{"id":"`+newID(t)+`"}`), map[string]string{"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	if strings.Contains(s.log.String(), "trace_id") {
		t.Errorf("the log has a trace:\n%s", s.log)
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
		http.Error(w, secretValue, http.StatusForbidden)
	}))
	t.Cleanup(refusing.Close)
	for name, c := range map[string]struct{ url, cause string }{
		"nobody there":    {"http://127.0.0.1:1", "connection refused"},
		"one that hangs":  {"http://" + silent.Addr().String(), ""},
		"one that is shy": {refusing.URL, "403 Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.url + "/" + secretValue})
			alice := s.token("alice", "d2-gamers", 2)
			for range 3 {
				if got := s.post(listTasks, alice, []byte(`{}`)).status; got != http.StatusOK {
					t.Errorf("status %d", got)
				}
				if c.cause != "" {
					if err := s.spans.Flush(t.Context()); err != nil {
						t.Errorf("flush: %v", err)
					}
				}
			}
			begun := time.Now()
			s.spans.Close(context.Background())
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("the end took %v", took)
			}
			if strings.Contains(s.log.String(), secretValue) {
				t.Errorf("the log quotes the address or the collector:\n%s", s.log)
			}
			if c.cause == "" {
				return
			}
			if got := strings.Count(s.log.String(), "traces were not taken"); got != 1 || !strings.Contains(s.log.String(), c.cause) || !strings.Contains(s.log.String(), `"level":"WARN"`) {
				t.Errorf("told %d times, want once with %q:\n%s", got, c.cause, s.log)
			}
		})
	}
}
