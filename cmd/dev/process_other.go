//go:build !linux

package main

import "syscall"

// apart keeps Ctrl-C in a terminal from the child, which is stopped by us.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
