package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"connectrpc.com/validate"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/billing"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/membership"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/tasks"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/internal/wire"
)

const (
	bodyMax     = 256 << 10 // bytes of a request on the wire
	readMax     = 1 << 20   // bytes of a message once decompressed
	sendMax     = 2 << 20   // bytes of a response: a page of 256 KiB of texts, each byte written as up to 6
	compressMin = 1 << 10   // bytes: below it compressing costs more than it saves
)

// service is a service that is served. A new one is one entry in services.
type service struct {
	name       string
	statements []tenancy.Statement // all that it runs
	mount      func(s *Server, options connect.HandlerOption) (path string, handler http.Handler)
}

var services = []service{
	{
		name:       teamtaskv1connect.TaskServiceName,
		statements: tasks.Statements,
		mount: func(s *Server, options connect.HandlerOption) (string, http.Handler) {
			return teamtaskv1connect.NewTaskServiceHandler(tasks.NewHandler(tasks.New(s.db, s.config.TasksRate)), options)
		},
	},
	{
		name:       teamtaskv1connect.AuditServiceName,
		statements: audit.Statements,
		mount: func(s *Server, options connect.HandlerOption) (string, http.Handler) {
			return teamtaskv1connect.NewAuditServiceHandler(audit.NewHandler(s.trail), options)
		},
	},
	{
		name:       teamtaskv1connect.MembershipServiceName,
		statements: membership.Statements,
		mount: func(s *Server, options connect.HandlerOption) (string, http.Handler) {
			return teamtaskv1connect.NewMembershipServiceHandler(membership.NewHandler(s.newMembership()), options)
		},
	},
	{
		name:       teamtaskv1connect.LicensingServiceName,
		statements: slices.Concat(licensing.Statements, billing.Statements),
		mount: func(s *Server, options connect.HandlerOption) (string, http.Handler) {
			return teamtaskv1connect.NewLicensingServiceHandler(newLicensingService(s.domains), options)
		},
	},
}

// licensingService is the LicensingService: its methods about seats and those about money.
type licensingService struct {
	seatsHandler
	moneyHandler
}

type (
	seatsHandler = *licensing.Handler
	moneyHandler = *billing.Handler
)

func newLicensingService(d Domains) licensingService {
	return licensingService{licensing.NewHandler(d.Licensing), billing.NewHandler(d.Billing)}
}

// Statements returns all statements that are ever run, for tenancy.Open.
func Statements() []tenancy.Statement {
	all := slices.Clone(directory.Statements) // serves none of its own
	for _, s := range services {
		all = append(all, s.statements...)
	}
	return all
}

// serviceNames returns the names of the services that are served.
func serviceNames() []string {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = s.name
	}
	return names
}

// newMembership returns the membership by the same rules as the gate's.
func (s *Server) newMembership() *membership.Membership {
	return membership.New(membership.Options{
		DB:         s.db,
		Roles:      s.roles(),
		AdminRoles: s.config.Roles.Admin,
		Ledger:     s.config.Ledger(),
		Holds:      s.config.Roles.Of,
	})
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
	protoregistry.GlobalFiles.RangeFilesByPackage(APIPackage, func(file protoreflect.FileDescriptor) bool {
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
