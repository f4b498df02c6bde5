package main

import (
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/telemetry"
)

// newStubs serves the task service of a test's own in place of ours, behind the same
// gate, interceptors and limits, without a database.
func newStubs(t testing.TB, service teamtaskv1connect.TaskServiceHandler) *stack {
	t.Helper()
	return newStubsWith(t, service, func(ours connect.HandlerOption) connect.HandlerOption { return ours })
}

// newStubsWith serves as newStubs does, with what is made of our options.
func newStubsWith(t testing.TB, service teamtaskv1connect.TaskServiceHandler, with func(connect.HandlerOption) connect.HandlerOption) *stack {
	t.Helper()
	return newStubsWithin(t, patientLimits(8), service, with)
}

// newStubsWithin serves as newStubsWith does, within limits of a test's own.
func newStubsWithin(t testing.TB, within admission.Limits, service teamtaskv1connect.TaskServiceHandler, with func(connect.HandlerOption) connect.HandlerOption) *stack {
	t.Helper()
	s := &stack{t: t, box: sandboxOf(t), log: &logged{}, metrics: telemetry.NewMetrics(), calls: admission.NewLimiter(within)}
	c, err := readConfig(lookupIn(usual("postgres://app@127.0.0.1:1/none", s.box), nil))
	if err != nil {
		t.Fatalf("configuration: %v", err)
	}
	log := s.log.logger()
	exit := fault.NewExit(log, s.metrics.Call)
	validator, err := newValidator()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := rbac.Read(protoregistry.GlobalFiles, APIPackage)
	if err != nil {
		t.Fatal(err)
	}
	trail, err := newTrail(nil, rules, log, s.metrics) // nothing that stubs are asked for is audited
	if err != nil {
		t.Fatal(err)
	}
	options := with(handlerOptions(exit, newGate(c, rules, session.NewVerifier(c.Keys, c.Verification).Verify, exit), trail, s.calls, validator))
	mux := http.NewServeMux()
	mux.Handle(teamtaskv1connect.NewTaskServiceHandler(service, options))
	s.handler = exit.Handler(withHeaders(http.MaxBytesHandler(withDeadline(s.calls.Memory.Handler(mux)), bodyMax)))
	s.listen(log)
	return s
}

// tight are limits of so many at work and waiting, either in all or of each tenant.
func tight(inAll bool, atWork, waiting int) admission.Limits {
	const plenty = 1_000
	if inAll {
		return admission.Limits{AtWork: atWork, Waiting: waiting, TenantAtWork: plenty, TenantWaiting: plenty, Wait: waitMax, Bytes: admission.RequestBytesMax, TenantBytes: admission.RequestBytesMax}
	}
	return admission.Limits{AtWork: plenty, Waiting: plenty, TenantAtWork: atWork, TenantWaiting: waiting, Wait: waitMax, Bytes: admission.RequestBytesMax, TenantBytes: admission.RequestBytesMax}
}

// newLimited serves the task service of a test's own within limits of its own.
func newLimited(t testing.TB, within admission.Limits, service teamtaskv1connect.TaskServiceHandler) *stack {
	t.Helper()
	return newStubsWithin(t, within, service, func(ours connect.HandlerOption) connect.HandlerOption { return ours })
}
