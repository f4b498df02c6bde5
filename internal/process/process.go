// Package process starts child processes that do not outlive their parent. It is for
// development and tests: the server starts no processes.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a running program. It is safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // read after done is closed
}

// Start starts cmd in a process group of its own, so that Ctrl-C in a terminal reaches the
// parent alone. On Linux the child receives the signal orphaned when the parent is killed;
// 0 sends none. Attributes that the caller has set in cmd.SysProcAttr are kept.
func Start(cmd *exec.Cmd, orphaned syscall.Signal) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	signalOrphan(cmd.SysProcAttr, orphaned)
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the signal when the thread that forked ends, so this thread stays.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// PID returns the process id. It stays the same after the end.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done returns a channel that is closed when the process has ended and been reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the process ended, nil for exit code 0. Call it after Done is closed.
func (p *Process) Err() error { return p.err }

// Stop sends the signals in order and waits up to within for the end after each. The wait for
// every signal but the last is cut short when ctx ends. A process that does not end is killed,
// which is an error.
func (p *Process) Stop(ctx context.Context, within time.Duration, signals ...syscall.Signal) error {
	for i, signal := range signals {
		select {
		case <-p.done:
			return nil
		default:
		}
		if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("send %v to process %d: %w", signal, p.PID(), err)
		}
		var early <-chan struct{}
		if i < len(signals)-1 {
			early = ctx.Done()
		}
		select {
		case <-p.done:
			return nil
		case <-early:
		case <-time.After(within):
		}
	}
	p.Kill()
	return fmt.Errorf("process %d did not stop and was killed", p.PID())
}

// Kill ends the process and its group by force and waits for the end.
func (p *Process) Kill() {
	select {
	case <-p.done:
		return // its id may belong to another process by now
	default:
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // an error means that it has just ended
	<-p.done
}
