// Package collector is a collector of traces, for tests.
package collector

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector keeps the traces that it is sent.
type Collector struct {
	URL string

	mu       sync.Mutex
	Raw      bytes.Buffer // every byte of every body
	Resource []*commonpb.KeyValue
	spans    []*tracepb.Span
}

// New returns a collector that runs until the test ends.
func New(t *testing.T) *Collector {
	t.Helper()
	c := &Collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collectorpb.ExportTraceServiceRequest
		if err = errors.Join(err, proto.Unmarshal(body, &request)); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s was sent what cannot be read: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.Raw.Write(body)
		for _, of := range request.GetResourceSpans() {
			c.Resource = of.GetResource().GetAttributes()
			for _, scope := range of.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// Take returns the spans that the tracing has sent since the last time.
func (c *Collector) Take(t *testing.T, from flusher) []*tracepb.Span {
	t.Helper()
	if err := from.Flush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
	return c.Arrived()
}

// Arrived returns the spans that have come since the last time.
func (c *Collector) Arrived() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := c.spans
	c.spans = nil
	return spans
}

// Attributes returns the attributes by name.
func Attributes(attributes []*commonpb.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		all[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return all
}

// One returns the only span of the kind.
func One(t *testing.T, title string, spans []*tracepb.Span, kind tracepb.Span_SpanKind) *tracepb.Span {
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

// Kinds of spans.
const (
	Call      = tracepb.Span_SPAN_KIND_SERVER
	Statement = tracepb.Span_SPAN_KIND_CLIENT
)

// flusher is what sends the spans that have ended.
type flusher interface {
	Flush(context.Context) error
}
