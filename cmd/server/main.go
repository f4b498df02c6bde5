// Command server is teamtask: tasks shared by the members of organizations, served
// over Connect, gRPC and gRPC-Web. It is configured by its environment; README.md
// lists the variables.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type commands struct {
	Serve   serveCommand   `cmd:"" default:"1" help:"Serve the API (the default). Needs DATABASE_URL, CLERK_ISSUER and one of CLERK_JWT_KEY and CLERK_SECRET_KEY."`
	Migrate migrateCommand `cmd:"" help:"Bring the database's schema up to date, or tell where it is."`
	Version versionCommand `cmd:"" help:"Print what this is."`
}

func main() {
	var c commands
	parser := kong.Must(&c,
		kong.Name("server"),
		kong.Description("teamtask: tasks, tenancy and seats over Connect. Everything is configured by environment variables."),
		kong.UsageOnError())
	chosen, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	chosen.BindTo(ctx, (*context.Context)(nil))
	if err := chosen.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "server: %v\n", err)
		os.Exit(1)
	}
}
