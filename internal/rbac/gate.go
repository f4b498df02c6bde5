package rbac

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

var (
	// PermissionMissing is a caller without the permission that the method asks for;
	// the metadata names it.
	PermissionMissing = fault.New(connect.CodePermissionDenied, teamtaskv1.Reason_REASON_PERMISSION_MISSING,
		"you do not have the permission that this needs")
	// OrganizationRequired is a call without an active organization where one is needed.
	OrganizationRequired = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_ORGANIZATION_REQUIRED,
		"an active organization is required")
)

// Config says what the gate goes by.
type Config struct {
	Rules    Rules
	Roles    Roles // what roles hold
	Personal bool  // personal workspaces are open; without them every call needs an organization

	// Verify returns the actor of a request's token.
	Verify func(context.Context, http.Header) (*tenancy.Actor, error)
	// State turns a refusal into what goes over the wire.
	State func(ctx context.Context, method string, err error) error
}

// Gate decides on the headers of a request whether it may go on, before its body is
// read. It is safe to share.
type Gate struct{ Config }

// NewGate makes a gate.
func NewGate(c Config) *Gate { return &Gate{Config: c} }

// decision is the proof that a call of this procedure was let in.
type decision struct{ procedure string }

type decisionKey struct{}

// Admit is the request gate of every handler.
func (g *Gate) Admit(ctx context.Context, spec connect.Spec, _ connect.Peer, header http.Header) (context.Context, error) {
	actor, err := g.decide(ctx, spec.Procedure, header)
	if err != nil {
		return nil, g.State(ctx, spec.Procedure, err)
	}
	if actor != nil {
		ctx = tenancy.WithActor(ctx, actor)
	}
	return context.WithValue(ctx, decisionKey{}, decision{procedure: spec.Procedure}), nil
}

// decide returns the actor as the handler is to see it, or nil for a public method.
//
// Faults: session.Unauthenticated, OrganizationRequired, PermissionMissing, in this
// order.
func (g *Gate) decide(ctx context.Context, procedure string, header http.Header) (*tenancy.Actor, error) {
	rule, ok := g.Rules[procedure]
	if !ok {
		return nil, fmt.Errorf("no access rule for %s", procedure)
	}
	if rule.Public {
		return nil, nil
	}
	verified, err := g.Verify(ctx, header)
	if err != nil {
		return nil, err
	}
	fault.Identify(ctx, verified.Tenant, verified.User)
	actor := *verified // the verified one is shared
	if actor.Personal() && (rule.Organization || !g.Personal) {
		return nil, OrganizationRequired
	}
	actor.Permissions = g.Roles.Holds(actor)
	if !actor.Permissions.Has(rule.Permission) {
		for name := range rule.Permission.Names() {
			return nil, PermissionMissing.With("permission", name)
		}
	}
	actor.SeatRequired = rule.Seat && !actor.Personal()
	return &actor, nil
}

// Interceptor lets no handler run, unary or streaming, that the gate has not let in
// for exactly this procedure.
func (g *Gate) Interceptor() connect.Interceptor { return guard{} }

type guard struct{}

var errUndecided = errors.New("a call reached its handler without a decision of the gate")

func admitted(ctx context.Context, procedure string) error {
	if d, ok := ctx.Value(decisionKey{}).(decision); !ok || d.procedure != procedure {
		return errUndecided
	}
	return nil
}

func (guard) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if err := admitted(ctx, req.Spec().Procedure); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

func (guard) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		if err := admitted(ctx, conn.Spec().Procedure); err != nil {
			return err
		}
		return next(ctx, conn)
	}
}

func (guard) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
