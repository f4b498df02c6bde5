package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/process"
)

const (
	connectionsMax = 512
	// tokenLives is how long a session token is good for: each row gets a new one.
	tokenLives = 50 * time.Minute
	roundsMax  = 10_000 // so that the time they take can be reckoned
)

// plan is what is to be measured, and how.
type plan struct {
	root        string // of the checkout
	ops         []op
	protocols   []protocol
	connections int
	slice       time.Duration
	rounds      int // of six slices, two for each target
	warmup      time.Duration
	json        string   // where the figures go
	profile     string   // folder of profiles; "": none are taken
	traces      bool     // the product sends its traces, to a collector that throws them away
	env         []string // NAME=value, for the product on top of what it has
}

// lead is driven before each slice and not counted, so that a slice does not begin
// with a target that has to wake up.
func (p plan) lead() time.Duration { return p.slice / 10 }

// rowTakes is how long one operation over one protocol is driven.
func (p plan) rowTakes() time.Duration {
	return time.Duration(p.rounds*len(roundOrder))*(p.slice+p.lead()) + 3*p.warmup + 2*profileFor
}

func readPlan(args []string, says io.Writer) (plan, error) {
	var p plan
	var ops, protocols string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(says)
	flags.StringVar(&ops, "op", "GetTask,ListTasks,CreateTask", "which operations, in this order; a comma list")
	flags.StringVar(&protocols, "protocol", "connect-json,grpc",
		"which protocols: connect-json, connect-proto (both HTTP/1.1), grpc (HTTP/2 without TLS); a comma list")
	flags.IntVar(&p.connections, "connections", 16, "connections of the closed loop, one call at a time on each")
	flags.DurationVar(&p.slice, "slice", 500*time.Millisecond, "how long one slice lasts")
	flags.IntVar(&p.rounds, "rounds", 8, "rounds of six slices, two for each of echo, product and query")
	flags.DurationVar(&p.warmup, "warmup", time.Second, "how long each target is driven before the first round")
	flags.StringVar(&p.json, "json", "", "where the figures are written (default .dev/bench.json of the checkout)")
	flags.StringVar(&p.profile, "profile", "", "folder for CPU and allocation profiles, taken after each row; none if empty")
	flags.BoolVar(&p.traces, "traces", false, "have the product send its traces, to a collector that throws them away")
	flags.Func("env", "NAME=value for the environment of the product; may be repeated", func(s string) error {
		if name, _, ok := strings.Cut(s, "="); !ok || name == "" {
			return errors.New("is not of the form NAME=value")
		}
		p.env = append(p.env, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return plan{}, err
	}
	if flags.NArg() > 0 {
		return plan{}, fmt.Errorf("there is no argument %q", flags.Arg(0))
	}
	var err error
	if p.ops, err = choose(ops, allOps, "operation"); err != nil {
		return plan{}, err
	}
	if p.protocols, err = choose(protocols, allProtocols, "protocol"); err != nil {
		return plan{}, err
	}
	if err := p.check(); err != nil {
		return plan{}, err
	}
	if p.root, err = process.Checkout(); err != nil {
		return plan{}, err
	}
	if p.json == "" {
		p.json = filepath.Join(p.kept(), "bench.json")
	}
	return p, nil
}

// kept is the folder of what is kept in the checkout.
func (p plan) kept() string { return filepath.Join(p.root, ".dev") }

// checkFile tells, before anything is measured, whether the figures can be written. It
// makes no folder but that of the checkout.
func (p plan) checkFile() error {
	dir := filepath.Dir(p.json)
	if dir == p.kept() {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // figures, nothing secret
			return fmt.Errorf("-json: %w", err)
		}
	}
	if at, err := os.Stat(p.json); err == nil && !at.Mode().IsRegular() {
		return fmt.Errorf("-json: %s is no file", p.json)
	}
	probe, err := os.CreateTemp(dir, ".bench-*.json")
	if err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	return nil
}

// envNames are the names of what is added to the environment of the product. Their
// values may be secret.
func (p plan) envNames() []string {
	names := make([]string, len(p.env))
	for i, pair := range p.env {
		names[i], _, _ = strings.Cut(pair, "=")
	}
	return names
}

func (p plan) check() error {
	switch {
	case p.connections < 1 || p.connections > connectionsMax:
		return fmt.Errorf("-connections: 1 to %d", connectionsMax)
	case p.slice < 20*time.Millisecond || p.slice > tokenLives:
		return fmt.Errorf("-slice: 20ms to %v", tokenLives)
	case p.rounds < 1 || p.rounds > roundsMax:
		return fmt.Errorf("-rounds: 1 to %d", roundsMax)
	case p.warmup < 0 || p.warmup > tokenLives:
		return fmt.Errorf("-warmup: 0 to %v", tokenLives)
	case p.rowTakes() > tokenLives:
		return fmt.Errorf("a row would take %v, longer than a session token lives: lower -rounds or -slice", p.rowTakes())
	}
	return nil
}

// choose reads a comma list of names, each one of all and at most once.
func choose[T ~string](list string, all []T, what string) ([]T, error) {
	var chosen []T
	for name := range strings.SplitSeq(list, ",") {
		one := T(strings.TrimSpace(name))
		if !slices.Contains(all, one) {
			return nil, fmt.Errorf("there is no %s %q: choose of %v", what, one, all)
		}
		if slices.Contains(chosen, one) {
			return nil, fmt.Errorf("the %s %s is given twice", what, one)
		}
		chosen = append(chosen, one)
	}
	return chosen, nil
}
