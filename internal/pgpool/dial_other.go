//go:build !linux

package pgpool

import "syscall"

// giveUpSilent leaves it to keepalives, and to the deadlines of calls.
func giveUpSilent(string, string, syscall.RawConn) error { return nil }
