//go:build !linux

package process

import "syscall"

// Only Linux signals orphans. Elsewhere UntilOrphaned and the caller's own checks do their part.
func signalOrphan(*syscall.SysProcAttr, syscall.Signal) {}
