package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/process"
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
	addresses, err := process.FreeAddresses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	database := strings.TrimPrefix(u.Path, "/")
	lines := append([]string{
		"[databases]",
		fmt.Sprintf("%s = host=%s port=%s user=%s password=%s", database, u.Hostname(), u.Port(), u.User.Username(), password),
		"[pgbouncer]",
		"listen_addr = " + host,
		"listen_port = " + port,
		"unix_socket_dir =",
		"auth_type = any", // every client is the user above
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
	output := filepath.Join(dir, "pgbouncer.log")
	log, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the child has its own
	logged := func() string {
		text, err := os.ReadFile(output)
		return fmt.Sprintf("%s%v", text, err)
	}
	command := exec.Command(program, args...)
	command.Stdout, command.Stderr = log, log
	pooler, err := process.Start(command, syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pooler.Stop(context.Background(), poolerWithin, syscall.SIGTERM); err != nil { // it ends at once
			t.Errorf("PgBouncer: %v", err)
		}
		if t.Failed() {
			t.Logf("PgBouncer:\n%s", logged())
		}
	})
	u.Host = addresses[0]
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
		case <-pooler.Done():
			t.Fatalf("PgBouncer has ended: %v\n%s", pooler.Err(), logged())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Since(started) > poolerWithin {
			t.Fatalf("PgBouncer does not start:\n%s", logged())
		}
	}
}

func findPooler() (string, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} { // Debian's is not on every path
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("PgBouncer is missing: install it with `apt-get install pgbouncer` or `brew install pgbouncer`")
}
