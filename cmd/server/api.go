package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"connectrpc.com/validate"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/membership"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/tasks"
	"github.com/teamtask/teamtask/internal/telemetry"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/internal/wire"
)

const (
	apiPackage = "teamtask.v1"

	bodyMax       = 256 << 10        // bytes of a request on the wire
	readMax       = 1 << 20          // bytes of a message once inflated
	healthMax     = 4 << 10          // bytes of a request to gRPC health, on the wire and inflated
	reflectionMax = 16 << 10         // bytes of all requests of a reflection stream, and of each inflated
	sendMax       = 2 << 20          // bytes of a response: a page of 256 KiB of texts, each byte written as up to 6
	compressMin   = 1 << 10          // bytes: below it compressing costs more than it saves
	callMax       = 10 * time.Second // the longest a call may take, whatever deadline it brings
	preflightIs   = 2 * time.Hour    // how long a browser may remember a preflight
)

// statements are all that is ever run, for tenancy.Open.
func statements() []tenancy.Statement {
	return slices.Concat(tasks.Statements, audit.Statements, membership.Statements, directory.Statements, licensing.Statements)
}

// services are the names of ours that are served.
var services = []string{
	teamtaskv1connect.TaskServiceName, teamtaskv1connect.AuditServiceName, teamtaskv1connect.MembershipServiceName,
	teamtaskv1connect.LicensingServiceName,
}

// newTrail is the audit log of the methods whose access rule asks for it.
func newTrail(db *tenancy.DB, log *slog.Logger, m *telemetry.Metrics) (*audit.Log, error) {
	rules, err := rbac.Read(protoregistry.GlobalFiles, apiPackage)
	if err != nil {
		return nil, err
	}
	return audit.New(audit.Options{
		DB:      db,
		Log:     log,
		Failed:  m.AuditFailed,
		Counted: m.AuditCounted,
		Files:   protoregistry.GlobalFiles,
		Package: apiPackage,
		Audited: func(procedure string) bool { return rules[procedure].Audit },
	})
}

// parts are what the public port is made of.
type parts struct {
	db       *tenancy.DB
	verifier *session.Verifier
	exit     *fault.Exit
	trail    *audit.Log
	calls    *admission.Limiter
	spans    *telemetry.Tracing // nil: none are made
	roles    rolesAt            // nil: there is no directory
	ready    func(context.Context) error
	seats    *licensing.Licensing
	events   *inbox.Inbox // nil: neither the directory nor Stripe is configured
}

// rolesAt asks Clerk for the roles that there are.
type rolesAt = func(context.Context) ([]clerk.Role, error)

// newMembership is the membership by the same rules as the gate's.
func newMembership(c config, p parts) *membership.Membership {
	return membership.New(membership.Options{
		DB:         p.db,
		Roles:      p.roles,
		AdminRoles: c.roles.Admin,
		Ledger:     c.ledger(),
		Holds:      c.roles.Of,
	})
}

// newAPI is everything on the public port, outermost first: what refuses early where
// there is too much to do; the audit log, which has to know how a call ended; ids, panics
// and errors; limits; CORS; then the services, each behind the gate.
func newAPI(c config, p parts) (http.Handler, error) {
	rules, err := rbac.Read(protoregistry.GlobalFiles, apiPackage)
	if err != nil {
		return nil, err
	}
	validator, err := newValidator()
	if err != nil {
		return nil, err
	}
	gate := rbac.NewGate(rbac.Config{
		Rules:    rules,
		Roles:    c.roles,
		Personal: c.personal,
		Verify:   p.trail.Verify(p.verifier.Verify),
		State:    p.exit.State,
	})
	options := connect.WithHandlerOptions(connect.WithInterceptors(p.spans.Interceptors()...), handlerOptions(p.exit, gate, p.trail, p.calls, validator))

	mux := http.NewServeMux()
	mux.Handle(teamtaskv1connect.NewTaskServiceHandler(tasks.NewHandler(tasks.New(p.db, c.tasksRate)), options))
	mux.Handle(teamtaskv1connect.NewAuditServiceHandler(audit.NewHandler(p.trail), options))
	mux.Handle(teamtaskv1connect.NewMembershipServiceHandler(membership.NewHandler(newMembership(c, p)), options))
	mux.Handle(teamtaskv1connect.NewLicensingServiceHandler(licensing.NewHandler(p.seats), options))
	mountOpen(mux, p.exit, p.calls.Memory, p.ready, c.reflection)
	receivers(mux, c, p.exit, p.events)
	leadToFrontend(mux, c.appURL)

	early := newShedder(rules, p)
	inMemory := func(next http.Handler) http.Handler { return p.calls.Memory.Handler(next) }
	limited := withBodyMax(withDeadline(exceptEvents(inMemory, withCrossOrigin(c, mux))))
	served := withStack(p.trail.Handler(p.exit.Handler(limited)))
	return withHeaders(early.Handler(served)), nil
}

