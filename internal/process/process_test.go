package process

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func mustStart(t *testing.T, script string) *Process {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = out.Close(), in.Close() })
	cmd.Stdout = in
	p, err := Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	// A trap counts only once the shell has set it.
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the script wrote %q: %v", line, err)
	}
	return p
}

func TestProcessLeadsAGroupOfItsOwn(t *testing.T) {
	t.Parallel()
	p := mustStart(t, "echo; exec sleep 600")
	if got, err := syscall.Getpgid(p.PID()); err != nil || got != p.PID() {
		t.Errorf("process group %d, %v, want %d", got, err, p.PID())
	}
}

func TestStopSendsTheNextSignalWhenTheFirstIsIgnored(t *testing.T) {
	t.Parallel()
	p := mustStart(t, `trap "" INT; trap "exit 0" TERM; echo; while :; do sleep 0.01; done`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the wait for SIGINT ends early, that for SIGTERM does not
	if err := p.Stop(ctx, time.Minute, syscall.SIGINT, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("the process ended with %v, want by its own exit", err)
	}
	if err := p.Stop(t.Context(), time.Minute, syscall.SIGINT); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
}

func TestStopKillsAProcessThatIgnoresEverySignal(t *testing.T) {
	t.Parallel()
	p := mustStart(t, `trap "" INT; echo; while :; do sleep 0.01; done`)
	if err := p.Stop(t.Context(), time.Millisecond, syscall.SIGINT); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("got error %v, want one that reports the kill", err)
	}
	<-p.Done()
}

func TestProgramThatIsMissingIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := Start(exec.Command("/nowhere/program"), 0); err == nil {
		t.Error("started")
	}
}

func TestWaitReadyEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	p := mustStart(t, "echo; exit 3")
	err := p.WaitReady(t.Context(), "http://127.0.0.1:1/readyz", time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got error %v, want one with the exit status", err)
	}
}

func TestWaitReadyWaitsForSuccess(t *testing.T) {
	t.Parallel()
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	if err := mustStart(t, "echo; exec sleep 600").WaitReady(t.Context(), server.URL, time.Millisecond); err != nil || calls != 3 {
		t.Errorf("ready after %d calls, %v, want 3", calls, err)
	}
}

func TestFreeAddressesDiffer(t *testing.T) {
	t.Parallel()
	got, err := FreeAddresses(t.Context(), 2)
	if err != nil || len(got) != 2 || got[0] == got[1] {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCheckoutIsFoundFromBelow(t *testing.T) {
	got, err := Checkout()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(got, "go.mod")); err != nil {
		t.Error(err)
	}
	t.Chdir(string(filepath.Separator))
	if got, err := Checkout(); err == nil {
		t.Errorf("found %s outside of any checkout", got)
	}
}
