package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// Should a service ever be mounted so that the gate's decision does not reach it, its
// handlers do not run.
func TestServicesAreServedBehindTheGuardAsWell(t *testing.T) {
	t.Parallel()
	type before struct{}
	remember := func(ctx context.Context, _ connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
		return context.WithValue(ctx, before{}, ctx), nil
	}
	forget := func(ctx context.Context, _ connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
		return ctx.Value(before{}).(context.Context), nil
	}
	ran := false
	service := stub{get: func(context.Context) error { ran = true; return nil }}
	s := newStubsWith(t, service, func(ours connect.HandlerOption) connect.HandlerOption {
		return connect.WithHandlerOptions(connect.WithRequestGate(remember), ours, connect.WithRequestGate(forget))
	})
	for _, p := range stacktest.Protocols {
		expectInternal(t, s, p)
	}
	if ran || !strings.Contains(s.Log.String(), "without a decision of the gate") {
		t.Errorf("the handler ran = %v; log:\n%s", ran, s.Log)
	}
}
