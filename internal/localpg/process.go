package localpg

import (
	"context"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	fastMax   = 10 * time.Second // for a fast shutdown, before an abrupt one
	abruptMax = 10 * time.Second // for an abrupt shutdown, before the process is killed
)

// process is a running program. It leads a process group, so that Ctrl-C in a terminal does not reach it before us.
type process struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has been reaped
	err  error         // how it ended; read it after gone
}

// launch starts a program as an account. If we are killed it receives the signal orphaned, where the system can do that.
func launch(who account, path string, args []string, log *journal, orphaned syscall.Signal) (*process, error) {
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // a program of PostgreSQL; it outlives the context of the start
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", environment(), attributes(who, orphaned)
	cmd.Stdout, cmd.Stderr = log.output(), log.output()
	cmd.WaitDelay = 2 * time.Second // a child of a killed server may hold the output open for longer
	p := &process{cmd: cmd, gone: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the signal when the thread that forked ends: this one stays until the process is gone.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.gone)
		}
	}()
	return p, <-started
}

func (p *process) id() int { return p.cmd.Process.Pid }

// stop shuts a server down: fast, then abruptly, then by force. The abrupt one comes early if ctx ends.
func (p *process) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, fastMax)
	defer cancel()
	_ = p.cmd.Process.Signal(syscall.SIGINT) // an error means that it is gone already
	select {
	case <-p.gone:
		return
	case <-ctx.Done():
	}
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-p.gone:
	case <-time.After(abruptMax):
		p.kill()
	}
}

// kill ends the process and its group by force.
func (p *process) kill() {
	select {
	case <-p.gone:
		return // its id may belong to another process by now
	default:
	}
	_ = syscall.Kill(-p.id(), syscall.SIGKILL)
	<-p.gone
}
