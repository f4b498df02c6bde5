package main

import (
	"context"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// metrics are the figures on the admin address.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	unkept   prometheus.Counter
	counted  prometheus.Counter
	unlogged prometheus.Counter
	events   *prometheus.CounterVec
	refused  *prometheus.CounterVec
	asking   *prometheus.CounterVec
	jobs     *prometheus.CounterVec
	charging *prometheus.CounterVec
	alerts   *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_calls_total",
			Help: "Calls by method, code and reason. The method is empty for requests that reached none.",
		}, []string{"method", "code", "reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "teamtask_call_seconds",
			Help:    "How long calls took, by method.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 11),
		}, []string{"method"}),
		unkept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "teamtask_audit_failures_total",
			Help: "Lines of the audit log that could not be written; the log has what they said.",
		}),
		counted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "teamtask_audit_lines_counted_total",
			Help: "Calls that changed nothing, most of them refused, and share one line of the audit log with others of the same minute.",
		}),
		unlogged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "teamtask_log_lines_left_out_total",
			Help: "Refusals that were left out of the log because their caller had too many; counted when the minute ends.",
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_events_received_total",
			Help: "Signed events by provider, kind and outcome: stored, ignored (no consumer wants it), duplicate, unreadable.",
		}, []string{"provider", "kind", "outcome"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_events_refused_total",
			Help: "Requests to receive an event that were refused, by provider and cause.",
		}, []string{"provider", "cause"}),
		asking: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_clerk_calls_total",
			Help: "Calls of Clerk's Backend API by what was asked for and how it ended: ok, canceled, or the kind of error.",
		}, []string{"call", "outcome"}),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_jobs_total",
			Help: "Attempts of jobs by name and how they ended: done, failed (to be tried again), joined (one under way does it once more), unknown.",
		}, []string{"job", "outcome"}),
		charging: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_stripe_calls_total",
			Help: "Calls of Stripe's API by what was asked for and how it ended: ok, canceled, or the kind of error.",
		}, []string{"call", "outcome"}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_licensing_alerts_total",
			Help: "What somebody should look at: refunds, disputes, several subscriptions of an organization, statuses of Stripe's that are not known.",
		}, []string{"kind"}),
	}
	m.registry.MustRegister(m.calls, m.seconds, m.unkept, m.counted, m.unlogged, m.events, m.refused, m.asking, m.jobs, m.charging, m.alerts, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return m
}

// observe counts a call that has ended.
func (m *metrics) observe(o fault.Outcome) {
	m.calls.WithLabelValues(o.Method, o.Code, o.Reason).Inc()
	m.seconds.WithLabelValues(o.Method).Observe(o.Duration.Seconds())
}

// auditFailed counts a line of the audit log that could not be written.
func (m *metrics) auditFailed() { m.unkept.Inc() }

// auditCounted counts a call that has no line of its own in the audit log.
func (m *metrics) auditCounted() { m.counted.Inc() }

// leftOut counts lines that the log was spared.
func (m *metrics) leftOut(lines int) { m.unlogged.Add(float64(lines)) }

// received counts a request to receive an event.
func (m *metrics) received(r inbox.Receipt) {
	if r.Cause != "" {
		m.refused.WithLabelValues(r.Provider, string(r.Cause)).Inc()
		return
	}
	m.events.WithLabelValues(r.Provider, r.Kind, string(r.Outcome)).Inc()
}

// jobDone counts an attempt of a job.
func (m *metrics) jobDone(r inbox.JobRun) { m.jobs.WithLabelValues(r.Name, string(r.Outcome)).Inc() }

// charged counts a call of Stripe's API.
func (m *metrics) charged(o licensing.Observation) {
	m.charging.WithLabelValues(o.Method, o.Outcome).Inc()
}

// alerted counts what somebody should look at.
func (m *metrics) alerted(kind string) { m.alerts.WithLabelValues(kind).Inc() }

// asked counts a call of Clerk's API.
func (m *metrics) asked(o clerk.Observation) { m.asking.WithLabelValues(o.Method, o.Outcome).Inc() }

// watchEvents adds the gauges of the inbox.
func (m *metrics) watchEvents(events *inbox.Inbox) {
	m.registry.MustRegister(&backlog{
		events:  events,
		pending: prometheus.NewDesc("teamtask_events_pending", "Deliveries of events that wait or are being applied.", nil, nil),
		oldest:  prometheus.NewDesc("teamtask_events_oldest_pending_seconds", "How long the oldest pending delivery has been waiting, other than those that have to wait for something else.", nil, nil),
		failed:  prometheus.NewDesc("teamtask_events_failed", "Deliveries that were set aside after their last attempt, and events that cannot be read.", nil, nil),
	})
}

// backlog reads its figures when it is asked for them. They are left out while the
// database is away.
type backlog struct {
	events                  *inbox.Inbox
	pending, oldest, failed *prometheus.Desc
}

// backlogWithin is for one reading.
const backlogWithin = 3 * time.Second

// Describe implements prometheus.Collector.
func (b *backlog) Describe(all chan<- *prometheus.Desc) {
	all <- b.pending
	all <- b.oldest
	all <- b.failed
}

// Collect implements prometheus.Collector.
func (b *backlog) Collect(all chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), backlogWithin)
	defer cancel()
	now, err := b.events.Backlog(ctx)
	if err != nil {
		return
	}
	all <- prometheus.MustNewConstMetric(b.pending, prometheus.GaugeValue, float64(now.Pending))
	all <- prometheus.MustNewConstMetric(b.oldest, prometheus.GaugeValue, now.Oldest.Seconds())
	all <- prometheus.MustNewConstMetric(b.failed, prometheus.GaugeValue, float64(now.Failed))
}

// watch adds the gauges of what is kept in memory, of the pool and of the calls.
func (m *metrics) watch(db *tenancy.DB, verifier *session.Verifier, calls *admission.Limiter) {
	m.gauge("teamtask_database_connections_open", "Connections to PostgreSQL.", func() float64 {
		open, _ := db.Connections()
		return float64(open)
	})
	m.gauge("teamtask_database_connections_used", "Connections to PostgreSQL that are in use.", func() float64 {
		_, used := db.Connections()
		return float64(used)
	})
	m.gauge("teamtask_tokens_remembered", "Verified session tokens that are remembered.", func() float64 {
		tokens, _ := verifier.CacheSize()
		return float64(tokens)
	})
	m.gauge("teamtask_calls_at_work", "Calls that are at work: their request has been read, their answer is not yet ready.", func() float64 {
		return float64(calls.Working())
	})
	m.gauge("teamtask_calls_waiting", "Calls that wait for others to end their work.", func() float64 {
		return float64(calls.Queued())
	})
	m.gauge("teamtask_request_bytes", "Bytes of memory that requests take up while they are read and served, and responses until they are written.", func() float64 {
		return float64(calls.Memory.Used())
	})
}

// gauge adds a figure that is read when it is asked for.
func (m *metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// admin is everything on the admin address: metrics and profiles.
func (m *metrics) admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
