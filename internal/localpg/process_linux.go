package localpg

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// attributes put a program into a group of its own, under the account, with a signal for when we are gone, 0 for none.
func attributes(who account, orphaned syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
	if who.drop {
		attr.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid}
	}
	return attr
}

// commandOf is the owner and the command line of a process. A process that has ended but was not reaped has none.
func commandOf(pid int) (owner uint32, args string, err error) {
	path := fmt.Sprintf("/proc/%d", pid)
	info, err := os.Stat(path)
	if err != nil {
		return 0, "", err
	}
	line, err := os.ReadFile(path + "/cmdline") //nolint:gosec // below /proc
	if err != nil {
		return 0, "", err
	}
	return ownerOf(info), strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " "), nil
}
