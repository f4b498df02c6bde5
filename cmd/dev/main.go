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

	"github.com/alecthomas/kong"

	"github.com/teamtask/teamtask/internal/process"
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
	ctx = process.UntilOrphaned(ctx)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	chosen.BindTo(ctx, (*context.Context)(nil))
	if err := chosen.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "dev: %v\n", err)
		os.Exit(1)
	}
}
