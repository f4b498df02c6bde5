package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	flushWithin = 2 * time.Second  // for the last spans at shutdown
	retryWithin = 10 * time.Second // for a batch that the collector did not take
	tellEvery   = time.Minute      // how often the log says that spans were lost
)

// tracing makes a span of every call that the gate let in and of every statement, and
// sends them to a collector. Nil is tracing switched off: nothing is installed. It is
// safe to share.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	calls    *otelconnect.Interceptor
}

// newTracing sends to the endpoint; "" answers nil. The sampler, the headers of the
// exporter and the rest of OpenTelemetry's standard variables are read by its SDK.
func newTracing(ctx context.Context, endpoint string, log *slog.Logger) (*tracing, error) {
	if endpoint == "" {
		return nil, nil
	}
	hearSDK(log)
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: time.Second, MaxInterval: retryWithin, MaxElapsedTime: retryWithin,
	}))
	if err != nil {
		return nil, fmt.Errorf("make the exporter of traces: %w", err)
	}
	// What comes later wins: OTEL_SERVICE_NAME over our name.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "teamtask"), attribute.String("service.version", version())),
		resource.WithFromEnv())
	if err != nil {
		return nil, errors.New("OTEL_RESOURCE_ATTRIBUTES: cannot be read") // the error quotes it
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(about),
		sdktrace.WithBatcher(&outlet{SpanExporter: exporter, log: log, endpoint: endpoint}))
	calls, err := otelconnect.NewInterceptor(otelconnect.WithTracerProvider(provider), otelconnect.WithoutMetrics(),
		otelconnect.WithPropagator(propagation.TraceContext{})) // a remote parent becomes a link
	if err != nil {
		return nil, fmt.Errorf("make the interceptor for traces: %w", err)
	}
	return &tracing{provider: provider, tracer: provider.Tracer("teamtask"), calls: calls}, nil
}

// interceptors belong outside all others.
func (t *tracing) interceptors() []connect.Interceptor {
	if t == nil {
		return nil
	}
	return []connect.Interceptor{t.calls, facts{}}
}

// statements is what makes spans of statements: name and SQLSTATE. It is nil where t is.
func (t *tracing) statements() tenancy.Trace {
	if t == nil {
		return nil
	}
	return func(ctx context.Context, name string) func(error) {
		if !trace.SpanContextFromContext(ctx).IsValid() {
			return func(error) {} // of no call that reached a handler
		}
		_, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), //nolint:spancheck // ended by what is answered
			trace.WithAttributes(attribute.String("db.system.name", "postgresql")))
		return func(err error) { //nolint:spancheck // as above
			if err != nil {
				span.SetStatus(codes.Error, "")
			}
			if pg, ok := errors.AsType[sqlError](err); ok {
				span.SetAttributes(attribute.String("db.response.status_code", pg.SQLState()))
			}
			span.End()
		}
	}
}

// sqlError is an error that PostgreSQL answered.
type sqlError interface {
	error
	SQLState() string
}

// close sends what is left and gives up soon.
func (t *tracing) close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // spans that cannot be sent are lost
}

// facts puts on the span of a call what we know of it, and the trace into its log lines.
type facts struct{}

func (facts) before(ctx context.Context) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	fault.Traced(ctx, span.SpanContext().TraceID().String())
	span.SetAttributes(attribute.String("teamtask.request_id", fault.RequestID(ctx)))
	// The tenant of a personal workspace is a person, who is nobody's business here.
	if organization := tenancy.ActorOf(ctx).Organization.ID; organization != "" {
		span.SetAttributes(attribute.String("teamtask.organization_id", organization))
	}
}

func (facts) after(ctx context.Context) {
	if reason := fault.Reason(ctx); reason != "" {
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("teamtask.reason", reason))
	}
}

func (f facts) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		f.before(ctx)
		defer f.after(ctx)
		return next(ctx, req)
	}
}

func (f facts) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		f.before(ctx)
		defer f.after(ctx)
		return next(ctx, conn)
	}
}

func (facts) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// outlet is the way out for spans: only what is listed leaves, whatever a library puts
// into them, and what the collector does not take is told to the log now and then. It
// is not safe to share; the SDK exports one batch after the other.
type outlet struct {
	sdktrace.SpanExporter
	log      *slog.Logger
	endpoint string
	lost     int // spans since the log was told
	told     time.Time
}

// ExportSpans implements sdktrace.SpanExporter. It answers no error: the SDK would hand
// it to a global.
func (o *outlet) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	all := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, span := range spans {
		all[i] = disclosed{span}
	}
	if err := o.SpanExporter.ExportSpans(ctx, all); err != nil {
		o.tell(ctx, len(spans), err)
	}
	return nil
}

func (o *outlet) tell(ctx context.Context, lost int, err error) {
	o.lost += lost
	if !o.told.IsZero() && time.Since(o.told) < tellEvery {
		return
	}
	cause, _, _ := strings.Cut(err.Error(), "body:") // whatever the collector answered
	o.log.WarnContext(ctx, "traces were not taken", slog.Int("spans", o.lost),
		slog.String("cause", strings.ReplaceAll(cause, o.endpoint, "the collector")))
	o.lost, o.told = 0, time.Now()
}

// disclosed is a span without what is not known to be harmless: other attributes, the
// words of its status, events, and the caller's trace state in its links.
type disclosed struct{ sdktrace.ReadOnlySpan }

func (s disclosed) Attributes() []attribute.KeyValue {
	var kept []attribute.KeyValue
	for _, a := range s.ReadOnlySpan.Attributes() {
		switch a.Key {
		case "rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type",
			"teamtask.reason", "teamtask.request_id", "teamtask.organization_id",
			"db.system.name", "db.response.status_code":
			kept = append(kept, a)
		}
	}
	return kept
}

func (s disclosed) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}

func (disclosed) Events() []sdktrace.Event { return nil }

func (s disclosed) Links() []sdktrace.Link {
	var kept []sdktrace.Link
	for _, link := range s.ReadOnlySpan.Links() {
		kept = append(kept, sdktrace.Link{SpanContext: link.SpanContext.WithTraceState(trace.TraceState{})})
	}
	return kept
}
