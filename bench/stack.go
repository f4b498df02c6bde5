package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/localpg"
	"github.com/teamtask/teamtask/internal/sandbox"
)

const (
	database   = "teamtask"
	owner      = "teamtask_owner"
	app        = "teamtask_app"
	floorLogin = "bench_floor" // not bound by row security
	frontend   = "http://127.0.0.1:5173"
)

// stack is all that runs beside the generator. What it has started ends with stop.
type stack struct {
	dir      string // of everything that it keeps
	binary   string // of the product
	pg       *localpg.Server
	box      *sandbox.Sandbox
	boxAt    string
	appURL   string
	ownerURL string
	floorURL string
	ids      []string // of tasks that the caller may see
	servers  map[target]*child
	admin    string // address of the product's profiles
	start    startFigures
	ends     []func() error // in the order of their beginnings
	extra    []string       // in the environment of the product, on top of what it has
	traces   atomic.Int64   // requests that the collector was sent
}

// startStack brings up everything but the floors.
func startStack(ctx context.Context, p plan, says io.Writer) (s *stack, err error) {
	s = &stack{servers: make(map[target]*child), extra: p.env}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "teamtask-bench-"); err != nil {
		return s, fmt.Errorf("make a folder: %w", err)
	}
	s.ends = append(s.ends, func() error { return os.RemoveAll(s.dir) })
	if err := os.Chmod(s.dir, 0o755); err != nil { //nolint:gosec // PostgreSQL's user must be able to pass
		return s, fmt.Errorf("make a folder: %w", err)
	}
	if p.traces {
		if err := s.startCollector(ctx); err != nil {
			return s, err
		}
	}
	for _, step := range []struct {
		words string
		do    func(context.Context) error
	}{
		{"building the server", func(ctx context.Context) error { return s.build(ctx, p.root) }},
		{"starting PostgreSQL", s.startPostgres},
		{"starting the sandbox", s.startSandbox},
		{"migrating", s.migrate},
		{"seeding " + strconv.Itoa((seedTenants+1)*seedTasks) + " tasks", s.seed},
		{"starting the server " + strconv.Itoa(starts) + " times", s.startProduct},
	} {
		fmt.Fprintln(says, step.words)
		if err := step.do(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// stop ends everything, the last one first.
func (s *stack) stop() error {
	var errs []error
	for _, end := range slices.Backward(s.ends) {
		errs = append(errs, end())
	}
	s.ends = nil
	return errors.Join(errs...)
}

// build makes the server as it is deployed.
func (s *stack) build(ctx context.Context, root string) error {
	s.binary = filepath.Join(s.dir, "server")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", s.binary, "./cmd/server") //nolint:gosec // our own server
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return nil
}

// startPostgres starts one with everything on that protects committed data, and its
// own defaults otherwise.
func (s *stack) startPostgres(ctx context.Context) (err error) {
	dir := filepath.Join(s.dir, "postgres")
	if s.pg, err = localpg.Start(ctx, localpg.Options{Dir: dir}); err != nil {
		return err
	}
	if s.pg.External() {
		return errors.New("TEAMTASK_POSTGRES_URL is set: the processor time of that server cannot be read; unset it")
	}
	s.ends = append(s.ends, func() error {
		return errors.Join(stopping(s.pg.Stop), stopping(func(ctx context.Context) error { return localpg.Remove(ctx, dir) }))
	})
	passwords := map[string]string{}
	for name, createRole := range map[string]bool{owner: true, app: false, floorLogin: false} {
		passwords[name] = rand.Text()
		if err := s.pg.CreateLogin(ctx, name, passwords[name], createRole); err != nil {
			return err
		}
	}
	if err := s.pg.CreateDatabase(ctx, database, owner, ""); err != nil {
		return err
	}
	s.ownerURL = s.pg.URL(database, owner, passwords[owner])
	// The same pool for both, of the size that the product takes by itself.
	pool := "&pool_max_conns=" + strconv.Itoa(poolSize())
	s.appURL = s.pg.URL(database, app, passwords[app]) + pool
	s.floorURL = s.pg.URL(database, floorLogin, passwords[floorLogin]) + pool
	return nil
}

// poolSize is how many connections to PostgreSQL a server has: what the product
// takes where the URL says nothing.
func poolSize() int { return max(8, 4*min(runtime.NumCPU(), 64)) }

func (s *stack) startSandbox(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the sandbox: %w", err)
	}
	s.boxAt = "http://" + l.Addr().String()
	if s.box, err = sandbox.New(sandbox.Options{BaseURL: s.boxAt, AuthorizedParty: frontend}); err != nil {
		return errors.Join(fmt.Errorf("make the sandbox: %w", err), l.Close())
	}
	server := &http.Server{Handler: s.box.Handler(), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	s.ends = append(s.ends, server.Close)
	return nil
}

// startCollector takes the product's traces and throws them away.
func (s *stack) startCollector(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the collector of traces: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err == nil && n > 0 {
			s.traces.Add(1)
		}
	})}
	go func() { _ = server.Serve(l) }() // ends with Close
	s.ends = append(s.ends, server.Close)
	s.extra = append(slices.Clone(s.extra), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+l.Addr().String())
	return nil
}

func (s *stack) migrate(ctx context.Context) error {
	migrate := exec.CommandContext(ctx, s.binary, "migrate", "up") //nolint:gosec // built by us
	migrate.Env = []string{"MIGRATE_DATABASE_URL=" + s.ownerURL, "DATABASE_URL=" + s.appURL}
	if out, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("migrate: %w\n%s", err, out)
	}
	return nil
}

// seed fills the tables and lets the floor's login in.
func (s *stack) seed(ctx context.Context) (err error) {
	url := s.adminURL()
	if s.ids, err = seed(ctx, url); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, statement := range []string{
		"ALTER ROLE " + floorLogin + " BYPASSRLS",
		"GRANT USAGE ON SCHEMA public TO " + floorLogin,
		"GRANT SELECT, INSERT ON tasks TO " + floorLogin,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("let the floor in: %w", err)
		}
	}
	return nil
}

func stopping(stop func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	return stop(ctx)
}
