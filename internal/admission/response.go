package admission

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/teamtask/teamtask/internal/fault"
)

// ResponseCopies is how often a response is in memory while it is written: as a message, in
// its encoded form, and compressed.
const ResponseCopies = 3

// Responses is the interceptor that counts responses in the memory of their requests until
// they are written, that is until their readers have taken them. A response of a call that
// only reads is refused where there is no room for it; one that reports a change is counted
// whether or not there is room, and the gate refuses the next calls of the tenant instead.
type Responses struct{}

// WrapUnary implements connect.Interceptor.
func (Responses) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		if err != nil {
			return nil, err
		}
		r, counted := requestOf(ctx)
		m, isMessage := res.Any().(proto.Message)
		if !counted || !isMessage {
			return res, nil
		}
		if !r.respond(proto.Size(m), req.Spec().IdempotencyLevel != connect.IdempotencyNoSideEffects) {
			return nil, fault.Overloaded
		}
		return res, nil
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (Responses) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		if r, ok := requestOf(ctx); ok {
			conn = &countedConn{StreamingHandlerConn: conn, request: r}
		}
		return next(ctx, conn)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (Responses) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// countedConn counts each message of a stream while it is sent.
type countedConn struct {
	connect.StreamingHandlerConn
	request *request
}

// Send implements connect.StreamingHandlerConn.
func (c *countedConn) Send(message any) error {
	before := c.request.taken
	defer func() {
		c.request.shrink(before)
		c.request.encoded = 0
	}()
	if m, ok := message.(proto.Message); ok && !c.request.respond(proto.Size(m), false) {
		return fault.Overloaded
	}
	return c.StreamingHandlerConn.Send(message)
}

// lists reports whether the method's response holds a list, and may so be large.
func lists(spec connect.Spec) bool {
	method, ok := spec.Schema.(protoreflect.MethodDescriptor)
	if !ok {
		return false
	}
	fields := method.Output().Fields()
	for i := range fields.Len() {
		if fields.Get(i).IsList() {
			return true
		}
	}
	return false
}

// countedWriter counts what is written beyond the size of the message: JSON writes some
// characters as six, and errors are no messages.
type countedWriter struct {
	http.ResponseWriter
	request *request
}

// Unwrap lets http.ResponseController reach the connection.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *countedWriter) Flush() {
	_ = http.NewResponseController(w.ResponseWriter).Flush() // a connection that is gone shows at the next write
}

func (w *countedWriter) Write(p []byte) (int, error) {
	w.request.written(len(p))
	return w.ResponseWriter.Write(p)
}
