package server

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/wire"
)

const (
	healthMax     = 4 << 10  // bytes of a request to gRPC health, on the wire and decompressed
	reflectionMax = 16 << 10 // bytes of all requests of a reflection stream, and of each decompressed
)

// mountOpen mounts what needs no token, which is all there is of it: health for
// people, probes and gRPC, and reflection where it is switched on.
func mountOpen(mux *http.ServeMux, exit *fault.Exit, requests *admission.MemoryBudget, ready func(context.Context) error, reflection bool) {
	mount := func(messageMax int, service func(...connect.HandlerOption) (string, http.Handler)) {
		path, handler := service(openOptions(exit, requests, messageMax))
		mux.Handle(path, http.MaxBytesHandler(handler, int64(messageMax)))
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // a prober that hangs up needs no response
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			exit.Refuse(w, r, notReady(err))
			return
		}
		_, _ = w.Write([]byte("ready\n")) // a prober that hangs up needs no response
	})
	mount(healthMax, func(options ...connect.HandlerOption) (string, http.Handler) {
		return grpchealth.NewHandler(health{ready: ready}, options...)
	})
	if reflection {
		reflector := grpcreflect.NewStaticReflector(append(serviceNames(), grpchealth.HealthV1ServiceName)...)
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

// errDraining is a server that takes no more calls.
var errDraining = fault.New(connect.CodeUnavailable, teamtaskv1.Reason_REASON_UNSPECIFIED, "the server is shutting down")

func notReady(err error) error {
	if errors.Is(err, errDraining) {
		return err
	}
	return fault.DatabaseUnavailable.Because(err)
}

// health serves gRPC's health protocol with what /readyz says, for the whole server
// and for each service.
type health struct {
	ready func(context.Context) error
}

// Check implements grpchealth.Checker.
func (h health) Check(ctx context.Context, r *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if r.Service != "" && !slices.Contains(serviceNames(), r.Service) {
		return nil, serviceUnknown
	}
	if h.ready(ctx) != nil {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}

// serviceUnknown is a health check of a service that is not served here; the code is
// that of gRPC's health protocol.
var serviceUnknown = fault.New(connect.CodeNotFound, teamtaskv1.Reason_REASON_UNSPECIFIED, "there is no such service")
