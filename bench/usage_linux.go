package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// measurable reports whether this system shows what is measured.
func measurable() error { return nil }

// processorTime is what all threads of a process have used so far, to the nanosecond.
// The process must not have ended.
func processorTime(pid int) (time.Duration, error) {
	const wholeProcess, clockBits = 2, 3 // CPUCLOCK_SCHED, see clock_getcpuclockid(3)
	clock := int32(^uint32(pid)<<clockBits | wholeProcess)
	var used syscall.Timespec
	//nolint:gosec // the kernel writes the one structure that it is given
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&used)), 0)
	if errno != 0 {
		return 0, errno
	}
	return time.Duration(used.Nano()), nil
}

// familyTime is the processor time of a process, of its children, and of those of
// them that have ended: their part in units of 10 ms.
func familyTime(parent int) (time.Duration, error) {
	stat, err := readStat(parent)
	if err != nil {
		return 0, err
	}
	own, err := processorTime(parent)
	if err != nil {
		return 0, err
	}
	sum := own + stat.reaped
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			continue
		}
		child, err := readStat(pid)
		if err != nil || child.parent != parent {
			continue // it ended while we looked, or is none of ours
		}
		switch used, err := processorTime(pid); {
		case err == nil:
			sum += used
		case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ESRCH): // it ended while we looked
		default:
			return 0, err
		}
	}
	return sum, nil
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) //nolint:gosec // a number is no way out of /proc
	if err != nil {
		return stat{}, err
	}
	return parseStat(text)
}

// machineTime is the processor time that anything on the machine has used.
func machineTime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseMachineTime(text)
}

// memory is what a process holds now, and the most it has held, in bytes.
func memory(pid int) (now, most int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) //nolint:gosec // as above
	if err != nil {
		return 0, 0, err
	}
	if now, err = kibibytes(text, "VmRSS:"); err != nil {
		return 0, 0, err
	}
	most, err = kibibytes(text, "VmHWM:")
	return now, most, err
}
