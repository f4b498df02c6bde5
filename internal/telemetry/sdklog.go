package telemetry

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
)

// logSDK puts what OpenTelemetry's SDK logs into our log in place of plain
// lines on standard error: its words and the types of its errors, never a value.
func logSDK(log *slog.Logger) {
	otel.SetLogger(logr.New(sdkLog{log}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.WarnContext(context.Background(), "OpenTelemetry", slog.String("type", fmt.Sprintf("%T", err)))
	}))
}

// sdkWarning is the level of the SDK's warnings; what is above it is less important.
const sdkWarning = 1

// sdkLog is a logr.LogSink.
type sdkLog struct{ log *slog.Logger }

func (s sdkLog) Init(logr.RuntimeInfo) {}

func (s sdkLog) level(level int) slog.Level {
	if level > sdkWarning {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

func (s sdkLog) Enabled(level int) bool {
	return s.log.Enabled(context.Background(), s.level(level))
}

func (s sdkLog) Info(level int, words string, _ ...any) {
	s.log.LogAttrs(context.Background(), s.level(level), "OpenTelemetry", slog.String("cause", words))
}

func (s sdkLog) Error(err error, words string, _ ...any) {
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "OpenTelemetry",
		slog.String("cause", words), slog.String("type", fmt.Sprintf("%T", err)))
}

func (s sdkLog) WithValues(...any) logr.LogSink { return s }
func (s sdkLog) WithName(string) logr.LogSink   { return s }
