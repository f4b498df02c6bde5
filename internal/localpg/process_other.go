//go:build !linux

package localpg

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// attributes put a program into a group of its own, under the account. A program that we leave behind goes on: the
// next Start stops it.
func attributes(who account, _ syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if who.drop {
		attr.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid}
	}
	return attr
}

// commandOf is the owner and the command line of a process.
func commandOf(pid int) (owner uint32, args string, err error) {
	out, err := exec.Command("ps", "-ww", "-o", "uid=,args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, "", fmt.Errorf("ps: %w", err)
	}
	uid, args, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	number, err := strconv.ParseInt(uid, 10, 64)
	if err != nil {
		return 0, "", fmt.Errorf("read the output of ps: %w", err)
	}
	return uint32(number), strings.TrimSpace(args), nil
}
