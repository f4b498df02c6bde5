package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ticks is how many units of /proc make a second; Linux shows every program 100.
const ticks = 100

// stat is what /proc tells of a process.
type stat struct {
	parent int
	reaped time.Duration // processor time of children that have ended
}

// parseStat reads the fields behind the command, which may hold spaces and brackets.
func parseStat(text []byte) (stat, error) {
	const parentAt, reapedUserAt, reapedSystemAt = 1, 13, 14
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= reapedSystemAt {
		return stat{}, errors.New("/proc/<pid>/stat is not as expected")
	}
	var numbers [3]int
	for i, at := range []int{parentAt, reapedUserAt, reapedSystemAt} {
		var err error
		if numbers[i], err = strconv.Atoi(fields[at]); err != nil {
			return stat{}, fmt.Errorf("/proc/<pid>/stat: %w", err)
		}
	}
	return stat{parent: numbers[0], reaped: time.Duration(numbers[1]+numbers[2]) * time.Second / ticks}, nil
}

func parseMachineTime(text []byte) (time.Duration, error) {
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	const idleAt, waitAt, guestAt = 4, 5, 9 // guests are counted as users already
	if len(fields) < guestAt || fields[0] != "cpu" {
		return 0, errors.New("/proc/stat is not as expected")
	}
	sum := 0
	for i, field := range fields[:guestAt] {
		if i == 0 || i == idleAt || i == waitAt {
			continue
		}
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// kibibytes is a figure of /proc/<pid>/status or /proc/meminfo, in bytes.
func kibibytes(text []byte, name string) (int64, error) {
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		number, unit, _ := strings.Cut(strings.TrimSpace(rest), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || unit != "kB" {
			return 0, fmt.Errorf("%s in /proc is not as expected", name)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("no %s in /proc", name)
}
