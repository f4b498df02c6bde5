package audit

import (
	"context"
	"errors"
	"maps"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// call is what is known of a call of an audited method while it is served.
type call struct {
	method    string
	plan      *plan
	actor     *tenancy.Actor // nil until the token is verified
	requestID string
	ended     func() fault.Outcome
	target    string
	kept      map[string]any // of the request
	witness   tenancy.Witness
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// line is the line of the call. A request that is not valid can hold anything, so
// nothing of it is kept; what was changed is kept only where it was.
func (c *call) line(o fault.Outcome) line {
	e := line{
		tenant: c.actor.Tenant, actor: c.actor.User, impersonator: c.actor.Impersonator,
		method: c.method, outcome: o.Code, reason: o.Reason, requestID: c.requestID,
	}
	if o.Code == connect.CodeInvalidArgument.String() {
		return e
	}
	e.target, e.details = c.target, c.kept
	if o.Code == succeeded {
		if e.target == "" {
			e.target = c.witness.Touched()
		}
		if notes := c.witness.Notes(); len(notes) > 0 {
			e.details = make(map[string]any, len(notes)+len(c.kept))
			for name, n := range notes {
				e.details[name] = Change{Before: plainValue(n.Before), After: plainValue(n.After)}
			}
			maps.Copy(e.details, c.kept)
		}
	}
	return e
}

// Verify returns verify, which also notes for the log who was verified: if the gate refuses
// them, nothing behind it runs.
func (l *Log) Verify(verify func(context.Context, http.Header) (*tenancy.Actor, error)) func(context.Context, http.Header) (*tenancy.Actor, error) {
	return func(ctx context.Context, header http.Header) (*tenancy.Actor, error) {
		actor, err := verify(ctx, header)
		who := actor
		if err != nil {
			who = refused(err)
		}
		if c := callOf(ctx); c != nil && who != nil {
			c.actor, c.requestID, c.ended = who, fault.RequestID(ctx), fault.Following(ctx)
		}
		return actor, err
	}
}

// refused returns the actor of a valid token that was refused with err, or nil.
func refused(err error) *tenancy.Actor {
	if r, ok := errors.AsType[*tenancy.RefusedError](err); ok {
		return r.Actor
	}
	return nil
}

// Interceptor sends the line of a call along with its change. It belongs inside
// recover and outside rbac.
func (l *Log) Interceptor() connect.Interceptor { return interceptor{} }

type interceptor struct{}

func (interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		c := callOf(ctx)
		if c == nil || c.actor == nil {
			return next(ctx, req)
		}
		if m, ok := req.Any().(proto.Message); ok {
			c.target, c.kept = c.plan.read(m.ProtoReflect())
		}
		c.witness.Tenant, c.witness.Statement = c.actor.Tenant, insertChangeSQL
		c.witness.Args = func() []any {
			return c.line(fault.Outcome{Code: succeeded}).args()
		}
		return next(tenancy.WithWitness(ctx, &c.witness), req)
	}
}

// WrapStreamingHandler lets streams be: none is audited.
func (interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func (interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
