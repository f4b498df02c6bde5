package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
	"github.com/teamtask/teamtask/internal/telemetry"
)

// Zero would wait for ever.
func TestEveryWaitForAClientHasAnEnd(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	api, admin := server.APIServer(http.NotFoundHandler(), log, server.DefaultTimeouts()), server.AdminServer("127.0.0.1:8081", http.NotFoundHandler(), log)
	for name, s := range map[string]*http.Server{"api": api, "admin": admin} {
		for what, d := range map[string]time.Duration{
			"headers": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout,
		} {
			if d <= 0 || d > 2*time.Minute {
				t.Errorf("%s: %s within %v", name, what, d)
			}
		}
		if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 64<<10 {
			t.Errorf("%s: headers of up to %d bytes", name, s.MaxHeaderBytes)
		}
	}
	if n := api.HTTP2.WriteByteTimeout; n <= 0 || n > server.StallWithin || server.StallWithin >= server.WriteWithin {
		t.Errorf("a connection of HTTP/2 that takes nothing is kept for %v", n)
	}
	if n := api.HTTP2.MaxConcurrentStreams; n <= 0 || n > 250 {
		t.Errorf("%d streams at once", n)
	}
	if c, s := api.HTTP2.MaxReceiveBufferPerConnection, api.HTTP2.MaxReceiveBufferPerStream; c != server.BodyMax || s <= 0 || s > c {
		t.Errorf("up to %d bytes of a connection and %d of a stream wait to be read", c, s)
	}
	if api.ReadHeaderTimeout > api.ReadTimeout || api.WriteTimeout <= server.CallMax {
		t.Errorf("headers %v, read %v, a call %v, write %v: out of order", api.ReadHeaderTimeout, api.ReadTimeout, server.CallMax, api.WriteTimeout)
	}
}

// impatient are timeouts that a test can wait for and a served client never meets.
var impatient = server.Timeouts{Headers: time.Second, Read: 2 * time.Second, Write: 4 * time.Second, Stall: 2 * time.Second, Idle: time.Second}

// slow is a client that keeps a connection busy, or only open.
type slow struct {
	name    string
	sockets int
	opening string
	drip    string // sent again and again
	deaf    bool   // reads nothing
}

func slowClients(token string) []slow {
	post := "POST " + stacktest.CreateTask + " HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n"
	read := stacktest.Request2(http.MethodGet, stacktest.Listing, token)
	// Every window is open wide, so that nothing but the connection is in the way.
	wide := stacktest.Preface + stacktest.Frame(stacktest.FrameSettings, 0, 0, []byte{0, 4, 0x7f, 0xff, 0xff, 0xff}) + stacktest.Frame(0x8, 0, 0, []byte{0x7f, 0xff, 0, 0})
	return []slow{
		{name: "headers by the byte", sockets: 200, opening: "GET / HTTP/1.1\r\nHost: teamtask\r\nX-Slow: ", drip: "x"},
		{name: "no request", sockets: 50},
		{name: "a stalled body", sockets: 200, opening: post + "Content-Length: 100\r\n\r\n" + `{"name":`},
		{name: "a body by the byte", sockets: 50, opening: post + "Content-Length: 100000\r\n\r\n", drip: " "},
		{name: "a chunk without end", sockets: 50, opening: post + "Transfer-Encoding: chunked\r\n\r\nffff\r\n", drip: " "},
		{name: "a stalled body without a token", sockets: 100, opening: "POST " + stacktest.HealthCheck + " HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"},
		{name: "a large stalled body", sockets: 50, opening: post + "Content-Length: 262144\r\n\r\n" + strings.Repeat(" ", 100<<10)},
		{name: "a body for nobody", sockets: 50, opening: "POST / HTTP/1.1\r\nHost: teamtask\r\nContent-Length: 100000\r\n\r\n", drip: " "},
		{name: "kept alive", sockets: 200, opening: "GET /healthz HTTP/1.1\r\nHost: teamtask\r\n\r\n"},
		{name: "half a preface", sockets: 50, opening: stacktest.Preface[:18]},
		{name: "a preface", sockets: 200, opening: stacktest.Preface},
		{name: "a greeting", sockets: 200, opening: stacktest.Greeting()},
		{name: "pings", sockets: 50, opening: stacktest.Greeting(), drip: stacktest.Frame(stacktest.FramePing, 0, 0, make([]byte, 8))},
		{name: "half a frame", sockets: 50, opening: stacktest.Greeting() + stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders, 1, read)[:12]},
		{name: "headers in empty frames", sockets: 50, opening: stacktest.Greeting() + stacktest.Frame(stacktest.FrameHeaders, 0, 1, read), drip: stacktest.Frame(stacktest.FrameContinuation, 0, 1, nil)},
		{name: "a stream without its body", sockets: 50, opening: stacktest.Greeting() + stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders, 1, stacktest.Request2(http.MethodPost, stacktest.CreateTask, token))},
		{name: "a stream whose window stays shut", sockets: 50, opening: stacktest.Greeting() + stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders|stacktest.EndStream, 1, read)},
		{
			name: "an answer over HTTP/2 that is not read", sockets: 50, opening: wide + stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders|stacktest.EndStream, 1, read),
			drip: stacktest.Frame(stacktest.FramePing, 0, 0, make([]byte, 8)), deaf: true,
		},
		{name: "an answer that is not read", sockets: 200, opening: stacktest.Get(stacktest.Listing, token) + "\r\n", drip: "x", deaf: true},
	}
}

