package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// The waits are those of the product's server, so that both pay for them.
const (
	floorHeadersWithin = 5 * time.Second
	floorReadWithin    = 15 * time.Second
	floorWriteWithin   = 30 * time.Second
	floorIdleFor       = 60 * time.Second
	floorStreamsMax    = 100
)

// serveFloor is `bench floor echo|query`: a handler as Connect makes it without any
// option, behind a server like the product's.
func serveFloor(ctx context.Context, args []string, says io.Writer) (err error) {
	if len(args) == 0 {
		return errors.New("floor: echo or query")
	}
	flags := flag.NewFlagSet("bench floor", flag.ContinueOnError)
	flags.SetOutput(says)
	address := flags.String("listen", "", "where it listens")
	answers := flags.String("answers", "", "echo: folder of the answers")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	var service teamtaskv1connect.TaskServiceHandler
	switch target(args[0]) {
	case echo:
		service, err = readEcho(*answers)
	case query:
		var f *queryFloor
		f, err = openQuery(ctx, os.Getenv("DATABASE_URL"))
		if err == nil {
			defer f.pool.Close()
		}
		service = f
	default:
		return fmt.Errorf("there is no floor %q: echo or query", args[0])
	}
	if err != nil {
		return fmt.Errorf("floor %s: %w", args[0], err)
	}
	mux := http.NewServeMux()
	mux.Handle(teamtaskv1connect.NewTaskServiceHandler(service))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ready\n") })
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	return serveBare(ctx, *address, mux)
}

func serveBare(ctx context.Context, address string, handler http.Handler) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: floorStreamsMax},
		ReadHeaderTimeout: floorHeadersWithin,
		ReadTimeout:       floorReadWithin,
		WriteTimeout:      floorWriteWithin,
		IdleTimeout:       floorIdleFor,
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // nobody waits for an answer any more
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("floor: %w", err)
	}
	return nil
}
