package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"
)

// measure is the whole run.
func (p plan) measure(ctx context.Context, says io.Writer) (r report, err error) {
	r = newReport(ctx, p)
	s, err := startStack(ctx, p, says)
	if err != nil {
		return report{}, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if _, r.Versions.Postgres, err = s.stored(ctx); err != nil {
		return report{}, err
	}
	r.Product.startFigures = s.start
	if err := p.startFloors(ctx, s); err != nil {
		return report{}, err
	}
	for _, o := range p.ops {
		for _, proto := range p.protocols {
			fmt.Fprintf(says, "measuring %s over %s\n", o, proto)
			rounds, err := p.measureRow(ctx, s, o, proto)
			if err != nil {
				return report{}, fmt.Errorf("%s over %s: %w", o, proto, err)
			}
			r.Rows = append(r.Rows, newRow(o, proto, rounds))
		}
	}
	if p.traces && s.traces.Load() == 0 {
		return report{}, errors.New("the product sent no traces")
	}
	_, most, err := memory(s.servers[product].PID())
	if err != nil {
		return report{}, fmt.Errorf("read the server's memory: %w", err)
	}
	r.Product.RSSMaxMiB = mebibytes(most)
	return r, nil
}

// startFloors asks the product once for each operation, and starts the floors with
// its answers.
func (p plan) startFloors(ctx context.Context, s *stack) error {
	token, err := s.token()
	if err != nil {
		return fmt.Errorf("make a session token: %w", err)
	}
	answers := make(map[op]proto.Message)
	for _, o := range allOps {
		if answers[o], err = ask(ctx, s.servers[product].url(), o, connectJSON, token, o.requests(s.ids)[0]); err != nil {
			return fmt.Errorf("ask the product: %s: %w", o, err)
		}
	}
	return s.startFloors(ctx, answers)
}

// measureRow drives one operation over one protocol, all targets in turn.
func (p plan) measureRow(ctx context.Context, s *stack, o op, proto protocol) (rounds [][]lap, err error) {
	loads, err := p.openLoads(ctx, s, o, proto)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, l := range loads {
			err = errors.Join(err, l.close())
		}
	}()
	before, _, err := s.stored(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range roundOrder[:len(roundOrder)/2] {
		if _, err := loads[t].drive(ctx, p.warmup); err != nil {
			return nil, err
		}
	}
	for range p.rounds {
		var round []lap
		for _, t := range roundOrder {
			l, err := p.measureLap(ctx, s, loads[t])
			if err != nil {
				return nil, err
			}
			round = append(round, l)
		}
		rounds = append(rounds, round)
	}
	if err := p.takeProfiles(ctx, s, o, proto, loads); err != nil {
		return nil, err
	}
	after, _, err := s.stored(ctx)
	if err != nil {
		return nil, err
	}
	if made := loads[product].calls + loads[query].calls; o == createTask && after-before != made {
		return nil, fmt.Errorf("%d calls were answered, but %d tasks were stored", made, after-before)
	}
	return rounds, nil
}

// openLoads asks every target once and opens the connections to it.
func (p plan) openLoads(ctx context.Context, s *stack, o op, proto protocol) (loads map[target]*load, err error) {
	loads = make(map[target]*load)
	defer func() {
		if err != nil {
			for _, l := range loads {
				err = errors.Join(err, l.close())
			}
		}
	}()
	token, err := s.token()
	if err != nil {
		return nil, fmt.Errorf("make a session token: %w", err)
	}
	requests := o.requests(s.ids)
	for t, server := range s.servers {
		answer, err := ask(ctx, server.url(), o, proto, token, requests[0])
		if err != nil {
			return loads, fmt.Errorf("ask %s: %w", t, err)
		}
		l, err := openLoad(ctx, t, server.address, o, proto, token, requests, answer, p.connections)
		if err != nil {
			return loads, err
		}
		loads[t] = l
	}
	return loads, nil
}

// measureLap drives one target for one slice.
func (p plan) measureLap(ctx context.Context, s *stack, l *load) (lap, error) {
	if _, err := l.drive(ctx, p.lead()); err != nil {
		return lap{}, err
	}
	pid := s.servers[l.target].PID()
	before, err := readUsage(pid, s.pg.Process())
	if err != nil {
		return lap{}, err
	}
	took, err := l.drive(ctx, p.slice)
	if err != nil {
		return lap{}, err
	}
	after, err := readUsage(pid, s.pg.Process())
	if err != nil {
		return lap{}, err
	}
	held, _, err := memory(pid)
	if err != nil {
		return lap{}, fmt.Errorf("read the memory of %s: %w", l.target, err)
	}
	sorted := l.latencies()
	done := lap{
		Target: l.target, Calls: len(sorted), Elapsed: took,
		P50: longest(sorted, 0.5), P99: longest(sorted, 0.99), Used: after.since(before), RSS: held,
	}
	return done, done.check()
}
