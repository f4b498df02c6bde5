// Package telemetry counts and traces calls: the metrics on the admin address, and spans
// whose attributes are allowed by a list.
package telemetry

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
)

const (
	flushWithin = 2 * time.Second  // for the last spans at shutdown
	retryWithin = 10 * time.Second // for a batch that the collector did not take
	warnEvery   = time.Minute      // how often the log says that spans were lost
)

// Tracing makes a span of every call that the gate let in and of every statement, and
// sends them to a collector. Nil is tracing switched off: nothing is installed. It is
// safe to share.
type Tracing struct {
	provider     *sdktrace.TracerProvider
	tracer       trace.Tracer
	calls        *otelconnect.Interceptor
	organization func(context.Context) string
}

// TracingOptions are what NewTracing needs.
type TracingOptions struct {
	Endpoint     string // of the collector; "" is tracing switched off
	Version      string // of this server
	Log          *slog.Logger
	Organization func(context.Context) string // of a call, or ""
}

// NewTracing returns nil where there is no endpoint. The sampler, the headers of the
// exporter and the rest of OpenTelemetry's standard variables are read by its SDK.
func NewTracing(ctx context.Context, o TracingOptions) (*Tracing, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	logSDK(o.Log)
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.Endpoint), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: time.Second, MaxInterval: retryWithin, MaxElapsedTime: retryWithin,
	}))
	if err != nil {
		return nil, fmt.Errorf("make the exporter of traces: %w", err)
	}
	// What comes later wins: OTEL_SERVICE_NAME over our name.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "teamtask"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, errors.New("OTEL_RESOURCE_ATTRIBUTES: cannot be read") // the error quotes it
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(about),
		sdktrace.WithBatcher(&filter{SpanExporter: exporter, log: o.Log, endpoint: o.Endpoint}))
	calls, err := otelconnect.NewInterceptor(otelconnect.WithTracerProvider(provider), otelconnect.WithoutMetrics(),
		otelconnect.WithPropagator(propagation.TraceContext{})) // a remote parent becomes a link
	if err != nil {
		return nil, fmt.Errorf("make the interceptor for traces: %w", err)
	}
	return &Tracing{
		provider: provider, tracer: provider.Tracer("teamtask"), calls: calls, organization: o.Organization,
	}, nil
}

// Interceptors returns the interceptors that belong outside all others.
func (t *Tracing) Interceptors() []connect.Interceptor {
	if t == nil {
		return nil
	}
	return []connect.Interceptor{t.calls, annotator{t.organization}}
}

// Statements returns what makes spans of statements: name and SQLSTATE. What it returns is
// called with the result. It is nil where t is.
func (t *Tracing) Statements() func(ctx context.Context, name string) func(error) {
	if t == nil {
		return nil
	}
	return func(ctx context.Context, name string) func(error) {
		if !trace.SpanContextFromContext(ctx).IsValid() {
			return func(error) {} // of no call that reached a handler
		}
		_, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), //nolint:spancheck // ended by what is returned
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

// sqlError is an error of PostgreSQL's.
type sqlError interface {
	error
	SQLState() string
}

// Flush sends the spans that have ended.
func (t *Tracing) Flush(ctx context.Context) error { return t.provider.ForceFlush(ctx) }

// Close sends the spans that are left and gives up soon.
func (t *Tracing) Close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // spans that cannot be sent are lost
}

// annotator puts on the span of a call what is known of it, and the trace into its log lines.
type annotator struct {
	organization func(context.Context) string
}

func (a annotator) before(ctx context.Context) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	fault.Traced(ctx, span.SpanContext().TraceID().String())
	span.SetAttributes(attribute.String("teamtask.request_id", fault.RequestID(ctx)))
	// The tenant of a personal workspace is a person, and is left out.
	if organization := a.organization(ctx); organization != "" {
		span.SetAttributes(attribute.String("teamtask.organization_id", organization))
	}
}

func (annotator) after(ctx context.Context) {
	if reason := fault.Reason(ctx); reason != "" {
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("teamtask.reason", reason))
	}
}

func (a annotator) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		a.before(ctx)
		defer a.after(ctx)
		return next(ctx, req)
	}
}

func (a annotator) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		a.before(ctx)
		defer a.after(ctx)
		return next(ctx, conn)
	}
}

func (annotator) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// filter exports spans: only attributes that are listed leave, whatever a library puts
// into them, and spans that the collector does not take are logged now and then. It is not
// safe to share; the SDK exports one batch after the other.
type filter struct {
	sdktrace.SpanExporter
	log      *slog.Logger
	endpoint string
	lost     int // spans since the last warning
	warned   time.Time
}

// ExportSpans implements sdktrace.SpanExporter. It returns no error: the SDK would hand
// it to a global.
func (f *filter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	all := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, span := range spans {
		all[i] = allowed{span}
	}
	if err := f.SpanExporter.ExportSpans(ctx, all); err != nil {
		f.warn(ctx, len(spans), err)
	}
	return nil
}

func (f *filter) warn(ctx context.Context, lost int, err error) {
	f.lost += lost
	if !f.warned.IsZero() && time.Since(f.warned) < warnEvery {
		return
	}
	cause, _, _ := strings.Cut(err.Error(), "body:") // without the collector's response
	f.log.WarnContext(ctx, "traces were not taken", slog.Int("spans", f.lost),
		slog.String("cause", strings.ReplaceAll(cause, f.endpoint, "the collector")))
	f.lost, f.warned = 0, time.Now()
}

// allowed is a span without what is not known to be harmless: other attributes, the
// words of its status, events, and the caller's trace state in its links.
type allowed struct{ sdktrace.ReadOnlySpan }

func (s allowed) Attributes() []attribute.KeyValue {
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

func (s allowed) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}

func (allowed) Events() []sdktrace.Event { return nil }

func (s allowed) Links() []sdktrace.Link {
	var kept []sdktrace.Link
	for _, link := range s.ReadOnlySpan.Links() {
		kept = append(kept, sdktrace.Link{SpanContext: link.SpanContext.WithTraceState(trace.TraceState{})})
	}
	return kept
}
