package admission

import (
	"context"
	"net/http"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Gate returns the request gate after the one that knows the actor: a call that could
// neither be at work now nor wait is refused on its headers, before its body is read.
//
// Faults: fault.Overloaded.
func (l *Limiter) Gate(exit *fault.Exit) connect.RequestGateFunc {
	return func(ctx context.Context, spec connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
		tenant := tenancy.ActorOf(ctx).Tenant
		if !l.admits(tenant) || !l.Memory.admits(tenant, lists(spec)) {
			return nil, exit.State(ctx, spec.Procedure, fault.Overloaded)
		}
		setTenant(ctx, tenant)
		return ctx, nil
	}
}

// WrapUnary implements connect.Interceptor.
func (l *Limiter) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		// A message that was compressed is larger than what was read of it.
		if m, ok := req.Any().(proto.Message); ok && !reserve(ctx, proto.Size(m)) {
			return nil, fault.Overloaded
		}
		s, err := l.enter(ctx, tenancy.ActorOf(ctx).Tenant)
		if err != nil {
			return nil, err
		}
		leave := sync.OnceFunc(func() { l.leave(s) })
		defer leave()
		return next(context.WithValue(ctx, slotKey{}, leave), req)
	}
}

type slotKey struct{}

// Yield gives up the slot of the call that ctx belongs to before its response is ready: from
// here on the call waits for a provider. The caller bounds how many calls wait so.
func Yield(ctx context.Context) {
	if leave, ok := ctx.Value(slotKey{}).(func()); ok {
		leave()
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (l *Limiter) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		s, err := l.enter(ctx, tenancy.ActorOf(ctx).Tenant)
		if err != nil {
			return err
		}
		defer l.leave(s)
		return next(ctx, conn)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (l *Limiter) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
