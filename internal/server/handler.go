package server

import (
	"context"
	"net/http"
	"slices"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// newHandler returns everything on the public port.
func (s *Server) newHandler() (http.Handler, error) {
	validator, err := newValidator()
	if err != nil {
		return nil, err
	}
	gate := newGate(s.config, s.rules, s.trail.Verify(s.verifier.Verify), s.exit)
	options := connect.WithHandlerOptions(
		connect.WithInterceptors(s.spans.Interceptors()...),
		handlerOptions(s.exit, gate, s.trail, s.calls, validator))
	mux := http.NewServeMux()
	for _, service := range services {
		mux.Handle(service.mount(s, options))
	}
	mountOpen(mux, s.exit, s.calls.Memory, s.isReady, s.config.Reflection)
	mountReceivers(mux, s.config, s.exit, s.events)
	mountFrontend(mux, s.config.AppURL)
	early := newShedder(s.rules, s.verifier, s.calls, s.trail, s.exit)
	return chain(mux,
		withHeaders,                          // what every response carries
		early.Handler,                        // refuses early where there is too much to do
		withStack,                            // a stack that is large enough
		s.trail.Handler,                      // the audit log, which has to know how a call ended
		s.exit.Handler,                       // request ids, panics and errors
		withBodyMax,                          // the largest body
		withDeadline,                         // the longest call
		exceptEvents(s.calls.Memory.Handler), // the memory that calls take
		withCrossOrigin(s.config),            // CORS
	), nil
}

// chain returns the handler within the middlewares, the outermost first.
func chain(handler http.Handler, middlewares ...func(http.Handler) http.Handler) http.Handler {
	for _, within := range slices.Backward(middlewares) {
		handler = within(handler)
	}
	return handler
}

// verifyFunc returns the actor of a request's token.
type verifyFunc = func(context.Context, http.Header) (*tenancy.Actor, error)

func newGate(c Config, rules rbac.Rules, verify verifyFunc, exit *fault.Exit) *rbac.Gate {
	return rbac.NewGate(rbac.Config{
		Rules:    rules,
		Roles:    c.Roles,
		Personal: c.Personal,
		Verify:   verify,
		State:    exit.State,
	})
}

// newShedder refuses calls of methods that need a token.
func newShedder(rules rbac.Rules, verifier *session.Verifier, calls *admission.Limiter, trail *audit.Log, exit *fault.Exit) *admission.Shedder {
	return &admission.Shedder{
		Limiter: calls,
		Limited: func(procedure string) bool {
			rule, ok := rules[procedure]
			return ok && !rule.Public
		},
		Actor:   verifier.Cached,
		Refusal: exit.Prepare(fault.Overloaded),
		Shed:    trail.Shed,
	}
}
