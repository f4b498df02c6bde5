package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
)

// collector keeps the traces that it is sent.
type collector struct {
	url string

	mu    sync.Mutex
	raw   bytes.Buffer // every byte of every body
	about []*commonpb.KeyValue
	spans []*tracepb.Span
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collectorpb.ExportTraceServiceRequest
		if err = errors.Join(err, proto.Unmarshal(body, &request)); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s was sent what cannot be read: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(body)
		for _, of := range request.GetResourceSpans() {
			c.about = of.GetResource().GetAttributes()
			for _, scope := range of.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// take answers the spans that the tracing has sent since the last time.
func (c *collector) take(t *testing.T, from *tracing) []*tracepb.Span {
	t.Helper()
	if err := from.provider.ForceFlush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
	return c.arrived()
}

// arrived are the spans that have come since the last time.
func (c *collector) arrived() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := c.spans
	c.spans = nil
	return spans
}

// newTraced is a stack that sends its traces to the collector.
func newTraced(t *testing.T) (*stack, *collector) {
	t.Helper()
	c := newCollector(t)
	return newStack(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.url}), c
}

func attributesOf(attributes []*commonpb.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		all[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return all
}

// one is the only span of the kind.
func one(t *testing.T, title string, spans []*tracepb.Span, kind tracepb.Span_SpanKind) *tracepb.Span {
	t.Helper()
	var found []*tracepb.Span
	for _, span := range spans {
		if span.GetKind() == kind {
			found = append(found, span)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s: %d spans of kind %v, want 1: %v", title, len(found), kind, spans)
	}
	return found[0]
}

const (
	ofCall      = tracepb.Span_SPAN_KIND_SERVER
	ofStatement = tracepb.Span_SPAN_KIND_CLIENT
)

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
			spans := c.take(t, s.spans)
			call, statement := one(t, p.name, spans, ofCall), one(t, p.name, spans, ofStatement)
			if call.GetName() != getTask[1:] || len(call.GetParentSpanId()) != 0 || call.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_UNSET {
				t.Errorf("%s: %v", p.name, call)
			}
			if diff := cmp.Diff(want, attributesOf(call.GetAttributes())); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", p.name, diff)
			}
			if statement.GetName() != "select_task" || !bytes.Equal(statement.GetParentSpanId(), call.GetSpanId()) || !bytes.Equal(statement.GetTraceId(), call.GetTraceId()) {
				t.Errorf("%s: %v is not a child of %v", p.name, statement, call)
			}
			if diff := cmp.Diff(map[string]string{"db.system.name": "postgresql"}, attributesOf(statement.GetAttributes())); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", p.name, diff)
			}
		}
	}
	about := attributesOf(c.about)
	if about["service.name"] != "teamtask" || about["service.version"] == "" || about["host.name"] != "" {
		t.Errorf("the spans are of %v", about)
	}
}