// newShedder refuses calls of methods that need a token.
func newShedder(rules rbac.Rules, p parts) *admission.Shedder {
	return &admission.Shedder{
		Limiter: p.calls,
		Limited: func(procedure string) bool {
			rule, ok := rules[procedure]
			return ok && !rule.Public
		},
		Actor:   p.verifier.Cached,
		Refusal: p.exit.Prepare(fault.Overloaded),
		Shed:    p.trail.Shed,
	}
}

// handlerOptions are what every service of ours is served with. Interceptors run
// outermost first.
func handlerOptions(exit *fault.Exit, gate *rbac.Gate, trail *audit.Log, calls *admission.Limiter, validator protovalidate.Validator) connect.HandlerOption {
	return connect.WithHandlerOptions(
		wire.Codecs(),
		wire.Compression(readMax, func() wire.Memory { return calls.Memory.Reserve() }),
		connect.WithReadMaxBytes(readMax),
		connect.WithSendMaxBytes(sendMax),
		connect.WithCompressMinBytes(compressMin),
		connect.WithRequestGate(exit.Enter),
		connect.WithRequestGate(gate.Admit),
		connect.WithRequestGate(calls.Gate(exit)),
		connect.WithInterceptors(exit.Interceptor()),
		connect.WithRecover(func(_ context.Context, _ connect.Spec, _ http.Header, thrown any) error {
			return fault.Panicked(thrown)
		}),
		connect.WithInterceptors(trail.Interceptor(), gate.Interceptor(), admission.Responses{}, calls, validate.NewInterceptor(validate.WithValidator(validator))),
	)
}

// newValidator compiles the rules of every request at start, so that a rule that does
// not compile stops it.
func newValidator() (protovalidate.Validator, error) {
	var requests []protoreflect.MessageDescriptor
	protoregistry.GlobalFiles.RangeFilesByPackage(apiPackage, func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				requests = append(requests, methods.Get(j).Input())
			}
		}
		return true
	})
	validator, err := protovalidate.New(protovalidate.WithMessageDescriptors(requests...))
	if err != nil {
		return nil, fmt.Errorf("compile the validation rules: %w", err)
	}
	return validator, nil
}

// mountOpen mounts what needs no token, which is all there is of it: health for
// people, probes and gRPC, and reflection where it is switched on.
func mountOpen(mux *http.ServeMux, exit *fault.Exit, requests *admission.MemoryBudget, ready func(context.Context) error, reflection bool) {
	mount := func(messageMax int, service func(...connect.HandlerOption) (string, http.Handler)) {
		path, handler := service(openOptions(exit, requests, messageMax))
		mux.Handle(path, http.MaxBytesHandler(handler, int64(messageMax)))
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // a prober that hangs up needs no answer
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			exit.Refuse(w, r, notReady(err))
			return
		}
		_, _ = w.Write([]byte("ready\n")) // a prober that hangs up needs no answer
	})
	mount(healthMax, func(options ...connect.HandlerOption) (string, http.Handler) {
		return grpchealth.NewHandler(health{ready: ready}, options...)
	})
	if reflection {
		reflector := grpcreflect.NewStaticReflector(append(slices.Clone(services), grpchealth.HealthV1ServiceName)...)
		mount(reflectionMax, func(options ...connect.HandlerOption) (string, http.Handler) {
			return grpcreflect.NewHandlerV1(reflector, options...)
		})
		mount(reflectionMax, func(options ...connect.HandlerOption) (string, http.Handler) {
			return grpcreflect.NewHandlerV1Alpha(reflector, options...)
		})
	}
}

