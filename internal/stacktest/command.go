package stacktest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/pgtest"
)

// Patience is the longest that a test waits for a process.
const Patience = time.Minute

// Command is the real binary.
type Command struct{ path string }

// builtIn is the folder of the binary; "" where no test has asked for it.
var builtIn string

// Main runs the tests of a package that needs a database, and removes what they built.
func Main(m *testing.M) {
	pgtest.Main(m, func() {
		if builtIn != "" {
			_ = os.RemoveAll(builtIn) // a leftover in the temporary place does no harm
		}
	})
}

// built is the binary, linked once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "teamtask-server-")
	if err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	builtIn = dir
	path := filepath.Join(dir, "server")
	command := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/teamtask/teamtask/cmd/server")
	command.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does: nothing is compiled twice
	if out, err := command.CombinedOutput(); err != nil {
		return path, fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// Build returns the real binary, which is linked once for a package.
func Build(t *testing.T) Command {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return Command{path: path}
}

// Prepare returns the process with that environment and no other.
func (c Command) Prepare(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	process := exec.CommandContext(ctx, c.path, args...)
	process.Env = env
	return process
}

// Run runs the process to its end.
func (c Command) Run(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	process := c.Prepare(t, env, args...)
	var out, errs bytes.Buffer
	process.Stdout, process.Stderr = &out, &errs
	err := process.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("%v: %v", args, err)
	}
	return process.ProcessState.ExitCode(), out.String(), errs.String()
}

// Lines returns the variables as an environment of a process.
func Lines(env map[string]string) []string {
	var all []string
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}

// WaitFor reads the log up to the message and its attributes into attrs.
func WaitFor(t *testing.T, log *bufio.Scanner, message string, attrs any) {
	t.Helper()
	var seen []string
	for log.Scan() {
		seen = append(seen, log.Text())
		var line struct{ Msg string }
		if json.Unmarshal(log.Bytes(), &line) == nil && line.Msg == message {
			if attrs != nil {
				if err := json.Unmarshal(log.Bytes(), attrs); err != nil {
					t.Fatal(err)
				}
			}
			return
		}
	}
	t.Fatalf("the log ended without %q:\n%s", message, strings.Join(seen, "\n"))
}
