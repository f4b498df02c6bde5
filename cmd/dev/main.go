// Command dev is teamtask on one machine, offline: a private PostgreSQL, a stand-in
// for Clerk and Stripe, and the server as it is deployed, wired together. It is for development
// and never part of the server. The database is kept between runs; the stand-in lives
// in memory, so each run starts with its first people and organizations again.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type commands struct {
	Run   runCommand   `cmd:"" default:"withargs" help:"Start everything and keep it running until Ctrl-C (the default)."`
	Token tokenCommand `cmd:"" help:"Print a session token from the running sandbox."`
	Reset resetCommand `cmd:"" help:"Forget everything kept in .dev."`
}

func main() {
	var c commands
	parser := kong.Must(&c, kong.Name("dev"), kong.Description("teamtask on one machine, offline."), kong.UsageOnError(),
		kong.Vars{"sandbox": sandboxAt})
	chosen, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx = untilOrphaned(ctx)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	chosen.BindTo(ctx, (*context.Context)(nil))
	if err := chosen.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "dev: %v\n", err)
		os.Exit(1)
	}
}

// untilOrphaned ends the context when the process that started this one is gone, as
// after a kill of make or of go run, so that nothing stays behind.
func untilOrphaned(ctx context.Context) context.Context {
	parent := os.Getppid()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for os.Getppid() == parent {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
	return ctx
}
