package main

import (
	"slices"
	"testing"
	"time"
)

// roundOf is a round in which the calls of every lap tell them apart.
func roundOf(order []target, calls ...int) []lap {
	var round []lap
	for i, t := range order {
		round = append(round, lap{
			Target: t, Calls: calls[i], Elapsed: time.Second, P50: time.Millisecond, P99: 2 * time.Millisecond,
			Used: usage{Server: time.Second, Postgres: time.Second, Generator: time.Second / 2, Machine: 3 * time.Second, Processors: 2},
			RSS:  int64(calls[i]) << 20,
		})
	}
	return round
}

func TestRoundIsTheSameBackwards(t *testing.T) {
	t.Parallel()
	backwards := slices.Clone(roundOrder)
	slices.Reverse(backwards)
	if !slices.Equal(backwards, roundOrder) {
		t.Errorf("got %v", roundOrder)
	}
}

func TestOnlySlicesSideBySideArePaired(t *testing.T) {
	t.Parallel()
	round := roundOf(roundOrder, 10, 20, 40, 50, 25, 5)
	for _, c := range []struct {
		floor target
		want  [][2]int
	}{
		{echo, [][2]int{{20, 10}, {25, 5}}},
		{query, [][2]int{{20, 40}, {25, 50}}},
	} {
		var got [][2]int
		for _, p := range pairs(round, product, c.floor) {
			got = append(got, [2]int{p.of.Calls, p.floor.Calls})
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("product with %s: got %v, want %v", c.floor, got, c.want)
		}
	}
	if got := pairs(round, echo, query); got != nil {
		t.Errorf("echo and query never stand side by side: got %v", got)
	}
}

func TestRatioIsTheProductByTheFloor(t *testing.T) {
	t.Parallel()
	one := pairs(roundOf([]target{query, product}, 200, 100), product, query)[0]
	if got := one.ratio(lap.rps); got != 0.5 {
		t.Errorf("calls: got %v, want 0.5", got)
	}
	if got := one.ratio(lap.perProcessorSecond); got != 0.5 {
		t.Errorf("calls a processor second: got %v, want 0.5", got)
	}
	if got := one.ratio(lap.serverMicros); got != 2 {
		t.Errorf("processor time a call: got %v, want 2", got)
	}
	if got := one.of.serverMicros(); got != 10_000 {
		t.Errorf("processor time: got %v us, want 10000", got)
	}
	if got := one.of.share(one.of.Used.Generator); got != 0.25 {
		t.Errorf("share of two processors: got %v, want 0.25", got)
	}
	if got := one.of.Used.others(); got != time.Second/2 {
		t.Errorf("others: got %v, want 0.5s", got)
	}
}

func TestLapWithoutFiguresIsRefused(t *testing.T) {
	t.Parallel()
	good := roundOf([]target{product}, 1)[0]
	if err := good.check(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for name, bend := range map[string]func(*lap){
		"no call":           func(l *lap) { l.Calls = 0 },
		"no time":           func(l *lap) { l.Elapsed = 0 },
		"no processor time": func(l *lap) { l.Used.Server = 0 },
	} {
		bad := good
		bend(&bad)
		if bad.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
