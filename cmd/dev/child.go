package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/teamtask/teamtask/internal/process"
)

// buildCommand builds a command with the flags of `make build`, so that nothing is
// compiled twice.
func buildCommand(ctx context.Context, path, source string) *exec.Cmd {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, source) //nolint:gosec // the path is where we put it
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	return build
}

func (p project) build(ctx context.Context) error {
	build := buildCommand(ctx, p.serverBinary(), "./cmd/server")
	build.Dir, build.Stdout, build.Stderr = p.root, os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the server: %w", err)
	}
	return nil
}

// command returns the built server with these arguments and nothing in its environment but env.
func (p project) command(env []string, args ...string) *exec.Cmd {
	c := exec.Command(p.serverBinary(), args...) //nolint:gosec,noctx // our own binary; it is stopped, not killed, when the context ends
	c.Dir, c.Env = p.root, env
	return c
}

// run runs a subcommand of the server to its end.
func (p project) run(env []string, args ...string) error {
	c := p.command(env, args...)
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	child, err := process.Start(c, syscall.SIGINT)
	if err != nil {
		return err
	}
	<-child.Done()
	if err := child.Err(); err != nil {
		return fmt.Errorf("%s: %w\n%s", args[0], err, output.String())
	}
	return nil
}

// serve starts the server.
func (p project) serve(env []string) (*process.Process, error) {
	c := p.command(env, "serve")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return process.Start(c, syscall.SIGINT)
}
