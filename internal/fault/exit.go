package fault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// RequestIDHeader carries the id under which the log knows a call. It is made
// here for every answer and never taken from the caller.
const RequestIDHeader = "X-Request-Id"

// Outcome is how a call ended, for counters. Method is empty where the call did
// not reach one; Reason is empty where there is none.
type Outcome struct {
	Method   string
	Code     string
	Reason   string
	Duration time.Duration
}

// Exit is the way out for every error: it gives each call its id, turns errors
// into what the caller may be told, keeps the rest in the log, and restates what
// Connect itself refuses before or after our interceptors run. It is safe to
// share.
type Exit struct {
	log     *slog.Logger
	observe func(Outcome)
	writer  *connect.ErrorWriter
	quota   *quota
	leftOut func(lines int)
}

// NewExit makes an exit that logs to log and tells observe how each call ended.
func NewExit(log *slog.Logger, observe func(Outcome)) *Exit {
	x := &Exit{log: log, observe: observe, writer: connect.NewErrorWriter(), leftOut: func(int) {}}
	x.quota = newQuota(x.reportLeftOut)
	return x
}

// OnLeftOut has f called with the number of lines that the log has been spared, once for
// each minute in which there were some. It must be called before the first request.
func (x *Exit) OnLeftOut(f func(lines int)) { x.leftOut = f }

// Close reports what has been left out of the log and not been reported. No call may be
// under way.
func (x *Exit) Close() { x.quota.end() }

func (x *Exit) reportLeftOut(lines, callers int) {
	x.leftOut(lines)
	x.log.LogAttrs(context.Background(), slog.LevelWarn, "refusals left out of the log",
		slog.Int("lines", lines), slog.Int("callers", callers), slog.Duration("within", quotaWindow))
}

// Logs reports whether the log takes one more line about the caller of the call that ctx
// belongs to: a person where one is known, or else an address. A caller has 60 lines a
// minute; more are counted. At level debug, where every call has a line, all are taken.
func (x *Exit) Logs(ctx context.Context) bool {
	if x.log.Enabled(ctx, slog.LevelDebug) {
		return true
	}
	c := callOf(ctx)
	if c.caller != "" {
		return x.quota.admit(c.caller)
	}
	return x.quota.admit(addressOf(c.peer))
}

// Identify says which person makes the call that ctx belongs to.
func Identify(ctx context.Context, tenant, person string) { callOf(ctx).caller = tenant + " " + person }

// call is what is known of one HTTP request while it is served.
type call struct {
	id      string
	started time.Time
	method  string
	code    string
	reason  string
	trace   string // the trace that records it, or ""
	ours    bool   // the error on its way out, if any, was stated by us
	peer    string // the address that the call came from
	caller  string // the person who makes it, or "" where none is known
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{} // outside Handler: a response without an id
}

// RequestID is the id of the call that ctx belongs to, or "".
func RequestID(ctx context.Context) string { return callOf(ctx).id }

// Reason is the reason for which the call that ctx belongs to was refused, or "".
func Reason(ctx context.Context) string { return callOf(ctx).reason }

// Traced puts the id of a trace into the lines that the log gets of the call that ctx
// belongs to.
func Traced(ctx context.Context, id string) { callOf(ctx).trace = id }

// Following returns a function that returns how the call of ctx has ended.
// It is to be asked by the goroutine that serves the call, once Handler has returned;
// the duration is left out.
func Following(ctx context.Context) func() Outcome {
	c := callOf(ctx)
	return func() Outcome { return Outcome{Method: c.method, Code: c.code, Reason: c.reason} }
}

// Handler is the outermost HTTP handler: it gives the call its id, survives
// panics, and restates the errors that did not pass through this package.
func (x *Exit) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{id: rand.Text(), started: time.Now(), peer: r.RemoteAddr}
		w.Header().Set(RequestIDHeader, c.id)
		a := &answer{ResponseWriter: w, call: c}
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		defer func() { x.ended(r.Context(), c) }()
		defer func() {
			if thrown := recover(); thrown != nil {
				if e, ok := thrown.(error); ok && errors.Is(e, http.ErrAbortHandler) {
					panic(thrown) // net/http's own way to drop a connection
				}
				x.survive(a, r, thrown)
			}
		}()
		next.ServeHTTP(a, r)
		x.restate(a, r)
	})
}

