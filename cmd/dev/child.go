package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"time"
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

// server is the built server with these arguments and nothing in its environment
// but env.
func (p project) server(env []string, args ...string) *exec.Cmd {
	c := exec.Command(p.serverBinary(), args...) //nolint:gosec,noctx // our own binary; it is asked to stop, not killed, when the context ends
	c.Dir, c.Env, c.SysProcAttr = p.root, env, apart()
	return c
}

// child is the server under way.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of its end; read after ended is closed
}

func startServer(cmd *exec.Cmd) (*child, error) {
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	c := &child{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The child is told when the thread that started it ends, not the process.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	return c, nil
}

// waitReady polls until the server answers that it is ready.
func (c *child) waitReady(ctx context.Context, url string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("ask whether the server is ready: %w", err)
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			ready := answer.StatusCode == http.StatusOK
			if err := answer.Body.Close(); err == nil && ready {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ended:
			return fmt.Errorf("the server did not start: %w", c.err)
		}
	}
}

// stop asks the server to finish, as Ctrl-C would, and insists if it does not.
func (c *child) stop() error {
	select {
	case <-c.ended:
		return nil
	default:
	}
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(stopWithin):
		return errors.Join(errors.New("the server did not stop and was killed"), c.cmd.Process.Kill())
	}
}
