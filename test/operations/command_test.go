package operations

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/collector"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/stacktest"
	"github.com/teamtask/teamtask/migrations"
)

func TestTheCommand(t *testing.T) {
	t.Parallel()
	c := stacktest.Build(t)
	t.Run("says what each of its commands needs", func(t *testing.T) {
		t.Parallel()
		for _, args := range []string{"", "serve", "migrate", "migrate up", "migrate status", "webhooks", "webhooks list", "webhooks show", "webhooks replay", "setup", "setup stripe", "version"} {
			code, stdout, stderr := c.Run(t, nil, append(strings.Fields(args), "--help")...)
			if code != 0 || !strings.Contains(stdout, "Usage: server "+args) || stderr != "" {
				t.Errorf("%q --help: %d\n%s%s", args, code, stdout, stderr)
			}
			if strings.HasPrefix(args, "migrate ") && !strings.Contains(stdout, "MIGRATE_DATABASE_URL") {
				t.Errorf("%q --help does not name MIGRATE_DATABASE_URL:\n%s", args, stdout)
			}
		}
		if _, stdout, _ := c.Run(t, nil, "serve", "--help"); !strings.Contains(stdout, "DATABASE_URL") {
			t.Errorf("serve --help does not name DATABASE_URL:\n%s", stdout)
		}
		if code, stdout, _ := c.Run(t, nil, "version"); code != 0 || !strings.HasPrefix(stdout, "teamtask ") || !strings.Contains(stdout, fmt.Sprintf("schema %d", migrations.Latest())) {
			t.Errorf("version: %d %q", code, stdout)
		}
	})
	t.Run("refuses what it does not know", func(t *testing.T) {
		t.Parallel()
		for _, args := range []string{"nothing", "serve now", "--nothing", "migrate", "migrate down"} {
			if code, stdout, stderr := c.Run(t, nil, strings.Fields(args)...); code == 0 || stdout+stderr == "" {
				t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
			}
		}
	})
	t.Run("stops with code 1 on a bad environment and names the variables", func(t *testing.T) {
		t.Parallel()
		for _, args := range [][]string{nil, {"serve"}} {
			code, stdout, stderr := c.Run(t, []string{"CLERK_ISSUER=" + stacktest.SecretValue, "LOG_LEVEL=" + stacktest.SecretValue}, args...)
			if code != 1 || stdout != "" {
				t.Errorf("%v: exit code %d, stdout %q", args, code, stdout)
			}
			for _, variable := range []string{"DATABASE_URL", "CLERK_ISSUER", "CLERK_JWT_KEY", "LOG_LEVEL"} {
				if !strings.Contains(stderr, variable) {
					t.Errorf("%v: %s is not named:\n%s", args, variable, stderr)
				}
			}
			if strings.Contains(stderr, stacktest.SecretValue) {
				t.Errorf("%v: a value is quoted:\n%s", args, stderr)
			}
		}
		for _, args := range [][]string{{"migrate", "up"}, {"migrate", "status"}} {
			code, _, stderr := c.Run(t, []string{"DATABASE_URL=postgres://a:" + stacktest.SecretValue + "@127.0.0.1:1/x"}, args...)
			if code != 1 || !strings.Contains(stderr, "MIGRATE_DATABASE_URL") || strings.Contains(stderr, stacktest.SecretValue) {
				t.Errorf("%v: exit code %d\n%s", args, code, stderr)
			}
		}
	})
	t.Run("stops with code 1 where the database is not to be had, without its password", func(t *testing.T) {
		t.Parallel()
		env := stacktest.Enough(t)
		env["DATABASE_URL"] = "postgres://app:" + stacktest.SecretValue + "@127.0.0.1:1/x?connect_timeout=2"
		code, _, stderr := c.Run(t, stacktest.Lines(env))
		if code != 1 || !strings.Contains(stderr, "DATABASE_URL") || strings.Contains(stderr, stacktest.SecretValue) {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
	})
	t.Run("migrates, twice, and serves until it is told to end", func(t *testing.T) {
		t.Parallel()
		migratesAndServes(t, c)
	})
}

func migratesAndServes(t *testing.T, c stacktest.Command) {
	t.Helper()
	all := int(migrations.Latest())
	db := pgtest.Empty(t)
	_, appURL := db.Login(t, "teamtask_test_command")
	env := stacktest.Enough(t)
	env["DATABASE_URL"], env["MIGRATE_DATABASE_URL"] = appURL, db.OwnerURL
	env["CLERK_ISSUER"] = stacktest.SandboxOf(t).Issuer()
	traces := collector.New(t)
	env["OTEL_EXPORTER_OTLP_ENDPOINT"] = traces.URL
	env["LISTEN_ADDR"], env["ADMIN_ADDR"] = "127.0.0.1:0", "127.0.0.1:00" // two ports of their own
	if code, _, stderr := c.Run(t, stacktest.Lines(env)); code != 1 || !strings.Contains(stderr, "migrate up") {
		t.Errorf("serve before migrate up: exit code %d\n%s", code, stderr)
	}
	if code, stdout, stderr := c.Run(t, stacktest.Lines(env), "migrate", "status"); code != 0 || strings.Count(stdout, "missing") != all {
		t.Errorf("migrate status before: %d\n%s%s", code, stdout, stderr)
	}
	for _, applied := range []int{all, 0} {
		if code, stdout, stderr := c.Run(t, stacktest.Lines(env), "migrate", "up"); code != 0 || strings.Count(stdout, "applied") != applied {
			t.Fatalf("migrate up: %d\n%s%s", code, stdout, stderr)
		}
	}
	if code, stdout, stderr := c.Run(t, stacktest.Lines(env), "migrate", "status"); code != 0 || strings.Count(stdout, "applied") != all {
		t.Errorf("migrate status after: %d\n%s%s", code, stdout, stderr)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		servesUntil(t, c, stacktest.Lines(env), signal)
		var names []string
		for _, span := range traces.Arrived() {
			names = append(names, span.GetName())
		}
		if slices.Sort(names); !slices.Equal(names, []string{"insert_task", stacktest.CreateTask[1:]}) {
			t.Errorf("the spans at the end: %q", names)
		}
	}
}

// body is a request's body that tells when somebody begins to read it, and has more
// only when it is told so.
type body struct {
	io.Reader
	begun chan struct{}
	rest  chan struct{}
	once  bool
}

func (b *body) Read(p []byte) (int, error) {
	if !b.once {
		b.once = true
		close(b.begun)
		<-b.rest
	}
	return b.Reader.Read(p)
}

// servesUntil starts the server, has a call under way when the signal comes, and wants
// that call answered and the exit code to be 0.
func servesUntil(t *testing.T, c stacktest.Command, env []string, signal syscall.Signal) {
	t.Helper()
	process := c.Prepare(t, env, "serve")
	stderr, err := process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(stderr)
	var serving struct{ Address, Admin string }
	stacktest.WaitFor(t, log, "serving", &serving)
	url := "http://" + serving.Address
	if got := probe(t, url+"/readyz"); got != http.StatusOK {
		t.Errorf("/readyz: status %d", got)
	}
	status, figures := page(t, "http://"+serving.Admin+"/metrics")
	for _, want := range []string{"teamtask_calls_at_work 0", "teamtask_calls_waiting 0", "teamtask_database_connections_open"} {
		if status != http.StatusOK || !strings.Contains(figures, "\n"+want) {
			t.Errorf("/metrics: status %d, and no %s:\n%s", status, want, figures)
		}
	}
	token, err := stacktest.SandboxOf(t).Token(sandbox.TokenRequest{User: "alice", Org: "d2-gamers"})
	if err != nil {
		t.Fatal(err)
	}
	idle := idleConnection(t, serving.Address)
	slow := &body{Reader: strings.NewReader(`{"name":"under way"}`), begun: make(chan struct{}), rest: make(chan struct{})}
	answered := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+stacktest.CreateTask, slow)
		if err != nil {
			answered <- err
			return
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Expect", "100-continue") // the body is asked for when the handler reads it
		transport := &http.Transport{ExpectContinueTimeout: stacktest.Patience}
		defer transport.CloseIdleConnections()
		response, err := transport.RoundTrip(r)
		if err == nil {
			err = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				err = errors.New(response.Status)
			}
		}
		answered <- err
	}()
	<-slow.begun
	if err := process.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	stacktest.WaitFor(t, log, "shutting down", nil)
	if signal == syscall.SIGTERM { // balancers are told first, and served meanwhile
		if got := probe(t, url+"/readyz"); got != http.StatusServiceUnavailable {
			t.Errorf("/readyz after %v: status %d, want 503", signal, got)
		}
		if got := probe(t, url+"/healthz"); got != http.StatusOK {
			t.Errorf("/healthz after %v: status %d, want 200", signal, got)
		}
	}
	if _, err := io.Copy(io.Discard, idle); err != nil { // until the server closes what is idle
		t.Errorf("the idle connection: %v", err)
	}
	close(slow.rest)
	if err := <-answered; err != nil {
		t.Errorf("the call under way at %v: %v", signal, err)
	}
	for log.Scan() { // the log's end comes before Wait may be called
	}
	if err := process.Wait(); err != nil {
		t.Errorf("after %v: %v, want exit code 0", signal, err)
	}
}

func probe(t *testing.T, url string) int {
	t.Helper()
	status, _ := page(t, url)
	return status
}

// page is the status and the body of an answer; a status of 0 is none.
func page(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return 0, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%s: %v", url, err)
	}
	return response.StatusCode, string(body)
}

// idleConnection is a connection over which one call was made.
func idleConnection(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(stacktest.Patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}
