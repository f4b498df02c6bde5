package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/telemetry"
)

// Where providers send their events to.
const (
	clerkEventsPath  = "/webhooks/clerk"
	stripeEventsPath = "/webhooks/stripe"
)

// takesEvents tells whether providers send their events to the path.
func takesEvents(path string) bool { return path == clerkEventsPath || path == stripeEventsPath }

// openJobs opens the jobs of a server. The database and the role of the URL have been
// inspected by tenancy.Open.
func openJobs(ctx context.Context, c config, log *slog.Logger, m *telemetry.Metrics, b books) (*jobs.Client, error) {
	return jobs.Open(ctx, jobs.Options{
		URL:      c.databaseURL,
		Log:      log,
		Jobs:     b.seats.Jobs(),
		Periodic: b.periodicJobs(log),
		Observe:  countJobs(m),
	})
}

// newInbox returns the inbox of a server.
func newInbox(queue *jobs.Client, log *slog.Logger, m *telemetry.Metrics, b books) (*inbox.Inbox, error) {
	return inbox.New(queue, inbox.Options{Log: log, Consumers: b.consumers(), Observe: countEvents(m)})
}

// receivers mounts where events are sent to. A provider that is not configured is asked to
// come again, so that nothing is lost while it is being configured.
func receivers(mux *http.ServeMux, c config, exit *fault.Exit, events *inbox.Inbox) {
	mount := func(path string, configured bool, by inbox.Provider, absent *fault.Fault) {
		if !configured || events == nil {
			mux.Handle("POST "+path, comeAgain(exit, absent))
			return
		}
		mux.Handle("POST "+path, events.Handler(by, exit))
	}
	mount(clerkEventsPath, c.directory, c.clerkEvents, fault.DirectoryNotConfigured)
	mount(stripeEventsPath, c.billing, c.stripeEvents, fault.BillingNotConfigured)
}

func comeAgain(exit *fault.Exit, absent *fault.Fault) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plain := r.Clone(r.Context())
		plain.Header = http.Header{"Content-Type": {"application/json"}} // not in gRPC, which says 200
		exit.Refuse(w, plain, absent)
	})
}
