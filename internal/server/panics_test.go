package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/internal/stacktest"
	"github.com/teamtask/teamtask/internal/wire"
)

// exploding is whatever stands between a caller and a handler, and panics while it is
// switched on.
type exploding struct{ on atomic.Bool }

func (e *exploding) explode() {
	if e.on.Load() {
		panic(secret)
	}
}

func (e *exploding) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		e.explode()
		return next(ctx, req)
	}
}

func (e *exploding) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func (e *exploding) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (e *exploding) admit(ctx context.Context, _ connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
	e.explode()
	return ctx, nil
}

// explodingCodec panics while it reads.
type explodingCodec struct {
	connect.Codec
	*exploding
}

func (c explodingCodec) Unmarshal(data []byte, message any) error {
	c.explode()
	return c.Codec.Unmarshal(data, message)
}

// Wherever on its way a call meets a panic, it does not reach its handler, the caller
// is told what every internal error tells, and the next call is served.
func TestAPanicOnTheWayToAHandlerLetsNobodyIn(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(*exploding, connect.HandlerOption) connect.HandlerOption{
		"the innermost interceptor": func(e *exploding, ours connect.HandlerOption) connect.HandlerOption {
			return connect.WithHandlerOptions(ours, connect.WithInterceptors(e))
		},
		"the outermost interceptor": func(e *exploding, ours connect.HandlerOption) connect.HandlerOption {
			return connect.WithHandlerOptions(connect.WithInterceptors(e), ours)
		},
		"the first gate": func(e *exploding, ours connect.HandlerOption) connect.HandlerOption {
			return connect.WithHandlerOptions(connect.WithRequestGate(e.admit), ours)
		},
		"the last gate": func(e *exploding, ours connect.HandlerOption) connect.HandlerOption {
			return connect.WithHandlerOptions(ours, connect.WithRequestGate(e.admit))
		},
		"the codecs": func(e *exploding, ours connect.HandlerOption) connect.HandlerOption {
			return connect.WithHandlerOptions(ours, connect.WithCodec(explodingCodec{wire.Binary(), e}), connect.WithCodec(explodingCodec{wire.JSON(), e}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ran atomic.Int64
			e := &exploding{}
			s := newStubsWith(t, stub{get: func(context.Context) error { ran.Add(1); return nil }}, func(ours connect.HandlerOption) connect.HandlerOption {
				return with(e, ours)
			})
			for _, p := range stacktest.Protocols {
				e.on.Store(true)
				expectInternal(t, s, p)
				if ran.Swap(0) != 0 {
					t.Errorf("%s: the handler ran", p.Name)
				}
				e.on.Store(false)
				if err := getsTask(t.Context(), s, p); err != nil || ran.Swap(0) != 1 {
					t.Errorf("%s: the next call: %v", p.Name, err)
				}
			}
			if strings.Contains(s.Log.String(), secret) {
				t.Error("the log holds the value that was thrown, which may be anything")
			}
			if n := strings.Count(s.Log.String(), `"internal error"`); n != len(stacktest.Protocols) || !strings.Contains(s.Log.String(), "panics_test.go") {
				t.Errorf("%d panics are in the log, want %d and where they happened", n, len(stacktest.Protocols))
			}
			if n := s.Outcomes(t, stacktest.GetTask, "internal") + s.Outcomes(t, "", "internal"); n < len(stacktest.Protocols) {
				t.Errorf("%d panics are counted, want %d", n, len(stacktest.Protocols))
			}
		})
	}
}
