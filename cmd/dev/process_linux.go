package main

import "syscall"

// apart keeps Ctrl-C in a terminal from the child, which is stopped by us, and ends
// the child if we are killed.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
}
