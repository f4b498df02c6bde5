package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// report is what is written to .dev/bench.json.
type report struct {
	Commit   string        `json:"commit"`   // "" outside a git checkout
	Modified bool          `json:"modified"` // there are changes that are not in the commit
	Time     time.Time     `json:"time"`     // of the beginning
	Versions versions      `json:"versions"`
	Machine  machine       `json:"machine"`
	Settings settings      `json:"settings"`
	Product  productReport `json:"product"`
	Rows     []row         `json:"rows"`
}

// settings are how it was measured.
type settings struct {
	Connections int      `json:"connections"`
	SliceMS     float64  `json:"slice_ms"`
	Rounds      int      `json:"rounds"`
	PoolSize    int      `json:"pool_size"`             // connections to PostgreSQL of the product and of the query floor
	Tasks       int      `json:"tasks"`                 // in the database at the beginning
	Traces      bool     `json:"traces"`                // the product sent its traces
	Environment []string `json:"environment,omitempty"` // names of what was added to that of the product
}

// productReport is what belongs to no operation.
type productReport struct {
	startFigures

	RSSMaxMiB float64 `json:"rss_max_mib"` // the most it has held at any time
}

// row is one operation over one protocol. A figure of calls, time or processor time
// is the median over the slices; a ratio is the product's figure divided by the
// floor's, the median over pairs of slices that stood side by side.
type row struct {
	Op       op       `json:"op"`
	Protocol protocol `json:"protocol"`
	figures

	RSSMiB          float64 `json:"rss_mib"`           // the most after any slice
	RatioEchoFloor  float64 `json:"ratio_echo_floor"`  // of rps: 1 is as fast as the floor
	RatioQueryFloor float64 `json:"ratio_query_floor"` // as above
	OthersShare     float64 `json:"others_share"`      // of the machine, used by what is none of ours

	EchoFloor  floorReport `json:"echo_floor"`
	QueryFloor floorReport `json:"query_floor"`
}

// figures are those of one target.
type figures struct {
	Slices         int     `json:"slices"`
	Calls          int     `json:"calls"`
	RPS            float64 `json:"rps"`
	RPSQ10         float64 `json:"rps_q10"`
	RPSQ90         float64 `json:"rps_q90"`
	P50            float64 `json:"p50_ms"`
	P99            float64 `json:"p99_ms"`
	ServerCPU      spread  `json:"server_cpu_us"`   // a call
	PostgresCPU    spread  `json:"postgres_cpu_us"` // a call, background processes included
	GeneratorShare float64 `json:"generator_share"` // of the machine
}

// floorReport is a floor's own figures, and the product's divided by them.
type floorReport struct {
	figures

	Pairs          int    `json:"pairs"`
	RatioRPS       spread `json:"ratio_rps"`
	RatioP50       spread `json:"ratio_p50"`        // above 1: slower
	RatioP99       spread `json:"ratio_p99"`        // above 1: slower
	RatioCPU       spread `json:"ratio_cpu"`        // of calls a second of processor time, server and PostgreSQL
	RatioServerCPU spread `json:"ratio_server_cpu"` // of calls a second of processor time, the server alone
}

func newReport(ctx context.Context, p plan) report {
	commit, modified := commitOf(ctx, p.root)
	return report{
		Commit: commit, Modified: modified, Time: time.Now().UTC().Truncate(time.Second),
		Versions: builtWith(), Machine: thisMachine(),
		Settings: settings{
			Connections: p.connections, SliceMS: milliseconds(p.slice), Rounds: p.rounds,
			PoolSize: poolSize(), Tasks: (seedTenants + 1) * seedTasks,
			Traces: p.traces, Environment: p.envNames(),
		},
		Rows: []row{},
	}
}

func newRow(o op, p protocol, rounds [][]lap) row {
	r := row{Op: o, Protocol: p, figures: figuresOf(lapsOf(rounds, product))}
	for _, l := range lapsOf(rounds, product) {
		r.RSSMiB = max(r.RSSMiB, mebibytes(l.RSS))
	}
	var others, whole time.Duration
	for _, round := range rounds {
		for _, l := range round {
			others += l.Used.others()
			whole += l.Elapsed * time.Duration(l.Used.Processors)
		}
	}
	r.OthersShare = max(0, others.Seconds()/whole.Seconds())
	r.EchoFloor, r.QueryFloor = floorOf(rounds, echo), floorOf(rounds, query)
	r.RatioEchoFloor, r.RatioQueryFloor = r.EchoFloor.RatioRPS.Median, r.QueryFloor.RatioRPS.Median
	return r
}

func figuresOf(laps []lap) figures {
	rps := spreadBy(laps, lap.rps)
	f := figures{
		Slices: len(laps), RPS: rps.Median, RPSQ10: rps.Q10, RPSQ90: rps.Q90,
		P50: spreadBy(laps, lap.p50).Median, P99: spreadBy(laps, lap.p99).Median,
		ServerCPU: spreadBy(laps, lap.serverMicros), PostgresCPU: spreadBy(laps, lap.postgresMicros),
		GeneratorShare: spreadBy(laps, func(l lap) float64 { return l.share(l.Used.Generator) }).Median,
	}
	for _, l := range laps {
		f.Calls += l.Calls
	}
	return f
}

func floorOf(rounds [][]lap, floor target) floorReport {
	var all []pair
	for _, round := range rounds {
		all = append(all, pairs(round, product, floor)...)
	}
	ratio := func(figure func(lap) float64) spread {
		return spreadBy(all, func(p pair) float64 { return p.ratio(figure) })
	}
	return floorReport{
		figures: figuresOf(lapsOf(rounds, floor)), Pairs: len(all),
		RatioRPS: ratio(lap.rps), RatioP50: ratio(lap.p50), RatioP99: ratio(lap.p99),
		RatioCPU: ratio(lap.perProcessorSecond), RatioServerCPU: ratio(lap.perServerSecond),
	}
}

// write replaces the file as a whole.
func (r report) write(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the figures: %w", err) // a figure that is no number, for instance
	}
	dir := filepath.Dir(path)
	part, err := os.CreateTemp(dir, ".bench-*.json")
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	_, err = part.Write(append(data, '\n'))
	if err = errors.Join(err, part.Chmod(0o644), part.Sync(), part.Close()); err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the figures: %w", errors.Join(err, os.Remove(part.Name())))
	}
	return nil
}