// openOptions are what a service that needs no token is served with: the same guards
// over messages, of which the largest is small.
func openOptions(exit *fault.Exit, requests *admission.MemoryBudget, messageMax int) connect.HandlerOption {
	return connect.WithHandlerOptions(
		wire.Codecs(),
		wire.Compression(messageMax, func() wire.Memory { return requests.Reserve() }),
		connect.WithReadMaxBytes(messageMax),
		connect.WithSendMaxBytes(sendMax),
		connect.WithCompressMinBytes(compressMin),
		connect.WithRequestGate(exit.Enter),
		connect.WithInterceptors(exit.Interceptor(), admission.Responses{}),
	)
}

// draining is a server that takes no more calls, which is nobody's fault.
var draining = fault.New(connect.CodeUnavailable, teamtaskv1.Reason_REASON_UNSPECIFIED, "the server is shutting down")

func notReady(err error) error {
	if errors.Is(err, draining) {
		return err
	}
	return fault.DatabaseUnavailable.Because(err)
}

// health answers gRPC's health protocol with what /readyz says, for the whole server
// and for each service.
type health struct {
	ready func(context.Context) error
}

// Check implements grpchealth.Checker.
func (h health) Check(ctx context.Context, r *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if r.Service != "" && !slices.Contains(services, r.Service) {
		return nil, serviceUnknown
	}
	if h.ready(ctx) != nil {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}

// withHeaders sets what every answer carries: it is data for a program, not to be
// kept, sniffed or rendered.
func withHeaders(next http.Handler) http.Handler {
	always := http.Header{
		"Cache-Control":           {"no-store"},
		"X-Content-Type-Options":  {"nosniff"},
		"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, values := range always {
			h[name] = values[:1:1] // shared: whoever adds to it gets a copy
		}
		next.ServeHTTP(w, r)
	})
}

// stackRoom is about what a call needs of the stack, in bytes.
const stackRoom = 12 << 10

// withStack makes the stack large enough while it is still empty. A call over HTTP/2
// has a goroutine of its own, whose small stack would grow several times on the way
// down, and all that is on it be moved each time: a tenth of what a call cost.
func withStack(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		growStack(len(r.Method))
		next.ServeHTTP(w, r)
	})
}

//go:noinline
func growStack(i int) byte {
	var room [stackRoom]byte
	return room[i%stackRoom]
}

// withDeadline gives every call a deadline, however far away the one it brings.
func withDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), callMax)
		defer cancel()
		r = r.WithContext(ctx)
		// Closing the body waits for what has not arrived of it, and a refusal would wait
		// with it. The server closes it after the answer.
		r.Body = io.NopCloser(r.Body)
		next.ServeHTTP(w, r)
	})
}

// exceptEvents serves calls within what wraps next, and events without: the inbox has memory
// of its own for their bodies, so that neither takes any from the other.
func exceptEvents(wraps func(http.Handler) http.Handler, next http.Handler) http.Handler {
	calls := wraps(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if takesEvents(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		calls.ServeHTTP(w, r)
	})
}

// withBodyMax bounds what is read of a request: events are larger than calls.
func withBodyMax(next http.Handler) http.Handler {
	calls, events := http.MaxBytesHandler(next, bodyMax), http.MaxBytesHandler(next, inbox.BodyMax)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if takesEvents(r.URL.Path) {
			events.ServeHTTP(w, r)
			return
		}
		calls.ServeHTTP(w, r)
	})
}

// serviceUnknown is a health check of a service that is not served here; the code is
// that of gRPC's health protocol.
var serviceUnknown = fault.New(connect.CodeNotFound, teamtaskv1.Reason_REASON_UNSPECIFIED, "there is no such service")
