package localpg

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const pidFile = dataFolder + "/postmaster.pid"

// endStray stops a server that an earlier process left behind on this home. The lock says that nobody needs it.
func endStray(ctx context.Context, h *home) error {
	pid, err := h.strayID()
	if err != nil || pid == 0 {
		return err
	}
	if !h.serves(pid) {
		// The server takes any process with this id for another server and would refuse to start.
		if syscall.Kill(pid, 0) == nil {
			return h.files.Remove(pidFile)
		}
		return nil
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastMax}, {syscall.SIGQUIT, abruptMax}, {syscall.SIGKILL, abruptMax}} {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop process %d of an earlier run: %w", pid, err)
		}
		for deadline := time.Now().Add(step.wait); time.Now().Before(deadline); {
			if !h.serves(pid) {
				return endStray(ctx, h)
			}
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("process %d of an earlier run does not stop", pid)
}

// strayID is the process in the server's own lock file, 0 if there is none.
func (h *home) strayID() (int, error) {
	text, err := h.read(pidFile)
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(text, "\n")
	if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 1 {
		return pid, nil
	}
	return 0, nil // nothing that the server would heed either
}

// serves tells whether a process is a server on exactly this data, run by our account.
func (h *home) serves(pid int) bool {
	owner, command, err := commandOf(pid)
	if err != nil || owner != h.who.uid {
		return false
	}
	program, rest, found := strings.Cut(command, " -D "+filepath.Join(h.dir, dataFolder)+" ")
	return found && rest != "" && filepath.Base(program) == "postgres"
}
