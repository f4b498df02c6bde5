package server_test

import (
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/settings"
	"github.com/teamtask/teamtask/internal/stacktest"
	"github.com/teamtask/teamtask/internal/telemetry"
)

// newStubs serves the task service of a test's own in place of ours, behind the same
// gate, interceptors and limits, without a database.
func newStubs(t testing.TB, service teamtaskv1connect.TaskServiceHandler) *stacktest.Stack {
	t.Helper()
	return newStubsWith(t, service, func(ours connect.HandlerOption) connect.HandlerOption { return ours })
}

// newStubsWith serves as newStubs does, with what is made of our options.
func newStubsWith(t testing.TB, service teamtaskv1connect.TaskServiceHandler, with func(connect.HandlerOption) connect.HandlerOption) *stacktest.Stack {
	t.Helper()
	return newStubsWithin(t, stacktest.PatientLimits(8), service, with)
}

// newStubsWithin serves as newStubsWith does, within limits of a test's own.
func newStubsWithin(t testing.TB, within admission.Limits, service teamtaskv1connect.TaskServiceHandler, with func(connect.HandlerOption) connect.HandlerOption) *stacktest.Stack {
	t.Helper()
	s := &stacktest.Stack{T: t, Box: stacktest.SandboxOf(t), Log: &stacktest.Log{}, Metrics: telemetry.NewMetrics(), Calls: admission.NewLimiter(within)}
	c, err := settings.Read(stacktest.LookupIn(stacktest.Usual("postgres://app@127.0.0.1:1/none", s.Box), nil))
	if err != nil {
		t.Fatalf("configuration: %v", err)
	}
	log := s.Log.Logger()
	exit := fault.NewExit(log, s.Metrics.Call)
	validator, err := server.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := rbac.Read(protoregistry.GlobalFiles, server.APIPackage)
	if err != nil {
		t.Fatal(err)
	}
	trail, err := server.NewTrail(nil, rules, log, s.Metrics) // nothing that stubs are asked for is audited
	if err != nil {
		t.Fatal(err)
	}
	options := with(server.HandlerOptions(exit, server.NewGate(c, rules, session.NewVerifier(c.Keys, c.Verification).Verify, exit), trail, s.Calls, validator))
	mux := http.NewServeMux()
	mux.Handle(teamtaskv1connect.NewTaskServiceHandler(service, options))
	s.Handler = exit.Handler(server.WithHeaders(http.MaxBytesHandler(server.WithDeadline(s.Calls.Memory.Handler(mux)), server.BodyMax)))
	s.Listen(log)
	return s
}

// tight are limits of so many at work and waiting, either in all or of each tenant.
func tight(inAll bool, atWork, waiting int) admission.Limits {
	const plenty = 1_000
	if inAll {
		return admission.Limits{AtWork: atWork, Waiting: waiting, TenantAtWork: plenty, TenantWaiting: plenty, Wait: stacktest.WaitMax, Bytes: admission.RequestBytesMax, TenantBytes: admission.RequestBytesMax}
	}
	return admission.Limits{AtWork: plenty, Waiting: plenty, TenantAtWork: atWork, TenantWaiting: waiting, Wait: stacktest.WaitMax, Bytes: admission.RequestBytesMax, TenantBytes: admission.RequestBytesMax}
}

// newLimited serves the task service of a test's own within limits of its own.
func newLimited(t testing.TB, within admission.Limits, service teamtaskv1connect.TaskServiceHandler) *stacktest.Stack {
	t.Helper()
	return newStubsWithin(t, within, service, func(ours connect.HandlerOption) connect.HandlerOption { return ours })
}
