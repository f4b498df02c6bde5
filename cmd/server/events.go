package main

import (
	"context"
	"log/slog"
	"net/http"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
)

// clerkEventsPath is where Clerk sends its events to.
const clerkEventsPath = "/webhooks/clerk"

var directoryNotConfigured = fault.New(connect.CodeUnavailable, teamtaskv1.Reason_REASON_DIRECTORY_NOT_CONFIGURED,
	"Clerk's directory is not configured on this server")

// openEvents opens the inbox of a server. The database and the role of the URL have
// been inspected by tenancy.Open.
func openEvents(ctx context.Context, c config, log *slog.Logger, m *metrics, d *directory.Directory) (*inbox.Inbox, error) {
	return inbox.Open(ctx, inbox.Options{
		URL:       c.databaseURL,
		Log:       log,
		Consumers: consumers(d),
		Chores:    chores(d, log),
		Observe:   m.received,
	})
}

// clerkEvents receives Clerk's events. Without the directory it asks Clerk to come
// again, so that nothing is lost while it is being configured.
func clerkEvents(c config, exit *fault.Exit, events *inbox.Inbox) http.Handler {
	if events == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			plain := r.Clone(r.Context())
			plain.Header = http.Header{"Content-Type": {"application/json"}} // not in gRPC, which says 200
			exit.Refuse(w, plain, directoryNotConfigured)
		})
	}
	return events.Handler(c.clerkEvents, exit)
}
