package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/telemetry"
)

// withOwnHost serves requests whose Host is localhost, an IP address, or the host of the
// address that is listened on; every other request gets 421. A page in a browser
// can make a name of its own resolve to this address (DNS rebinding) and would then read
// metrics and profiles as its own origin. Such a request carries that name.
func withOwnHost(address string, next http.Handler) http.Handler {
	own, _, _ := net.SplitHostPort(address) // "" where it is all interfaces
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isOwnHost(r.Host, own) {
			http.Error(w, "this address answers to localhost, IP addresses and the host in ADMIN_ADDR", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isOwnHost reports whether a Host header, with or without a port, names localhost, an
// IP address, or own unless own is "".
func isOwnHost(header, own string) bool {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = header // no port
	}
	if _, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil {
		return true
	}
	host = strings.TrimSuffix(host, ".") // the root of DNS
	return strings.EqualFold(host, "localhost") || own != "" && strings.EqualFold(host, strings.TrimSuffix(own, "."))
}

const profileWithin = 2 * time.Minute // on the admin address: profiles take their time

// AdminServer serves the admin address to requests that name it.
func AdminServer(address string, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      withOwnHost(address, handler),
		ReadHeaderTimeout:            headersWithin,
		ReadTimeout:                  readWithin,
		WriteTimeout:                 profileWithin,
		IdleTimeout:                  idleFor,
		MaxHeaderBytes:               headersMax,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// adminHandler serves everything on the admin address: metrics and profiles.
func adminHandler(m *telemetry.Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
