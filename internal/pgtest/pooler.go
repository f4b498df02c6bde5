package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const poolerWithin = time.Minute // for a pooler to start or to end

// Pooler runs a PgBouncer in front of the database that address names, until t ends, and
// returns the address through it. mode is its pool_mode; settings are further lines of its
// configuration. Without PgBouncer the test fails.
func Pooler(t testing.TB, address, mode string, settings ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	program, err := findPooler()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	password, _ := u.User.Password()
	database := strings.TrimPrefix(u.Path, "/")
	lines := append([]string{
		"[databases]",
		fmt.Sprintf("%s = host=%s port=%s user=%s password=%s", database, u.Hostname(), u.Port(), u.User.Username(), password),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1",
		"listen_port = " + strconv.Itoa(port),
		"unix_socket_dir =",
		"auth_type = any", // whoever reaches it is the user above
		"pool_mode = " + mode,
		"default_pool_size = 30",
	}, settings...)
	dir := t.TempDir()
	config := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil { // another user may have to read it; the password is for tests
		t.Fatal(err)
	}
	args := []string{config}
	if os.Getuid() == 0 { // it refuses to run as root
		args = []string{"-u", "nobody", config}
		for _, folder := range []string{dir, filepath.Dir(dir)} {
			if err := os.Chmod(folder, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	var log safeBuffer
	process := exec.Command(program, args...)
	process.Stdout, process.Stderr = &log, &log
	if err := process.Start(); err != nil {
		t.Fatalf("start PgBouncer: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = process.Wait() // it is told to end
	}()
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM) // it ends at once
		select {
		case <-ended:
		case <-time.After(poolerWithin):
			t.Error("PgBouncer does not end")
			if err := process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Error(err)
			}
		}
		if t.Failed() {
			t.Logf("PgBouncer:\n%s", log.String())
		}
	})
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	query := u.Query()
	query.Set("sslmode", "disable")
	u.RawQuery = query.Encode()
	started := time.Now()
	for {
		conn, err := net.Dial("tcp", u.Host)
		if err == nil {
			_ = conn.Close()
			return u.String()
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("PgBouncer has ended: %v\n%s", err, log.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Since(started) > poolerWithin {
			t.Fatalf("PgBouncer does not start:\n%s", log.String())
		}
	}
}

func findPooler() (string, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} { // Debian's is not on everybody's path
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("PgBouncer is missing: install it with `apt-get install pgbouncer` or `brew install pgbouncer`")
}

// freePort returns a port that nobody listens at just now.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, ok := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil || !ok {
		t.Fatalf("%v: %v", l.Addr(), err)
	}
	return address.Port
}

// safeBuffer is a buffer that may be read while it is written.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
