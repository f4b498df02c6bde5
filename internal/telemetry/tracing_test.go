package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/teamtask/teamtask/internal/collector"
	"github.com/teamtask/teamtask/internal/fault"
)

// Whatever a library puts into a span of ours, what is not listed stays here.
func TestOnlyWhatIsListedLeaves(t *testing.T) {
	t.Parallel()
	c := collector.New(t)
	spans, err := newTracing(t, c.URL+"/v1/traces", (&logged{}).logger())
	if err != nil {
		t.Fatal(err)
	}
	defer spans.Close(t.Context())
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
	sent := collector.One(t, "x", c.Take(t, spans), tracepb.Span_SPAN_KIND_INTERNAL)
	if bytes.Contains(c.Raw.Bytes(), []byte(secretValue)) || len(sent.GetLinks()) != 1 || collector.Attributes(sent.GetAttributes())["teamtask.reason"] != "listed" {
		t.Errorf("sent: %v", sent)
	}
	links := allowed{tracetest.SpanStub{Links: []sdktrace.Link{{SpanContext: remote}}}.Snapshot()}.Links()
	if len(links) != 1 || links[0].SpanContext.TraceState().Len() != 0 || links[0].SpanContext.TraceID() != remote.TraceID() {
		t.Errorf("links: %v", links)
	}
}

// No t.Parallel: the SDK reads the environment of the process.
func TestTheStandardVariablesHold(t *testing.T) {
	c := collector.New(t)
	span := func() []*tracepb.Span {
		spans, err := newTracing(t, c.URL+"/v1/traces", (&logged{}).logger())
		if err != nil {
			t.Fatal(err)
		}
		defer spans.Close(t.Context())
		_, span := spans.tracer.Start(t.Context(), "x")
		span.End()
		return c.Take(t, spans)
	}
	t.Setenv("OTEL_SERVICE_NAME", "other")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	if got := len(span()); got != 1 {
		t.Errorf("%d spans, want 1", got)
	}
	if about := collector.Attributes(c.Resource); about["service.name"] != "other" || about["deployment.environment.name"] != "test" || about["service.version"] == "" {
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
	spans, err := newTracing(t, "http://127.0.0.1:1/v1/traces", log.logger())
	if err != nil {
		t.Fatal(err)
	}
	otel.Handle(errors.New(secretValue))
	spans.Close(t.Context())
	for _, want := range []string{"Got invalid value", "parse duration", "read tls ca cert file", `"level":"DEBUG"`, "*errors.errorString"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
	if strings.Contains(log.String(), secretValue) {
		t.Errorf("the log quotes a value:\n%s", log)
	}
	quiet := &logged{}
	logSDK(slog.New(slog.NewJSONHandler(quiet, nil)))
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

func TestStreamsAreSpansToo(t *testing.T) {
	t.Parallel()
	c := collector.New(t)
	log := &logged{}
	spans, err := newTracing(t, c.URL+"/v1/traces", log.logger())
	if err != nil {
		t.Fatal(err)
	}
	defer spans.Close(t.Context())
	exit := fault.NewExit(log.logger(), func(fault.Outcome) {})
	handler := connect.NewServerStreamHandler("/x.Y/Z", func(context.Context, *connect.Request[emptypb.Empty], *connect.ServerStream[emptypb.Empty]) error {
		return fault.DatabaseUnavailable
	}, connect.WithInterceptors(spans.Interceptors()...), connect.WithInterceptors(exit.Interceptor()))
	server := httptest.NewServer(exit.Handler(handler))
	defer server.Close()
	stream, err := connect.NewClient[emptypb.Empty, emptypb.Empty](server.Client(), server.URL+"/x.Y/Z").CallServerStream(t.Context(), connect.NewRequest(&emptypb.Empty{}))
	if err != nil {
		t.Fatal(err)
	}
	for stream.Receive() {
	}
	got := collector.Attributes(collector.One(t, "a stream", c.Take(t, spans), collector.Call).GetAttributes())
	want := map[string]string{
		"rpc.system.name": "connectrpc", "rpc.method": "x.Y/Z", "rpc.response.status_code": "UNAVAILABLE", "error.type": "UNAVAILABLE",
		"teamtask.reason": "DATABASE_UNAVAILABLE", "teamtask.request_id": stream.ResponseHeader().Get(fault.RequestIDHeader),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// secretValue must not be found where traces or lines of the log go.
const secretValue = "CANARY"

func newTracing(t *testing.T, endpoint string, log *slog.Logger) (*Tracing, error) {
	t.Helper()
	return NewTracing(t.Context(), TracingOptions{
		Endpoint: endpoint, Version: "test", Log: log,
		Organization: func(context.Context) string { return "" },
	})
}

// logged is a log that can be read.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
