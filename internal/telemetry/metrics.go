package telemetry

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/teamtask/teamtask/internal/fault"
)

// Metrics are the figures on the admin address. They are safe to share.
type Metrics struct {
	registry      *prometheus.Registry
	calls         *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	auditFailures prometheus.Counter
	auditCounted  prometheus.Counter
	linesLeftOut  prometheus.Counter
	events        *prometheus.CounterVec
	refused       *prometheus.CounterVec
	clerkCalls    *prometheus.CounterVec
	jobs          *prometheus.CounterVec
	stripeCalls   *prometheus.CounterVec
	alerts        *prometheus.CounterVec
}

// NewMetrics returns metrics of nothing yet.
func NewMetrics() *Metrics {
	m := &Metrics{
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
		auditFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "teamtask_audit_failures_total",
			Help: "Lines of the audit log that could not be written; the log has what they said.",
		}),
		auditCounted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "teamtask_audit_lines_counted_total",
			Help: "Calls that changed nothing, most of them refused, and share one line of the audit log with others of the same minute.",
		}),
		linesLeftOut: prometheus.NewCounter(prometheus.CounterOpts{
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
		clerkCalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_clerk_calls_total",
			Help: "Calls of Clerk's Backend API by what was asked for and how it ended: ok, canceled, or the kind of error.",
		}, []string{"call", "outcome"}),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_jobs_total",
			Help: "Attempts of jobs by name and how they ended: done, failed (to be tried again), joined (one under way does it once more), unknown.",
		}, []string{"job", "outcome"}),
		stripeCalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_stripe_calls_total",
			Help: "Calls of Stripe's API by what was asked for and how it ended: ok, canceled, or the kind of error.",
		}, []string{"call", "outcome"}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teamtask_licensing_alerts_total",
			Help: "What an operator should look at: refunds, disputes, several subscriptions of an organization, statuses of Stripe's that are not known.",
		}, []string{"kind"}),
	}
	m.registry.MustRegister(m.calls, m.seconds, m.auditFailures, m.auditCounted, m.linesLeftOut, m.events, m.refused, m.clerkCalls, m.jobs, m.stripeCalls, m.alerts, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return m
}

// Call counts a call that has ended.
func (m *Metrics) Call(o fault.Outcome) {
	m.calls.WithLabelValues(o.Method, o.Code, o.Reason).Inc()
	m.seconds.WithLabelValues(o.Method).Observe(o.Duration.Seconds())
}

// AuditFailed counts a line of the audit log that could not be written.
func (m *Metrics) AuditFailed() { m.auditFailures.Inc() }

// AuditCounted counts a call that has no line of its own in the audit log.
func (m *Metrics) AuditCounted() { m.auditCounted.Inc() }

// LinesLeftOut counts lines that were left out of the log.
func (m *Metrics) LinesLeftOut(lines int) { m.linesLeftOut.Add(float64(lines)) }

// Event counts an event that was received.
func (m *Metrics) Event(provider, kind, outcome string) {
	m.events.WithLabelValues(provider, kind, outcome).Inc()
}

// EventRefused counts a request to receive an event that was refused.
func (m *Metrics) EventRefused(provider, cause string) {
	m.refused.WithLabelValues(provider, cause).Inc()
}

// Job counts an attempt of a job.
func (m *Metrics) Job(name, outcome string) { m.jobs.WithLabelValues(name, outcome).Inc() }

// ClerkCall counts a call of Clerk's API.
func (m *Metrics) ClerkCall(method, outcome string) {
	m.clerkCalls.WithLabelValues(method, outcome).Inc()
}

// StripeCall counts a call of Stripe's API.
func (m *Metrics) StripeCall(method, outcome string) {
	m.stripeCalls.WithLabelValues(method, outcome).Inc()
}

// Alert counts what an operator should look at.
func (m *Metrics) Alert(kind string) { m.alerts.WithLabelValues(kind).Inc() }

// Gauge adds a figure that is read when it is asked for.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Gatherer returns what reads all figures.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Handler serves the figures.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Backlog is how many deliveries of events there are, and how long the oldest has waited.
type Backlog struct {
	Pending int64
	Failed  int64
	Oldest  time.Duration
}

// Backlog adds the gauges of deliveries, which are read when they are asked for. They are
// left out while the database is away.
func (m *Metrics) Backlog(read func(context.Context) (Backlog, error)) {
	m.registry.MustRegister(&backlog{
		read:    read,
		pending: prometheus.NewDesc("teamtask_events_pending", "Deliveries of events that wait or are being applied.", nil, nil),
		oldest:  prometheus.NewDesc("teamtask_events_oldest_pending_seconds", "How long the oldest pending delivery has been waiting, other than those that have to wait for something else.", nil, nil),
		failed:  prometheus.NewDesc("teamtask_events_failed", "Deliveries that were set aside after their last attempt, and events that cannot be read.", nil, nil),
	})
}

// backlog implements prometheus.Collector.
type backlog struct {
	read                    func(context.Context) (Backlog, error)
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
	now, err := b.read(ctx)
	if err != nil {
		return
	}
	all <- prometheus.MustNewConstMetric(b.pending, prometheus.GaugeValue, float64(now.Pending))
	all <- prometheus.MustNewConstMetric(b.oldest, prometheus.GaugeValue, now.Oldest.Seconds())
	all <- prometheus.MustNewConstMetric(b.failed, prometheus.GaugeValue, float64(now.Failed))
}
