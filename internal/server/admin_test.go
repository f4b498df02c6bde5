package server

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/telemetry"
)

// A page whose name was made to resolve to the admin address must not read it.
func TestTheAdminAddressAnswersItsOwnHostAlone(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8081": true, "LOCALHOST:1": true, "localhost.:8081": true,
		"127.0.0.1": true, "127.0.0.1:8081": true, "10.1.2.3:8081": true, "[::1]": true, "[::1]:8081": true, "::1": true,
		"[fe80::1%25eth0]:8081": true,
		"metrics.internal":      true, "metrics.internal:8081": true, "Metrics.Internal.:9": true,
		"": false, "evil.example": false, "evil.example:8081": false, "localhost.evil.example": false,
		"evil.example.localhost:8081": false, "127.0.0.1.evil.example": false, "127.0.0.1.evil.example:8081": false,
		"xmetrics.internal": false, "metrics.internal.evil.example": false, "a.metrics.internal": false,
		"[evil.example": false, "[evil.example]:8081": false, "[localhost]": false, "2130706433": false, "0x7f000001:8081": false,
		"localhost:8081:8081": false, "localhost..": false, ".": false, "..": false,
	} {
		if got := isOwnHost(host, "metrics.internal"); got != want {
			t.Errorf("Host %q: %v, want %v", host, got, want)
		}
		if got := isOwnHost(host, ""); strings.Contains(strings.ToLower(host), "metrics") && got {
			t.Errorf("Host %q where no host is configured: answered", host)
		}
	}
}

func TestTheAdminServerRefusesForeignHosts(t *testing.T) {
	t.Parallel()
	s, err := listen("127.0.0.1:0", "ADMIN_ADDR", AdminServer("127.0.0.1:0", adminHandler(telemetry.NewMetrics()), slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(s.listener) }() // until Close
	t.Cleanup(func() { s.Close() })
	for request, want := range map[string]int{
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n":                                   http.StatusOK,
		"GET /metrics HTTP/1.1\r\nHost: " + s.listener.Addr().String() + "\r\n\r\n":          http.StatusOK,
		"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                http.StatusMisdirectedRequest,
		"GET /debug/pprof/cmdline HTTP/1.1\r\nHost: evil.example:8081\r\n\r\n":               http.StatusMisdirectedRequest,
		"POST /metrics HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n":          http.StatusMisdirectedRequest,
		"GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n":                http.StatusMisdirectedRequest,
		"GET http://localhost/metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n":                http.StatusOK, // Go takes the one in the URI
		"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n\r\n": http.StatusMisdirectedRequest,
		"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nForwarded: host=localhost\r\n\r\n":   http.StatusMisdirectedRequest,
		"GET /metrics HTTP/1.0\r\n\r\n":                                                      http.StatusMisdirectedRequest,
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n":             http.StatusBadRequest,
	} {
		if got := statusOf(t, s.listener.Addr().String(), request); got != want {
			t.Errorf("%q: status %d, want %d", request, got, want)
		}
	}
}

// statusOf sends a request as it stands.
func statusOf(t *testing.T, address, request string) int {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}
