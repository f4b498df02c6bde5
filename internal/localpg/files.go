package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// The files in a home. The data folder gets its name only when it is complete.
const (
	lockFile     = "lock"
	logFile      = "postgres.log"
	passwordFile = "password"
	portFile     = "port"
	dataFolder   = "data"
	newFolder    = "data.new"
)

// acquire locks the folder against every other process, and against a second Start of this one. It does not wait.
func (h *home) acquire() error {
	f, err := h.files.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := h.read(lockFile)
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%s is in use by process %s: stop that one first", h.dir, holder)
		}
		return fmt.Errorf("lock %s: %w", h.dir, err)
	}
	h.lock = f
	err = errors.Join(h.who.own(f), f.Truncate(0))
	_, writeErr := f.WriteAt([]byte(fmt.Sprintln(os.Getpid())), 0)
	if err = errors.Join(err, writeErr); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// read returns a small file without the space around its text, "" if there is none.
func (h *home) read(name string) (string, error) {
	text, err := h.files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// write replaces a small file as a whole. Only the server's user may read it.
func (h *home) write(name, text string) error {
	part := name + ".new"
	if err := h.files.RemoveAll(part); err != nil {
		return err
	}
	f, err := h.files.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, text)
	if err := errors.Join(err, h.who.own(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return h.files.Rename(part, name)
}

// remove deletes the folder and the link to it.
func (h *home) remove() error {
	err := os.RemoveAll(h.dir)
	if h.dir != h.wanted {
		err = errors.Join(err, os.Remove(h.wanted))
	}
	return err
}

// close gives up the lock. It says so, because a program that another goroutine is just starting shares the lock's
// file for a moment, and the lock would outlive our file by that moment.
func (h *home) close() error {
	return errors.Join(syscall.Flock(int(h.lock.Fd()), syscall.LOCK_UN), h.lock.Close(), h.files.Close())
}
