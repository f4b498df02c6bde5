// Command server is teamtask: tasks shared by the members of organizations, served
// over Connect, gRPC and gRPC-Web. It is configured by its environment; docs/configuration.md
// lists the variables.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/teamtask/teamtask/internal/server"
)

type commands struct {
	Serve     serveCommand     `cmd:"" default:"1" help:"Serve the API (the default). Needs DATABASE_URL, CLERK_ISSUER and one of CLERK_JWT_KEY and CLERK_SECRET_KEY."`
	Migrate   migrateCommand   `cmd:"" help:"Bring the database's schema up to date, or tell where it is."`
	Webhooks  webhooksCommand  `cmd:"" help:"Look at the events that Clerk and Stripe sent, or apply one again."`
	Reconcile reconcileCommand `cmd:"" help:"Compare our copy of organizations, people, members and invitations with Clerk, and seats with Stripe, and report what differs. Needs DATABASE_URL and CLERK_SECRET_KEY; for seats also STRIPE_SECRET_KEY and STRIPE_SEAT_PRICE."`
	Setup     setupCommand     `cmd:"" help:"Set up an account at a provider."`
	Version   versionCommand   `cmd:"" help:"Print what this is."`
}

// memoryMax is how large the heap and stacks may be, in bytes, before more time is spent
// on collecting than gcPercent asks for. It is above what can be in use under attack, so
// that collecting never goes on without end, and nothing is refused beyond it. GOMEMLIMIT
// in the environment wins.
const memoryMax = 192 << 20

// gcPercent lets the heap grow to three times what is in use before it is collected: that
// is a few megabytes here, and the default would collect hundreds of times a second under
// load. GOGC in the environment wins.
const gcPercent = 200

func main() {
	var c commands
	parser := kong.Must(&c,
		kong.Name("server"),
		kong.Description("teamtask: tasks, tenancy and seats over Connect. Everything is configured by environment variables."),
		kong.UsageOnError())
	chosen, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)
	collectSeldom(os.LookupEnv)
	ctx := untilSignal(context.Background())
	chosen.BindTo(ctx, (*context.Context)(nil))
	if err := chosen.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "server: %v\n", err)
		os.Exit(1)
	}
}

// collectSeldom sets what the environment leaves open of the garbage collector.
func collectSeldom(lookup func(string) (string, bool)) {
	if _, given := lookup("GOGC"); !given {
		debug.SetGCPercent(gcPercent)
	}
	if _, given := lookup("GOMEMLIMIT"); !given {
		debug.SetMemoryLimit(memoryMax)
	}
}

// untilSignal ends the context on the first SIGINT or SIGTERM. A second one ends the
// process at once. SIGTERM is how an orchestrator says that it will soon send no more
// requests; Ctrl-C means that no requests are expected.
func untilSignal(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		first := <-signals
		signal.Stop(signals)
		if first == syscall.SIGTERM {
			cancel(server.ErrTerminated)
			return
		}
		cancel(nil)
	}()
	return ctx
}
