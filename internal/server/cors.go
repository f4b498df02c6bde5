package server

import (
	"net/http"
	"slices"
	"strings"
	"time"

	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"

	"github.com/teamtask/teamtask/internal/fault"
)

// traceHeaders are what the tools that trace or correlate calls add to those of a
// browser. A browser sends no call at all while one of its headers is not allowed.
var traceHeaders = []string{
	"Traceparent", "Tracestate", "Baggage", // W3C, OpenTelemetry
	"Sentry-Trace",
	"B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags", // Zipkin
	"X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Origin", "X-Datadog-Sampling-Priority", "X-Datadog-Tags",
	"Newrelic",
	"X-Cloud-Trace-Context",         // Google Cloud
	"X-Amzn-Trace-Id",               // AWS
	"Request-Id", "Request-Context", // Azure Application Insights
	"Elastic-Apm-Traceparent", // Elastic
	"Uber-Trace-Id",           // Jaeger
	"X-Dtc", "X-Dtpc",         // Dynatrace
	"X-Instana-T", "X-Instana-S", "X-Instana-L",
	"X-Request-Id", "X-Correlation-Id", "Correlation-Context",
}

// withCrossOrigin lets pages of other origins call: those of CORS_ORIGINS, without
// cookies.
func withCrossOrigin(c Config) func(http.Handler) http.Handler {
	policy := cors.New(cors.Options{
		// A function, because the library takes no origins to mean all of them.
		AllowOriginFunc: func(origin string) bool { return slices.Contains(c.CORSOrigins, origin) },
		AllowedMethods:  connectcors.AllowedMethods(),
		AllowedHeaders:  slices.Concat(connectcors.AllowedHeaders(), []string{"Authorization"}, traceHeaders, c.CORSHeaders),
		ExposedHeaders:  append(connectcors.ExposedHeaders(), fault.RequestIDHeader),
		MaxAge:          int(preflightFor.Seconds()),
	})
	return func(next http.Handler) http.Handler { return sortedPreflight(policy.Handler(next)) }
}

const preflightFor = 2 * time.Hour // how long a browser may remember a preflight

const requestedHeaders = "Access-Control-Request-Headers"

// sortedPreflight brings the headers that a preflight asks for into the form in which a
// browser sends them, sorted and in lower case: the library takes no other, and other
// clients, proxies and tests send what they like.
func sortedPreflight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if values := r.Header.Values(requestedHeaders); r.Method == http.MethodOptions && len(values) > 0 {
			names := strings.Split(strings.ToLower(strings.Join(values, ",")), ",")
			for i := range names {
				names[i] = strings.Trim(names[i], " \t")
			}
			slices.Sort(names)
			names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
			r.Header.Set(requestedHeaders, strings.Join(names, ","))
		}
		next.ServeHTTP(w, r)
	})
}

// mountFrontend sends a browser that opens the root to the frontend, where there is one:
// this server has no page to show.
func mountFrontend(mux *http.ServeMux, appURL string) {
	if appURL == "" {
		return
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.NotFound(w, r)
			return
		}
		w.Header().Add("Vary", "Accept")
		w.Header().Set("Location", appURL+"/")
		w.WriteHeader(http.StatusSeeOther)
	})
}
