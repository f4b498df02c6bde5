package main

import (
	"fmt"
	"time"
)

// target is what is driven.
type target string

const (
	echo    target = "echo"
	product target = "product"
	query   target = "query"
)

// roundOrder is one round: read backwards it is the same, so that a drift of the
// machine meets all alike, and the product stands beside both floors, once before and
// once after each.
var roundOrder = []target{echo, product, query, query, product, echo}

// lap is what one slice measured.
type lap struct {
	Target  target
	Calls   int
	Elapsed time.Duration
	P50     time.Duration
	P99     time.Duration
	Used    usage // processor time, between the beginning and the end
	RSS     int64 // bytes that the server held at the end
}

// check refuses a lap whose figures cannot be divided by.
func (l lap) check() error {
	switch {
	case l.Calls <= 0, l.Elapsed <= 0:
		return fmt.Errorf("a slice of %s ended without a call: use a longer -slice", l.Target)
	case l.Used.Server <= 0:
		return fmt.Errorf("a slice of %s used no processor time: use a longer -slice", l.Target)
	}
	return nil
}

func (l lap) rps() float64 { return float64(l.Calls) / l.Elapsed.Seconds() }

func (l lap) p50() float64 { return milliseconds(l.P50) }

func (l lap) p99() float64 { return milliseconds(l.P99) }

// serverMicros is the server's processor time a call.
func (l lap) serverMicros() float64 { return micros(l.Used.Server) / float64(l.Calls) }

// postgresMicros is the processor time a call of all of PostgreSQL, its background
// processes included.
func (l lap) postgresMicros() float64 { return micros(l.Used.Postgres) / float64(l.Calls) }

// perProcessorSecond is how many calls a second of processor time of server and
// PostgreSQL is enough for.
func (l lap) perProcessorSecond() float64 {
	return float64(l.Calls) / (l.Used.Server + l.Used.Postgres).Seconds()
}

func (l lap) perServerSecond() float64 { return float64(l.Calls) / l.Used.Server.Seconds() }

// share is the part of the machine that a duration of processor time was.
func (l lap) share(of time.Duration) float64 {
	return of.Seconds() / (l.Elapsed.Seconds() * float64(l.Used.Processors))
}

// pair is two laps of a round that stood side by side.
type pair struct{ of, floor lap }

// pairs finds all laps of a and b in a round that stood side by side.
func pairs(round []lap, a, b target) []pair {
	var found []pair
	for i := 1; i < len(round); i++ {
		before, after := round[i-1], round[i]
		switch {
		case before.Target == a && after.Target == b:
			found = append(found, pair{of: before, floor: after})
		case before.Target == b && after.Target == a:
			found = append(found, pair{of: after, floor: before})
		}
	}
	return found
}

func (p pair) ratio(figure func(lap) float64) float64 { return figure(p.of) / figure(p.floor) }

func lapsOf(rounds [][]lap, t target) []lap {
	var found []lap
	for _, round := range rounds {
		for _, l := range round {
			if l.Target == t {
				found = append(found, l)
			}
		}
	}
	return found
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

func micros(d time.Duration) float64 { return d.Seconds() * 1e6 }