func TestAStatementThatPostgreSQLRefusesSaysSo(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	s.post(createTask, s.token("ben", "d2-gamers", 2), []byte(`{"name":"x"}`))
	spans := c.take(t, s.spans)
	statement := one(t, "without a seat", spans, ofStatement)
	if got := attributesOf(statement.GetAttributes())["db.response.status_code"]; got != "TT001" || statement.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("without a seat: SQLSTATE %q, %v", got, statement.GetStatus())
	}
	if got := attributesOf(one(t, "without a seat", spans, ofCall).GetAttributes())["teamtask.reason"]; got != "SEAT_REQUIRED" {
		t.Errorf("without a seat: reason %q", got)
	}
	s.exec(`ALTER TABLE tasks RENAME TO broken`)
	s.post(listTasks, s.token("ben", "d2-gamers", 2), []byte(`{}`))
	call := one(t, "a broken table", c.take(t, s.spans), ofCall)
	if attributesOf(call.GetAttributes())["teamtask.reason"] != "INTERNAL" || call.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR || call.GetStatus().GetMessage() != "" {
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
	if spans := c.take(t, s.spans); len(spans) != 0 {
		t.Errorf("%d spans, want none: %v", len(spans), spans)
	}
	s.post(createTask, alice, []byte(`{}`)) // breaks a rule of its message
	if got := attributesOf(one(t, "an empty name", c.take(t, s.spans), ofCall).GetAttributes())["teamtask.reason"]; got != "INVALID_ARGUMENT" {
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

	if spans := c.take(t, s.spans); len(spans) < 20 {
		t.Fatalf("only %d spans to look at", len(spans))
	}
	for _, secret := range []string{word, "canary", "Bearer", "eyJ", token[:20], token[len(token)-20:], "user_", "d2-gamers", "127.0.0.1", id, "INSERT", "tenant_id"} {
		if bytes.Contains(c.raw.Bytes(), []byte(secret)) {
			t.Errorf("the collector was sent %q", secret)
		}
	}
}

// Whatever a library puts into a span of ours, what is not listed stays here.
func TestOnlyWhatIsListedLeaves(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	spans, err := newTracing(t.Context(), c.url+"/v1/traces", (&logged{}).logger())
	if err != nil {
		t.Fatal(err)
	}
	defer spans.close(t.Context())
	state, err := trace.ParseTraceState("canary=" + secretValue)
	if err != nil {
		t.Fatal(err)
	}
	remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceState: state})
	_, span := spans.tracer.Start(t.Context(), "x", trace.WithLinks(trace.Link{SpanContext: remote, Attributes: []attribute.KeyValue{attribute.String("x", secretValue)}}))
	span.SetAttributes(attribute.String("db.query.text", secretValue), attribute.String(secretValue, "x"), attribute.String("teamtask.reason", "listed"))
	span.SetStatus(codes.Error, secretValue)
	span.AddEvent(secretValue)
	span.RecordError(errors.New(secretValue))
	span.End()
	sent := one(t, "x", c.take(t, spans), tracepb.Span_SPAN_KIND_INTERNAL)
	if bytes.Contains(c.raw.Bytes(), []byte(secretValue)) || len(sent.GetLinks()) != 1 || attributesOf(sent.GetAttributes())["teamtask.reason"] != "listed" {
		t.Errorf("sent: %v", sent)
	}
	links := disclosed{tracetest.SpanStub{Links: []sdktrace.Link{{SpanContext: remote}}}.Snapshot()}.Links()
	if len(links) != 1 || links[0].SpanContext.TraceState().Len() != 0 || links[0].SpanContext.TraceID() != remote.TraceID() {
		t.Errorf("links: %v", links)
	}
}