// ended counts the call and, at level debug, logs it.
func (x *Exit) ended(ctx context.Context, c *call) {
	o := Outcome{Method: c.method, Code: c.code, Reason: c.reason, Duration: time.Since(c.started)}
	x.observe(o)
	if x.log.Enabled(ctx, slog.LevelDebug) {
		x.log.LogAttrs(ctx, slog.LevelDebug, "call", c.ids(slog.String("method", o.Method),
			slog.String("code", o.Code), slog.String("reason", o.Reason), slog.Duration("duration", o.Duration))...)
	}
}

// ids are the attributes by which a line of the log is found, and behind them more.
func (c *call) ids(more ...slog.Attr) []slog.Attr {
	attrs := []slog.Attr{slog.String("request_id", c.id)}
	if c.trace != "" {
		attrs = append(attrs, slog.String("trace_id", c.trace))
	}
	return append(attrs, more...)
}

// survive responds "internal error" to a panic outside the handlers, if nothing
// was sent yet.
func (x *Exit) survive(a *answer, r *http.Request, thrown any) {
	err := x.State(r.Context(), "", Panicked(thrown))
	if a.sent {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	a.discard()
	_ = x.writer.Write(a.ResponseWriter, r, err) // the caller is gone if this fails
}

// Panicked is the error for a recovered panic. Values that are not run-time errors
// may hold anything, so only their type is kept.
func Panicked(thrown any) error {
	if e, ok := thrown.(runtime.Error); ok {
		return fmt.Errorf("panic: %w\n%s", e, debug.Stack())
	}
	return fmt.Errorf("panic: value of type %T\n%s", thrown, debug.Stack())
}

// Refuse responds to an HTTP request with err, in the protocol that the request
// speaks.
func (x *Exit) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	stated := x.State(r.Context(), "", err)
	_ = x.writer.Write(w, r, stated) // the caller is gone if this fails
}

// State turns err into the Connect error to send and logs what is kept from the
// caller. Method is the procedure that was called, or "". A nil err answers nil.
func (x *Exit) State(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	c := callOf(ctx)
	c.ours = true
	if method != "" {
		c.method = method
	}
	e, told := onWire(err, c.id)
	c.code = e.Code().String()
	if !told {
		c.reason = "INTERNAL"
		x.log.LogAttrs(ctx, slog.LevelError, "internal error", c.ids(slog.String("method", c.method), slog.String("code", c.code),
			slog.String("error", err.Error()))...)
		return e
	}
	f := Of(err)
	c.reason = ""
	if f.reason != teamtaskv1.Reason_REASON_UNSPECIFIED {
		c.reason = ReasonName(f.reason)
	}
	level := f.level()
	if !x.log.Enabled(ctx, level) || !x.Logs(ctx) {
		return e
	}
	attrs := c.ids(slog.String("method", c.method), slog.String("code", c.code), slog.String("reason", c.reason))
	if f.code == connect.CodeInvalidArgument || f.code == connect.CodeUnimplemented {
		// What was wrong with a request may quote it; the caller is told, the log is not.
		x.log.LogAttrs(ctx, level, "refused", attrs...)
		return e
	}
	x.log.LogAttrs(ctx, level, "refused", append(attrs, slog.String("cause", err.Error()))...)
	return e
}

// level is how loud the log is about the fault. A flood of calls must not become one of
// lines: that calls were shed is told by the counters.
func (f *Fault) level() slog.Level {
	switch {
	case f.Is(Overloaded):
		return slog.LevelDebug
	case f.code == connect.CodeUnavailable:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// Enter is the first request gate of every handler: from here on the log and the
// counters know the method, also where the request cannot be read.
func (x *Exit) Enter(ctx context.Context, spec connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
	callOf(ctx).method = spec.Procedure
	return ctx, nil
}

// Interceptor states the errors of handlers and of the interceptors inside it. It
// belongs outermost.
func (x *Exit) Interceptor() connect.Interceptor { return interceptor{exit: x} }

type interceptor struct{ exit *Exit }

func (i interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		method := req.Spec().Procedure
		res, err := next(ctx, req)
		if err != nil {
			return nil, i.exit.State(ctx, method, err)
		}
		c := callOf(ctx)
		c.method, c.code = method, "ok"
		return res, nil
	}
}

func (i interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		c := callOf(ctx)
		c.method, c.code, c.ours = conn.Spec().Procedure, "ok", true
		return i.exit.State(ctx, c.method, next(ctx, conn))
	}
}

func (i interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
