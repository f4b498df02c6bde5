package server

import (
	"context"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/telemetry"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// countEvents counts requests to receive an event.
func countEvents(m *telemetry.Metrics) func(inbox.Receipt) {
	return func(r inbox.Receipt) {
		if r.Cause != "" {
			m.EventRefused(r.Provider, string(r.Cause))
			return
		}
		m.Event(r.Provider, r.Kind, string(r.Outcome))
	}
}

// countJobs counts attempts of jobs.
func countJobs(m *telemetry.Metrics) func(jobs.Run) {
	return func(r jobs.Run) { m.Job(r.Name, string(r.Outcome)) }
}

// countClerkCalls counts calls of Clerk's API.
func countClerkCalls(m *telemetry.Metrics) func(clerk.Observation) {
	return func(o clerk.Observation) { m.ClerkCall(o.Method, o.Outcome) }
}

// countStripeCalls counts calls of Stripe's API.
func countStripeCalls(m *telemetry.Metrics) func(stripe.Observation) {
	return func(o stripe.Observation) { m.StripeCall(o.Method, o.Outcome) }
}

// watchBacklog adds the gauges of the inbox.
func watchBacklog(m *telemetry.Metrics, events *inbox.Inbox) {
	m.Backlog(func(ctx context.Context) (telemetry.Backlog, error) {
		now, err := events.Backlog(ctx)
		return telemetry.Backlog(now), err
	})
}

// watchCalls adds the gauges of the cached tokens, of the pool and of the calls.
func watchCalls(m *telemetry.Metrics, db *tenancy.DB, verifier *session.Verifier, calls *admission.Limiter) {
	m.Gauge("teamtask_database_connections_open", "Connections to PostgreSQL.", func() float64 {
		open, _ := db.Connections()
		return float64(open)
	})
	m.Gauge("teamtask_database_connections_used", "Connections to PostgreSQL that are in use.", func() float64 {
		_, used := db.Connections()
		return float64(used)
	})
	m.Gauge("teamtask_tokens_remembered", "Verified session tokens that are remembered.", func() float64 {
		tokens, _ := verifier.CacheSize()
		return float64(tokens)
	})
	m.Gauge("teamtask_calls_at_work", "Calls that are at work: their request has been read, their response is not yet ready.", func() float64 {
		return float64(calls.Working())
	})
	m.Gauge("teamtask_calls_waiting", "Calls that wait for others to end their work.", func() float64 {
		return float64(calls.Queued())
	})
	m.Gauge("teamtask_request_bytes", "Bytes of memory that requests take up while they are read and served, and responses until they are written.", func() float64 {
		return float64(calls.Memory.Used())
	})
}
