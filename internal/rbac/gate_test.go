package rbac

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	openMethod  = "/test.v1.Things/Open"
	mineMethod  = "/test.v1.Things/Mine"
	viewMethod  = "/test.v1.Things/View"
	writeMethod = "/test.v1.Things/Write"
	oursMethod  = "/test.v1.Things/Ours"
)

var errState = errors.New("stated")

// gateFor lets the actor in who is given, or refuses with err.
func gateFor(actor tenancy.Actor, err error, personal bool) *Gate {
	return NewGate(Config{
		Rules: Rules{
			openMethod:  {Public: true},
			mineMethod:  {},
			viewMethod:  {Permission: tenancy.TasksView},
			writeMethod: {Permission: tenancy.LicensingManage, Seat: true},
			oursMethod:  {Permission: tenancy.LicensingManage, Organization: true},
		},
		Roles:    Roles{Admin: []string{"org:admin"}},
		Personal: personal,
		Verify: func(context.Context, http.Header) (*tenancy.Actor, error) {
			if err != nil {
				return nil, err
			}
			return &actor, nil
		},
		State: func(_ context.Context, _ string, err error) error { return errors.Join(errState, err) },
	})
}

func TestTheGateRefusesInItsOrder(t *testing.T) {
	t.Parallel()
	alone := tenancy.Actor{User: "user_1"}
	member := tenancy.Actor{User: "user_1", Organization: tenancy.Organization{ID: "org_1"}, Permissions: tenancy.TasksView}
	powerless := tenancy.Actor{User: "user_1", Organization: tenancy.Organization{ID: "org_1"}}
	for name, c := range map[string]struct {
		method   string
		actor    tenancy.Actor
		verify   error
		personal bool
		want     error
	}{
		"public needs nobody":                   {openMethod, alone, session.Unauthenticated, false, nil},
		"no token":                              {mineMethod, alone, session.Unauthenticated, true, session.Unauthenticated},
		"no token before no organization":       {oursMethod, alone, session.Unauthenticated, false, session.Unauthenticated},
		"a provider that is away":               {mineMethod, alone, fault.ProviderUnavailable, true, fault.ProviderUnavailable},
		"signed in, alone":                      {mineMethod, alone, nil, true, nil},
		"signed in, alone, where that is off":   {mineMethod, alone, nil, false, OrganizationRequired},
		"no organization before no permission":  {oursMethod, alone, nil, true, OrganizationRequired},
		"alone, a permission that is not there": {writeMethod, alone, nil, true, PermissionMissing},
		"alone, switched off, before that":      {writeMethod, alone, nil, false, OrganizationRequired},
		"a member, signed in":                   {mineMethod, powerless, nil, false, nil},
		"a member with the permission":          {viewMethod, member, nil, false, nil},
		"a member without any":                  {viewMethod, powerless, nil, false, PermissionMissing},
		"a member without the one":              {oursMethod, member, nil, false, PermissionMissing},
	} {
		_, err := gateFor(c.actor, c.verify, c.personal).Admit(t.Context(), connect.Spec{Procedure: c.method}, connect.Peer{}, nil)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err != nil && !errors.Is(err, errState) {
			t.Errorf("%s: the refusal was not stated", name)
		}
	}
}

func TestAnUnknownMethodIsRefusedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	_, err := gateFor(tenancy.Actor{Role: "org:admin"}, nil, true).Admit(t.Context(), connect.Spec{Procedure: "/test.v1.Things/Nothing"}, connect.Peer{}, nil)
	if err == nil || fault.Of(err) != nil {
		t.Errorf("%v, want an error that nobody is told", err)
	}
}

