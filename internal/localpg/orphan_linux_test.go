package localpg

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestServerEndsWhenItsOwnerIsKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	pid := startAndKillOwner(t, dir)
	eventually(t, "the server is gone", func() bool {
		_, command, err := commandOf(pid)
		return err != nil || !strings.Contains(command, dir)
	})
	mustAsk(t, mustStart(t, Options{Dir: dir}).AdminURL(), "select ''")
}

func TestStartFollowsAKilledOwnerAtOnce(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	startAndKillOwner(t, dir)
	mustAsk(t, mustStart(t, Options{Dir: dir}).AdminURL(), "select ''")
}

// A server without an owner is what other systems leave behind when the owner is killed.
func TestServerLeftBehindIsStopped(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first := mustStart(t, Options{Dir: dir})
	if err := syscall.Flock(int(first.home.lock.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	mustAsk(t, mustStart(t, Options{Dir: dir}).AdminURL(), "select ''")
	<-first.process.Done()
	if err := first.process.Err(); err != nil {
		t.Errorf("the server was not shut down in order: %v", err)
	}
}

func startAndKillOwner(t *testing.T, dir string) (pid int) {
	t.Helper()
	owner := exec.CommandContext(t.Context(), os.Args[0])
	owner.Env = append(os.Environ(), helperFolder+"="+dir)
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatalf("the owner of the server says: %s", line)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // killed, as asked
	return pid
}
