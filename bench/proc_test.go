package main

import (
	"os"
	"runtime"
	"testing"
	"time"
)

func TestProcessesAreReadFromProc(t *testing.T) {
	t.Parallel()
	text := "42 (a (b) c) S 7 42 42 0 -1 4194304 102 5 0 0 11 12 130 7 20 0 1 0 377467"
	got, err := parseStat([]byte(text))
	if want := (stat{parent: 7, reaped: 1370 * time.Millisecond}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "42 (a) S 7", "42 (a) S x 42 42 0 -1 4194304 102 5 0 0 11 12 130 7 20"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}

func TestMachineTimeLeavesOutIdling(t *testing.T) {
	t.Parallel()
	got, err := parseMachineTime([]byte("cpu  100 1 50 9999 888 2 3 4 77 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n"))
	if want := 1600 * time.Millisecond; err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2", "disk 1 2 3 4 5 6 7 8 9 10", "cpu a 2 3 4 5 6 7 8 9 10"} {
		if _, err := parseMachineTime([]byte(bad)); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}

func TestMemoryIsReadInKibibytes(t *testing.T) {
	t.Parallel()
	text := []byte("VmPeak:\t  9 kB\nVmRSS:\t   2048 kB\n")
	if got, err := kibibytes(text, "VmRSS:"); err != nil || got != 2<<20 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, name := range []string{"VmHWM:", "Vm"} {
		if _, err := kibibytes(text, name); err == nil {
			t.Errorf("%s: found", name)
		}
	}
}

func TestOwnUsageGrows(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		if measurable() == nil {
			t.Error("nothing can be measured here, and nobody says so")
		}
		return
	}
	before, err := readUsage(os.Getpid(), os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); time.Since(begin) < 50*time.Millisecond; {
		quantile([]float64{3, 1, 2}, 0.5) // something to do
	}
	after, err := readUsage(os.Getpid(), os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	used := after.since(before)
	if used.Server <= 0 || used.Postgres <= 0 || used.Generator <= 0 || used.Processors < 1 {
		t.Errorf("got %+v", used)
	}
	if now, most, err := memory(os.Getpid()); err != nil || now < 1<<20 || most < now/2 {
		t.Errorf("memory: got %d and %d, %v", now, most, err)
	}
}
