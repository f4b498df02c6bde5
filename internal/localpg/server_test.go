package localpg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestDataAndPortSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first := mustStart(t, Options{Dir: dir})
	if err := first.CreateDatabase(t.Context(), "kept", "", ""); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit", "data_checksums"} {
		if got := mustAsk(t, first.AdminURL(), "select current_setting($1)", setting); got != "on" {
			t.Errorf("%s is %s, want on", setting, got)
		}
	}
	if got := mustAsk(t, first.AdminURL(), "select current_setting('listen_addresses') || current_setting('unix_socket_directories')"); got != "127.0.0.1" {
		t.Errorf("listens on %s, want 127.0.0.1", got)
	}
	mustStop(t, first)
	mustStop(t, first)

	second := mustStart(t, Options{Dir: dir})
	if got := mustAsk(t, second.AdminURL(), "select datname from pg_database where datname = 'kept'"); got != "kept" {
		t.Error("the database is gone after a restart")
	}
	if got, want := second.AdminURL(), first.AdminURL(); got != want {
		t.Error("the address changed over a restart")
	}
}

func TestOnlyThePasswordOpensTheServer(t *testing.T) {
	t.Parallel()
	s := mustStart(t, Options{Dir: folder(t), Ephemeral: true})
	if _, err := ask(t.Context(), s.URL("postgres", superuser, "guess"), "select ''"); err == nil {
		t.Error("a wrong password was let in")
	}
	info, err := os.Stat(filepath.Join(s.home.dir, passwordFile))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o600); got != want {
		t.Errorf("mode of the password file is %v, want %v", got, want)
	}
	password, err := s.home.read(passwordFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, command, err := commandOf(s.Process()); err != nil || strings.Contains(command, password) {
		t.Errorf("the command line shows the password, or cannot be read: %v", err)
	}
}

func TestServerStartsAfterItWasKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := mustStart(t, Options{Dir: dir})
	if err := syscall.Kill(s.Process(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.process.Done()
	if _, err := os.Stat(filepath.Join(s.home.dir, pidFile)); err != nil {
		t.Fatalf("no stale lock file to overcome: %v", err)
	}
	mustStop(t, s)
	mustAsk(t, mustStart(t, Options{Dir: dir}).AdminURL(), "select ''")
}

func TestServerStartsWhenItsIdBelongsToAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := mustStart(t, Options{Dir: dir})
	mustStop(t, s)
	other := s.home.who.command(t.Context(), "/bin/sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait() // killed, as asked
	}()
	stale := fmt.Sprintf("%d\n%s\n", other.Process.Pid, filepath.Join(s.home.dir, dataFolder))
	if err := os.WriteFile(filepath.Join(s.home.dir, pidFile), []byte(stale), 0o644); err != nil {
		t.Fatal(err)
	}
	mustAsk(t, mustStart(t, Options{Dir: dir}).AdminURL(), "select ''")
}

func TestFolderInUseIsRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := mustStart(t, Options{Dir: dir, Ephemeral: true})
	_, err := start(t.Context(), Options{Dir: dir, Ephemeral: true}, here())
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d", os.Getpid())) {
		t.Errorf("got error %v, want one that names the process", err)
	}
	mustAsk(t, s.AdminURL(), "select ''")
}

func TestTakenPortIsAvoided(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := mustStart(t, Options{Dir: dir})
	mustStop(t, s)
	l, err := net.Listen("tcp4", s.admin.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	again := mustStart(t, Options{Dir: dir})
	if again.admin.Host == s.admin.Host {
		t.Error("the server claims a port that is taken")
	}
	mustStop(t, again)
	fixed := l.Addr().(*net.TCPAddr).Port
	if _, err := start(t.Context(), Options{Dir: dir, Port: fixed}, here()); err == nil || !strings.Contains(err.Error(), portTaken) {
		t.Errorf("got error %v for a fixed port that is taken, want what the server said", err)
	}
}

func TestStopRemovesAnEphemeralServer(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := mustStart(t, Options{Dir: dir, Ephemeral: true})
	if log, err := s.home.read(logFile); err != nil || !strings.Contains(log, "ready to accept connections") {
		t.Errorf("the log lacks what the server said: %s, %v", log, err)
	}
	mustStop(t, s)
	for _, path := range []string{dir, s.home.dir} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if err := syscall.Kill(s.Process(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is still there: %v", err)
	}
}

func TestServerLeadsAProcessGroupOfItsOwn(t *testing.T) {
	t.Parallel()
	s := mustStart(t, Options{Dir: folder(t), Ephemeral: true})
	group, err := syscall.Getpgid(s.Process())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := group, s.Process(); got != want {
		t.Errorf("process group %d, want %d", got, want)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	ctx, cancel := context.WithCancel(t.Context())
	from := here()
	from.lookPath = func(program string) (string, error) {
		cancel() // from here on only initdb and the server remain to be run
		return here().lookPath(program)
	}
	if _, err := start(ctx, Options{Dir: dir}, from); err == nil {
		t.Fatal("started although its context has ended")
	}
	mustStart(t, Options{Dir: dir})
}

func TestURLReplacesTheLoginAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"postgres://a:b@db:5433/postgres?sslmode=require":           "postgres://u%2F:p%40@db:5433/d%20b?sslmode=require",
		"postgres:///x?host=%2Frun&user=a&password=b&dbname=c":      "postgres://u%2F:p%40@/d%20b?host=%2Frun",
		"postgresql://a@[::1]/postgres?database=e&application_name": "postgresql://u%2F:p%40@[::1]/d%20b?application_name=",
	} {
		admin, err := url.Parse(given)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&Server{admin: admin}).URL("d b", "u/", "p@"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
