package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPlanIsNarrowedByFlags(t *testing.T) {
	t.Parallel()
	p, err := readPlan([]string{"-op", "CreateTask,GetTask", "--protocol=grpc", "-rounds", "2", "-slice", "100ms"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.ops, []op{createTask, getTask}) || !slices.Equal(p.protocols, []protocol{overGRPC}) {
		t.Errorf("got %v over %v", p.ops, p.protocols)
	}
	if p.rounds != 2 || p.slice != 100*time.Millisecond || p.lead() != 10*time.Millisecond {
		t.Errorf("got %+v", p)
	}
}

func TestProductGetsWhatIsAddedToItsEnvironment(t *testing.T) {
	t.Parallel()
	p, err := readPlan([]string{"-env", "GOGC=100", "-env", "LOG_LEVEL=error"}, io.Discard)
	if err != nil || !slices.Equal(p.env, []string{"GOGC=100", "LOG_LEVEL=error"}) || p.traces {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestPlanThatCannotBeMeasuredIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-op", "DropTask"}, {"-op", ""}, {"-op", "GetTask,GetTask"}, {"-protocol", "smoke"}, {"-connections", "0"},
		{"-connections", "100000"}, {"-slice", "1ms"}, {"-rounds", "0"}, {"-rounds", "100000"}, {"-warmup", "-1s"}, {"more"}, {"-what"},
		{"-env", "GOGC"}, {"-env", "=1"},
		// As numbers of nanoseconds these begin again below zero.
		{"-rounds", "9223372036854775807"}, {"-rounds", "1537228672809129302", "-slice", "1s"}, {"-slice", "2562047h", "-rounds", "4"},
		{"-rounds", "3000000000", "-slice", "1s"}, {"-rounds", "5", "-slice", "558992244657865210ns"}, {"-warmup", "2562047h"},
	} {
		if _, err := readPlan(args, io.Discard); err == nil {
			t.Errorf("%v: accepted", args)
		}
	}
}

func TestAFileThatCannotBeWrittenIsToldBeforeAnythingIsMeasured(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "new", "bench.json"), "/proc/nope/bench.json", "/proc/bench.json", dir} {
		began := time.Now()
		err := run(t.Context(), []string{"-json", path}, io.Discard, io.Discard)
		if err == nil || !strings.HasPrefix(err.Error(), "-json: ") || time.Since(began) > 10*time.Second {
			t.Errorf("%s: %v after %v", path, err, time.Since(began))
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v were made, %v", left, err)
	}
	p := plan{root: dir, json: filepath.Join(dir, ".dev", "bench.json")}
	if err := p.checkFile(); err != nil {
		t.Errorf("the usual file: %v", err)
	}
	if left, err := os.ReadDir(p.kept()); err != nil || len(left) != 0 {
		t.Errorf("%v were left, %v", left, err)
	}
}

func TestTheReportHoldsNoValueOfTheEnvironment(t *testing.T) {
	t.Parallel()
	p := plan{root: t.TempDir(), env: []string{"GOGC=100", "OTEL_EXPORTER_OTLP_HEADERS=api-key=secret"}}
	if got, want := newReport(t.Context(), p).Settings.Environment, []string{"GOGC", "OTEL_EXPORTER_OTLP_HEADERS"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTextsHaveTheLengthsOfPeoplesOnes(t *testing.T) {
	t.Parallel()
	texts, again := newCorpus(7), newCorpus(7)
	for range 2000 {
		name, description := texts.name(), texts.description()
		if len(name) < 36 || len(name) > 44 {
			t.Fatalf("a name of %d: %q", len(name), name)
		}
		if len(description) < 110 || len(description) > 130 {
			t.Fatalf("a description of %d: %q", len(description), description)
		}
		if name != again.name() || description != again.description() {
			t.Fatal("a second corpus differs")
		}
	}
}

func TestSeededIDsSortByTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	one, two := uuidAt(at, 1), uuidAt(at.Add(time.Millisecond), 2)
	if one.Version() != 7 || one.Variant().String() != "RFC4122" || one.String() >= two.String() {
		t.Errorf("got %v (%v) and %v", one, one.Version(), two)
	}
	if seconds, _ := one.Time().UnixTime(); seconds != at.Unix() {
		t.Errorf("got the time %d, want %d", seconds, at.Unix())
	}
}
