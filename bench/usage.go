package main

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

// usage is processor time: of the server that is driven, of PostgreSQL with its
// background processes, of the generator, and of everything on the machine.
type usage struct {
	Server     time.Duration
	Postgres   time.Duration
	Generator  time.Duration
	Machine    time.Duration
	Processors int
}

// readUsage is what was used since these processes began.
func readUsage(server, postmaster int) (u usage, err error) {
	u.Processors = runtime.NumCPU()
	if u.Server, err = processorTime(server); err != nil {
		return usage{}, fmt.Errorf("read the server's processor time: %w", err)
	}
	if u.Postgres, err = familyTime(postmaster); err != nil {
		return usage{}, fmt.Errorf("read PostgreSQL's processor time: %w", err)
	}
	if u.Generator, err = processorTime(os.Getpid()); err != nil {
		return usage{}, fmt.Errorf("read the generator's processor time: %w", err)
	}
	if u.Machine, err = machineTime(); err != nil {
		return usage{}, fmt.Errorf("read the machine's processor time: %w", err)
	}
	return u, nil
}

func (u usage) since(before usage) usage {
	u.Server -= before.Server
	u.Postgres -= before.Postgres
	u.Generator -= before.Generator
	u.Machine -= before.Machine
	return u
}

// others is what none of ours used; the machine's own figure is coarse, so that it
// may come out a little below zero.
func (u usage) others() time.Duration { return u.Machine - u.Server - u.Postgres - u.Generator }
