package main

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
)

// patience is the longest that a test waits for a process.
const patience = time.Minute

// command is the real binary.
type command struct{ path string }

// builtIn is the folder of the binary; "" where no test has asked for it.
var builtIn string

// built is the binary, linked once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "teamtask-server-")
	if err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	builtIn = dir
	path := filepath.Join(dir, "server")
	command := exec.Command("go", "build", "-trimpath", "-o", path, ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does: nothing is compiled twice
	if out, err := command.CombinedOutput(); err != nil {
		return path, fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func build(t *testing.T) command {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return command{path: path}
}

// start is the process with that environment and no other.
func (c command) prepare(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	process := exec.CommandContext(ctx, c.path, args...)
	process.Env = env
	return process
}

// run runs the process to its end.
func (c command) run(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	process := c.prepare(t, env, args...)
	var out, errs bytes.Buffer
	process.Stdout, process.Stderr = &out, &errs
	err := process.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("%v: %v", args, err)
	}
	return process.ProcessState.ExitCode(), out.String(), errs.String()
}

func lines(env map[string]string) []string {
	var all []string
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}

// waitFor reads the log up to the message and its attributes into attrs.
func waitFor(t *testing.T, log *bufio.Scanner, message string, attrs any) {
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
