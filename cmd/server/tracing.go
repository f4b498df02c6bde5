package main

import (
	"context"
	"log/slog"

	"github.com/teamtask/teamtask/internal/telemetry"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// newTracing sends traces to the endpoint; without one there are none.
func newTracing(ctx context.Context, endpoint string, log *slog.Logger) (*telemetry.Tracing, error) {
	return telemetry.NewTracing(ctx, telemetry.TracingOptions{
		Endpoint:     endpoint,
		Version:      version(),
		Log:          log,
		Organization: func(ctx context.Context) string { return tenancy.ActorOf(ctx).Organization.ID },
	})
}