func TestARemoteParentIsALinkAndNotTheParent(t *testing.T) {
	t.Parallel()
	s, c := newTraced(t)
	const theirs, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for _, flags := range []string{"01", "00"} { // nor does the caller decide what is recorded
		s.post(listTasks, s.token("alice", "d2-gamers", 2), []byte(`{}`), map[string]string{"Traceparent": "00-" + theirs + "-" + span + "-" + flags})
		call := one(t, flags, c.take(t, s.spans), ofCall)
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
	for _, span := range c.take(t, s.spans) {
		if id := attributesOf(span.GetAttributes())["teamtask.request_id"]; id != "" {
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
	if s.spans != nil || len(s.spans.interceptors()) != 0 || s.spans.statements() != nil {
		t.Errorf("tracing is on: %v", s.spans)
	}
	s.post(getTask, s.token("alice", "d2-gamers", 2), []byte(`{"id":"`+newID(t)+`"}`), map[string]string{"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	if strings.Contains(s.log.String(), "trace_id") {
		t.Errorf("the log has a trace:\n%s", s.log)
	}
}

func TestTheEndpointIsTheBaseOrTheAddressOfTraces(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]map[string]string{
		"":                                  nil,
		"http://collector:4318/v1/traces":   {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
		"https://c.example.com/x/v1/traces": {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example.com/x/"},
		"https://c.example.com/other":       {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c.example.com/other"},
	} {
		if c, err := read(t, change); err != nil || c.tracesTo != want {
			t.Errorf("%v: %q, %v; want %q", change, c.tracesTo, err, want)
		}
	}
}

// No t.Parallel: the SDK reads the environment of the process.
func TestTheStandardVariablesHold(t *testing.T) {
	c := newCollector(t)
	span := func() []*tracepb.Span {
		spans, err := newTracing(t.Context(), c.url+"/v1/traces", (&logged{}).logger())
		if err != nil {
			t.Fatal(err)
		}
		defer spans.close(t.Context())
		_, span := spans.tracer.Start(t.Context(), "x")
		span.End()
		return c.take(t, spans)
	}
	t.Setenv("OTEL_SERVICE_NAME", "other")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	if got := len(span()); got != 1 {
		t.Errorf("%d spans, want 1", got)
	}
	if about := attributesOf(c.about); about["service.name"] != "other" || about["deployment.environment.name"] != "test" || about["service.version"] == "" {
		t.Errorf("the spans are of %v", about)
	}
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	if got := len(span()); got != 0 {
		t.Errorf("%d spans with the sampler off, want none", got)
	}
}

// No t.Parallel: where the SDK writes to is one for all of the process.
func TestWhatTheSDKSaysIsInTheLogWithoutValues(t *testing.T) {
	log := &logged{}
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", secretValue)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", secretValue)
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/"+secretValue)
	spans, err := newTracing(t.Context(), "http://127.0.0.1:1/v1/traces", log.logger())
	if err != nil {
		t.Fatal(err)
	}
	otel.Handle(errors.New(secretValue))
	spans.close(t.Context())
	for _, want := range []string{"Got invalid value", "parse duration", "read tls ca cert file", `"level":"DEBUG"`, "*errors.errorString"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
	if strings.Contains(log.String(), secretValue) {
		t.Errorf("the log quotes a value:\n%s", log)
	}
	quiet := &logged{}
	hearSDK(slog.New(slog.NewJSONHandler(quiet, nil)))
	if got := otelLogLines(t, quiet); got != 0 {
		t.Errorf("%d lines that nobody asked for:\n%s", got, quiet)
	}
}

// otelLogLines lets the SDK make a tracer, of which it tells at length, and answers how many
// lines that was.
func otelLogLines(t *testing.T, log *logged) int {
	t.Helper()
	if err := sdktrace.NewTracerProvider().Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return strings.Count(log.String(), "TracerProvider")
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
					if err := s.spans.provider.ForceFlush(t.Context()); err != nil {
						t.Errorf("flush: %v", err)
					}
				}
			}
			begun := time.Now()
			s.spans.close(context.Background())
			if took := time.Since(begun); took > flushWithin+time.Second {
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

func TestStreamsAreSpansToo(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	log := &logged{}
	spans, err := newTracing(t.Context(), c.url+"/v1/traces", log.logger())
	if err != nil {
		t.Fatal(err)
	}
	defer spans.close(t.Context())
	exit := fault.NewExit(log.logger(), func(fault.Outcome) {})
	handler := connect.NewServerStreamHandler("/x.Y/Z", func(context.Context, *connect.Request[emptypb.Empty], *connect.ServerStream[emptypb.Empty]) error {
		return fault.DatabaseUnavailable
	}, connect.WithInterceptors(spans.interceptors()...), connect.WithInterceptors(exit.Interceptor()))
	server := httptest.NewServer(exit.Handler(handler))
	defer server.Close()
	stream, err := connect.NewClient[emptypb.Empty, emptypb.Empty](server.Client(), server.URL+"/x.Y/Z").CallServerStream(t.Context(), connect.NewRequest(&emptypb.Empty{}))
	if err != nil {
		t.Fatal(err)
	}
	for stream.Receive() {
	}
	got := attributesOf(one(t, "a stream", c.take(t, spans), ofCall).GetAttributes())
	want := map[string]string{
		"rpc.system.name": "connectrpc", "rpc.method": "x.Y/Z", "rpc.response.status_code": "UNAVAILABLE", "error.type": "UNAVAILABLE",
		"teamtask.reason": "DATABASE_UNAVAILABLE", "teamtask.request_id": stream.ResponseHeader().Get(fault.RequestIDHeader),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
