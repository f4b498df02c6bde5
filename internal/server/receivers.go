package server

import (
	"net/http"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
)

// Paths that providers send their events to.
const (
	ClerkEventsPath  = "/webhooks/clerk"
	StripeEventsPath = "/webhooks/stripe"
)

// receivesEvents reports whether providers send their events to the path.
func receivesEvents(path string) bool { return path == ClerkEventsPath || path == StripeEventsPath }

// mountReceivers mounts where events are sent to. A provider that is not configured is asked
// to come again, so that nothing is lost while it is being configured.
func mountReceivers(mux *http.ServeMux, c Config, exit *fault.Exit, events *inbox.Inbox) {
	mount := func(path string, configured bool, by inbox.Provider, absent *fault.Fault) {
		if !configured || events == nil {
			mux.Handle("POST "+path, retryLater(exit, absent))
			return
		}
		mux.Handle("POST "+path, events.Handler(by, exit))
	}
	mount(ClerkEventsPath, c.Directory, c.ClerkEvents, fault.DirectoryNotConfigured)
	mount(StripeEventsPath, c.Billing, c.StripeEvents, fault.BillingNotConfigured)
}

func retryLater(exit *fault.Exit, absent *fault.Fault) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plain := r.Clone(r.Context())
		plain.Header = http.Header{"Content-Type": {"application/json"}} // not in gRPC, which says 200
		exit.Refuse(w, plain, absent)
	})
}