// Each of them would keep its connection for ever, at no cost to itself.
//
//nolint:paralleltest // it counts the goroutines and files of the process
func TestSlowClientsAreCutOffAndDisturbNobody(t *testing.T) {
	s := stacktest.New(t, nil)
	for range 20 {
		s.Put(stacktest.Row{Tenant: "org_d2gamers", Description: strings.Repeat("x", 10_000)})
	}
	address := listenImpatiently(s)
	s.UseAllConnections(t)
	before := s.Footprint()
	served := s.Served(t)
	var ended sync.WaitGroup
	for _, c := range slowClients(s.Token("alice", "d2-gamers", 2)) {
		left := new(atomic.Int32)
		left.Store(int32(c.sockets))
		started := time.Now()
		for range c.sockets {
			ended.Go(func() {
				if err := c.run(t.Context(), address); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				if left.Add(-1) == 0 {
					t.Logf("%s: %d closed after %v", c.name, c.sockets, time.Since(started))
				}
			})
		}
	}
	ended.Wait()
	if n := served(); n < 3 {
		t.Errorf("%d calls were served meanwhile", n)
	}
	s.Settles(t, before)
	if log := s.Log.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("slow clients are in the log as errors of ours:\n%.2000s", log[strings.Index(log, `"level":"ERROR"`):])
	}
}

// listenImpatiently serves the API a second time, with short timeouts and small
// buffers, and answers where. Who is to be served on a busy machine stays with s.url.
func listenImpatiently(s *stacktest.Stack) string {
	s.T.Helper()
	return listenNarrowly(s, impatient)
}

// listenNarrowly serves the API a second time, with small buffers, and answers where.
func listenNarrowly(s *stacktest.Stack, within server.Timeouts) string {
	s.T.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.Config = server.APIServer(s.Handler, s.Log.Logger(), within)
	web.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if tcp, ok := c.(*net.TCPConn); !ok || tcp.SetWriteBuffer(4<<10) != nil {
			s.T.Error("the buffer of a connection cannot be made small")
		}
		return ctx
	}
	web.Start()
	s.T.Cleanup(web.Close)
	return web.Listener.Addr().String()
}

var errOpen = errors.New("the connection is still open")

// narrow makes connections whose buffers are small.
var narrow = net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
}}

// run connects and waits until the server hangs up.
func (c slow) run(ctx context.Context, address string) error {
	conn, err := narrow.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(stacktest.WaitMax)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, c.opening); err != nil {
		return err
	}
	hungUp := make(chan struct{})
	var dripping sync.WaitGroup
	if c.drip != "" {
		dripping.Go(func() { err = c.drips(conn, hungUp) })
	}
	if !c.deaf {
		_, err := io.Copy(io.Discard, conn)
		close(hungUp)
		dripping.Wait()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errOpen
		}
		return nil
	}
	dripping.Wait()
	return err
}

// drips goes on until it cannot: a peer that has closed refuses what is sent to it.
func (c slow) drips(conn net.Conn, hungUp <-chan struct{}) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-hungUp:
			return nil
		case <-tick.C:
			_, err := io.WriteString(conn, c.drip)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return errOpen
			}
			if err != nil {
				return nil
			}
		}
	}
}

// The admin address has no need of HTTP/2.
func TestTheAdminAddressSpeaksHTTP1Alone(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	web := httptest.NewUnstartedServer(nil)
	web.Config = server.AdminServer("127.0.0.1:8081", server.AdminHandler(m), (&stacktest.Log{}).Logger())
	web.Start()
	t.Cleanup(web.Close)
	address := strings.TrimPrefix(web.URL, "http://")
	plain := stacktest.Dial(t, address)
	plain.Say("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n")
	if got := plain.Hear(); got.Status != http.StatusOK {
		t.Errorf("/metrics: %d", got.Status)
	}
	conn := stacktest.Dial(t, address)
	conn.Say(stacktest.Greeting())
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 ") || strings.HasPrefix(string(answer), "HTTP/1.1 2") {
		t.Errorf("the greeting of HTTP/2: %.100q, %v", answer, err)
	}
}