func TestTheHandlerSeesWhatTheActorHoldsAndTheVerifiedActorStaysAsItIs(t *testing.T) {
	t.Parallel()
	verified := tenancy.Actor{User: "user_1", Organization: tenancy.Organization{ID: "org_1"}, Role: "org:admin"}
	gate := gateFor(verified, nil, true)
	shared := verified
	gate.Verify = func(context.Context, http.Header) (*tenancy.Actor, error) { return &shared, nil }
	for method, seat := range map[string]bool{writeMethod: true, oursMethod: false} {
		ctx, err := gate.Admit(t.Context(), connect.Spec{Procedure: method}, connect.Peer{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := verified
		want.Permissions, want.SeatRequired = tenancy.AllPermissions, seat
		if diff := cmp.Diff(want, tenancy.ActorOf(ctx)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", method, diff)
		}
	}
	if diff := cmp.Diff(verified, shared); diff != "" {
		t.Errorf("the remembered actor was changed:\n%s", diff)
	}
}

func TestNoSeatIsAskedForInAPersonalWorkspace(t *testing.T) {
	t.Parallel()
	gate := gateFor(tenancy.Actor{User: "user_1"}, nil, true)
	gate.Rules[writeMethod] = Rule{Permission: tenancy.TasksEdit, Seat: true}
	ctx, err := gate.Admit(t.Context(), connect.Spec{Procedure: writeMethod}, connect.Peer{}, nil)
	if err != nil || tenancy.ActorOf(ctx).SeatRequired {
		t.Errorf("%v, seat required = %v", err, tenancy.ActorOf(ctx).SeatRequired)
	}
}

// handlers are one of each kind, each of which says that it ran.
func handlers(procedure string, ran *bool, options ...connect.HandlerOption) map[string]http.Handler {
	type empty = emptypb.Empty
	return map[string]http.Handler{
		"unary": connect.NewUnaryHandler(procedure, func(context.Context, *connect.Request[empty]) (*connect.Response[empty], error) {
			*ran = true
			return connect.NewResponse(&empty{}), nil
		}, options...),
		"client stream": connect.NewClientStreamHandler(procedure, func(context.Context, *connect.ClientStream[empty]) (*connect.Response[empty], error) {
			*ran = true
			return connect.NewResponse(&empty{}), nil
		}, options...),
		"server stream": connect.NewServerStreamHandler(procedure, func(context.Context, *connect.Request[empty], *connect.ServerStream[empty]) error {
			*ran = true
			return nil
		}, options...),
		"both ways": connect.NewBidiStreamHandler(procedure, func(context.Context, *connect.BidiStream[empty, empty]) error {
			*ran = true
			return nil
		}, options...),
	}
}

// call calls a handler of any kind over h2c and answers what the client is told.
func call(t *testing.T, kind, procedure string, handler http.Handler) error {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := connect.NewClient[emptypb.Empty, emptypb.Empty](&http.Client{Transport: transport}, server.URL+procedure)
	switch kind {
	case "unary":
		_, err := client.CallUnary(t.Context(), connect.NewRequest(&emptypb.Empty{}))
		return err
	case "client stream":
		stream := client.CallClientStream(t.Context())
		_, err := stream.CloseAndReceive()
		return err
	case "server stream":
		stream, err := client.CallServerStream(t.Context(), connect.NewRequest(&emptypb.Empty{}))
		if err != nil {
			return err
		}
		for stream.Receive() {
		}
		return errors.Join(stream.Err(), stream.Close())
	}
	stream := client.CallBidiStream(t.Context())
	defer func() { _ = stream.CloseResponse() }()
	if err := stream.CloseRequest(); err != nil {
		return err
	}
	if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func TestNoHandlerRunsWithoutTheGatesDecisionForIt(t *testing.T) {
	t.Parallel()
	gate := gateFor(tenancy.Actor{User: "user_1"}, nil, true)
	elsewhere := func(ctx context.Context, _ connect.Spec, p connect.Peer, h http.Header) (context.Context, error) {
		return gate.Admit(ctx, connect.Spec{Procedure: viewMethod}, p, h)
	}
	for _, c := range []struct {
		name    string
		options []connect.HandlerOption
		runs    bool
	}{
		{"without the gate", []connect.HandlerOption{connect.WithInterceptors(gate.Interceptor())}, false},
		{"with a decision for another method", []connect.HandlerOption{connect.WithRequestGate(elsewhere), connect.WithInterceptors(gate.Interceptor())}, false},
		{"with the gate", []connect.HandlerOption{connect.WithRequestGate(gate.Admit), connect.WithInterceptors(gate.Interceptor())}, true},
	} {
		var ran bool
		for kind, handler := range handlers(mineMethod, &ran, c.options...) {
			ran = false
			err := call(t, kind, mineMethod, handler)
			if ran != c.runs {
				t.Errorf("%s %s: the handler ran = %v, want %v (%v)", kind, c.name, ran, c.runs, err)
			}
			if !c.runs && err == nil {
				t.Errorf("%s %s: no error", kind, c.name)
			}
		}
	}
}

func TestAClientIsNotGuarded(t *testing.T) {
	t.Parallel()
	called := false
	next := func(context.Context, connect.Spec) connect.StreamingClientConn { called = true; return nil }
	gateFor(tenancy.Actor{}, nil, true).Interceptor().WrapStreamingClient(next)(t.Context(), connect.Spec{})
	if !called {
		t.Error("the call did not go on")
	}
}
