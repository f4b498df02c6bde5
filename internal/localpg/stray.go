package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const pidFile = dataFolder + "/postmaster.pid"

// endStray stops a server that an earlier process left behind on this home. Our lock means that no other process uses it.
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
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop process %d of an earlier run: %w", pid, err)
		}
		for deadline := time.Now().Add(shutDownMax); time.Now().Before(deadline); {
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

// strayID returns the process in the server's own lock file, 0 if there is none.
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

// serves reports whether a process is a server on exactly this data, run by our account.
func (h *home) serves(pid int) bool {
	owner, command, err := commandOf(pid)
	if err != nil || owner != h.who.uid {
		return false
	}
	program, rest, found := strings.Cut(command, " -D "+filepath.Join(h.dir, dataFolder)+" ")
	return found && rest != "" && filepath.Base(program) == "postgres"
}

// commandOf returns the owner and the command line of a process. A process that has ended but was not reaped has none.
func commandOf(pid int) (owner uint32, args string, err error) {
	path := fmt.Sprintf("/proc/%d", pid)
	if info, err := os.Stat(path); err == nil {
		line, err := os.ReadFile(path + "/cmdline") //nolint:gosec // below /proc
		return ownerOf(info), strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " "), err
	}
	if runtime.GOOS == "linux" {
		return 0, "", os.ErrProcessDone
	}
	out, err := exec.Command("ps", "-ww", "-o", "uid=,args=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec,noctx // ends at once; the id is of a process
	if err != nil {
		return 0, "", fmt.Errorf("ps: %w", err)
	}
	uid, args, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	number, err := strconv.ParseInt(uid, 10, 64)
	return uint32(number), strings.TrimSpace(args), err
}
