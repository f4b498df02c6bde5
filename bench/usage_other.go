//go:build !linux

package main

import (
	"errors"
	"time"
)

var errNotLinux = errors.New("bench needs Linux: it reads processor time and memory of other processes from /proc")

// measurable reports whether this system shows what is measured.
func measurable() error { return errNotLinux }

func processorTime(int) (time.Duration, error) { return 0, errNotLinux }

func familyTime(int) (time.Duration, error) { return 0, errNotLinux }

func machineTime() (time.Duration, error) { return 0, errNotLinux }

func memory(int) (now, most int64, err error) { return 0, 0, errNotLinux }
