package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 30 * time.Second
	lookEvery   = time.Millisecond // for readiness
	logTailMax  = 2 << 10          // bytes of a child's log that an error repeats
)

// child is a server under way: the product or a floor.
type child struct {
	name    string
	address string
	cmd     *exec.Cmd
	log     string // file
	ended   chan struct{}
	err     error // of its end; read after ended is closed
}

// startChild starts a program with nothing in its environment but env. What it says
// goes to a file in dir.
func startChild(name, address, dir, path string, env []string, args ...string) (*child, error) {
	log, err := os.Create(filepath.Join(dir, name+".log")) //nolint:gosec // our own folder and name
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()           // the child has its own
	cmd := exec.Command(path, args...)           //nolint:gosec,noctx // built by us; stopped by stop
	cmd.Dir, cmd.Env, cmd.Stdout = dir, env, log // not the checkout: nothing there is needed
	cmd.Stderr, cmd.SysProcAttr = log, apart()
	c := &child{name: name, address: address, cmd: cmd, log: log.Name(), ended: make(chan struct{})}
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
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) url() string { return "http://" + c.address }

// waitReady looks until /readyz answers 200.
func (c *child) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if c.isReady(ctx) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w\n%s", c.name, ctx.Err(), c.said())
		case <-c.ended:
			return c.gone()
		}
	}
}

func (c *child) isReady(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url()+"/readyz", nil)
	if err != nil {
		return false
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return answer.StatusCode == http.StatusOK && answer.Body.Close() == nil
}

// gone says how a child ended that should not have.
func (c *child) gone() error {
	return fmt.Errorf("%s ended by itself: %w\n%s", c.name, errors.Join(errors.New("it is gone"), c.err), c.said())
}

// said is the end of the child's log.
func (c *child) said() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-logTailMax):])
}

// stop asks the child to finish, as Ctrl-C would, and insists if it does not.
func (c *child) stop() error {
	select {
	case <-c.ended:
		return nil
	default:
	}
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", c.name, err)
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(stopWithin):
		return errors.Join(fmt.Errorf("%s did not stop and was killed", c.name), c.cmd.Process.Kill())
	}
}
