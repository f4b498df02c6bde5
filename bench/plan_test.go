package main

import (
	"io"
	"slices"
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
	} {
		if _, err := readPlan(args, io.Discard); err == nil {
			t.Errorf("%v: accepted", args)
		}
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
