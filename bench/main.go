// Command bench measures the server as it is deployed, on this machine, beside two
// floors in the same run: a bare Connect handler that answers the same messages from
// memory (echo), and one that runs the same single statement without
// authentication, permissions, validation and row security (query). It prints a
// table and writes .dev/bench.json.
//
// All three are driven by the same closed loop over the same kind of connection with
// the same bytes, in short slices whose order is the same backwards (echo, product,
// query and back again), so that what else happens on a shared machine meets them alike. A ratio
// comes from two slices that stood side by side; what is reported is the median of
// those, with the tenth and the ninetieth percentile. Processor time a call is
// steadier than calls a second: it does not count the generator, nor the time spent
// waiting for others.
//
// It needs Linux and a private PostgreSQL. When anything is not as expected, one
// wrong answer included, it says so, exits with 1 and writes nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/teamtask/teamtask/internal/process"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx = process.UntilOrphaned(ctx)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintf(os.Stderr, "bench: %v\n", err)
	os.Exit(1)
}

// run is the command: `floor` serves a floor, everything else measures.
func run(ctx context.Context, args []string, out, says io.Writer) error {
	if len(args) > 0 && args[0] == "floor" {
		return serveFloor(ctx, args[1:], says)
	}
	p, err := readPlan(args, says)
	if err != nil {
		return err
	}
	if err := p.checkFile(); err != nil {
		return err
	}
	if err := measurable(); err != nil {
		return err
	}
	r, err := p.measure(ctx, says)
	if ctx.Err() != nil {
		return errors.Join(errors.New("it was stopped before the end"), err)
	}
	if err != nil {
		return err
	}
	if err := r.write(p.json); err != nil {
		return err
	}
	r.print(out)
	return nil
}
