package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/teamtask/teamtask/internal/process"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 30 * time.Second
	pollEvery   = time.Millisecond // for readiness
	logTailMax  = 2 << 10          // bytes of a child's log that an error repeats
)

// child is a running server: the product or a floor.
type child struct {
	*process.Process

	name    string
	address string
	log     string // file
}

// startChild starts a program with nothing in its environment but env. Its output goes to a
// file in dir.
func startChild(name, address, dir, path string, env []string, args ...string) (*child, error) {
	log, err := os.Create(filepath.Join(dir, name+".log")) //nolint:gosec // our own folder and name
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()           // the child has its own
	cmd := exec.Command(path, args...)           //nolint:gosec,noctx // built by us; ended by stop
	cmd.Dir, cmd.Env, cmd.Stdout = dir, env, log // not the checkout: nothing there is needed
	cmd.Stderr = log
	p, err := process.Start(cmd, syscall.SIGTERM)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return &child{Process: p, name: name, address: address, log: log.Name()}, nil
}

func (c *child) url() string { return "http://" + c.address }

// waitReady waits until /readyz returns 200.
func (c *child) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := c.WaitReady(ctx, c.url()+"/readyz", pollEvery); err != nil {
		return fmt.Errorf("wait until %s is ready: %w\n%s", c.name, err, c.logTail())
	}
	return nil
}

// logTail returns the end of the child's log.
func (c *child) logTail() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-logTailMax):])
}

// stop stops the child as Ctrl-C would.
func (c *child) stop() error {
	if err := c.Stop(context.Background(), stopWithin, syscall.SIGINT); err != nil {
		return fmt.Errorf("stop %s: %w", c.name, err)
	}
	return nil
}
