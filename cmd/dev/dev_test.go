package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/process"
)

const (
	readyWithin = 15 * time.Minute // the server may have to be built, and buf for the line that uses it, beside other work
	endWithin   = 40 * time.Second
)

// builtIn is the folder of the binary; "" where no test has asked for it.
var builtIn string

// devBinary builds the command once for all tests.
var devBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "teamtask-dev-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "dev")
	return path, buildCommand(context.Background(), path, ".").Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn) // a leftover in the temporary place does no harm
	}
	os.Exit(code)
}

// place is where one stack lives: a folder and four ports of its own.
type place struct{ args []string }

// origin is the address that was given for the flag.
func (p place) origin(flag string) string {
	return "http://" + strings.TrimPrefix(p.args[slices.Index(p.args, flag)+1], "http://")
}

func newPlace(t *testing.T) place {
	t.Helper()
	data := t.TempDir()
	if err := os.Chmod(filepath.Dir(data), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--data", filepath.Join(data, "dev")}
	for _, flag := range []string{"--listen", "--admin", "--sandbox"} {
		args = append(args, flag, freeAddress(t))
	}
	args = append(args, "--app-url", "http://"+freeAddress(t))
	return place{args: args}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	addresses, err := process.FreeAddresses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return addresses[0]
}

// running is a stack under way.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	said  chan string // all that it printed until it was ready, or until it ended
	ended chan error
}

func (p place) start(t *testing.T) *running {
	t.Helper()
	path, err := devBinary()
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	cmd := exec.Command(path, p.args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cmd: cmd, said: make(chan string, 1), ended: make(chan error, 1)}
	go r.listen(out)
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return r
}

func (r *running) listen(out io.Reader) {
	var text strings.Builder
	lines := bufio.NewScanner(out)
	told := false
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if !told && strings.HasPrefix(lines.Text(), "Ctrl-C stops") {
			r.said <- text.String()
			told = true
		}
	}
	if !told {
		r.said <- text.String()
	}
	r.ended <- r.cmd.Wait()
}

// ready returns what was printed until the stack was ready.
func (r *running) ready() string {
	r.t.Helper()
	select {
	case said := <-r.said:
		if !strings.Contains(said, "teamtask is ready") {
			r.t.Fatalf("it did not become ready:\n%s", said)
		}
		return said
	case <-time.After(readyWithin):
		r.t.Fatal("it did not become ready in time")
		return ""
	}
}

func (r *running) end() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(endWithin):
		r.t.Fatal("it did not end in time")
		return nil
	}
}

func TestPrintedLinesWorkWhenPasted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.start(t)
	said, session := r.ready(), ""
	for _, want := range []struct{ line, answer string }{
		{"/CreateTask", `"name":"Buy milk"`},
		{"/ListTasks -H", `"createdBy":"user_alice"`},
		{"buf curl", `"Buymilk"`},
		{"/CreateCheckoutSession", `/stripe/checkout/cs_test_`},
	} {
		line := lineWith(t, said, want.line)
		ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
		defer cancel()
		shell := exec.CommandContext(ctx, "sh", "-c", line)
		shell.Dir = filepath.Join("..", "..")
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Errorf("%s\n%v\n%s", line, err, out)
		}
		got := strings.NewReplacer(" ", "", "\n", "").Replace(string(out))
		if !strings.Contains(got, strings.ReplaceAll(want.answer, " ", "")) {
			t.Errorf("%s\ngot %s\nwant it to contain %s", line, out, want.answer)
		}
		if _, id, ok := strings.Cut(got, "/stripe/checkout/"); ok {
			session, _, _ = strings.Cut(id, `"`)
		}
	}
	comesBack(t, p.origin("--app-url"), p.origin("--listen"), p.origin("--sandbox"), session)
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := r.end(); err != nil {
		t.Errorf("after Ctrl-C it ended with %v", err)
	}
}

// lineWith is the last printed command that contains part.
func lineWith(t *testing.T, said, part string) string {
	t.Helper()
	found := ""
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "  ") && strings.Contains(line, part) && strings.Contains(line, "curl") {
			found = strings.TrimSpace(line)
		}
	}
	if found == "" {
		t.Fatalf("no line with %q in:\n%s", part, said)
	}
	return found
}

func TestStackComesBackAfterAKill(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.start(t)
	said := r.ready()
	if out, err := exec.Command("sh", "-c", lineWith(t, said, "/CreateTask")).CombinedOutput(); err != nil {
		t.Fatalf("create a task: %v\n%s", err, out)
	}
	if err := r.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := r.end(); err == nil {
		t.Fatal("it was killed and ended well")
	}
	waitFree(t, p)

	r = p.start(t)
	out, err := exec.Command("sh", "-c", lineWith(t, r.ready(), "/ListTasks -H")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Buy milk") {
		t.Errorf("the task is gone after a kill: %v\n%s", err, out)
	}
	second := p.start(t)
	if err := second.end(); err == nil {
		t.Error("a second stack started in the same place")
	}
	if said := <-second.said; !strings.Contains(said, "is taken") {
		t.Errorf("the second stack does not say why it ended:\n%s", said)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.end(); err != nil {
		t.Errorf("after SIGTERM it ended with %v", err)
	}
	waitFree(t, p)
}

// waitFree waits until nothing listens on the addresses of the place.
func waitFree(t *testing.T, p place) {
	t.Helper()
	deadline := time.Now().Add(endWithin)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, address := range p.args[4:] {
		if strings.HasPrefix(address, "--") {
			continue
		}
		address = strings.TrimPrefix(address, "http://")
		for checkFree(address) != nil {
			if time.Now().After(deadline) {
				t.Fatalf("something stayed behind on %s", address)
			}
			<-tick.C
		}
	}
}
