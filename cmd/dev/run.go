package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/teamtask/teamtask/internal/localpg"
	"github.com/teamtask/teamtask/internal/sandbox"
)

const (
	stopWithin = 30 * time.Second
	consoleAt  = "http://127.0.0.1:5173" // the frontend's origin: azp of the tokens, CORS
	database   = "teamtask"
	owner      = "teamtask_owner" // of the schema; migrates
	app        = "teamtask_app"   // the runtime role; serves
)

type runCommand struct {
	Listen  string `default:"127.0.0.1:8080" help:"Where the API listens."`
	Admin   string `default:"127.0.0.1:8081" help:"Where metrics and profiles listen."`
	Sandbox string `default:"127.0.0.1:8090" help:"Where the sandbox listens."`
	Data    string `default:".dev" help:"Folder of what is kept between runs."`
}

// Run implements the command.
func (r *runCommand) Run(ctx context.Context) (err error) {
	p, err := findProject(r.Data)
	if err != nil {
		return err
	}
	for _, address := range []string{r.Listen, r.Admin, r.Sandbox} {
		if err := checkFree(address); err != nil {
			return err
		}
	}
	fmt.Println("building the server")
	if err := p.build(ctx); err != nil {
		return unlessStopped(ctx, err)
	}

	fmt.Println("starting PostgreSQL")
	pg, err := localpg.Start(ctx, localpg.Options{Dir: p.postgres()})
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, stopping(pg.Stop)) }()
	appURL, ownerURL, err := prepareDatabase(ctx, pg)
	if err != nil {
		return unlessStopped(ctx, err)
	}

	box, err := r.startSandbox()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopping(box.server.Shutdown)) }()

	env := r.environment(box.sandbox, appURL)
	migrate := p.server(append(env, "MIGRATE_DATABASE_URL="+ownerURL), "migrate", "up")
	if out, err := migrate.CombinedOutput(); err != nil {
		return unlessStopped(ctx, fmt.Errorf("migrate: %w\n%s", err, out))
	}
	server, err := startServer(p.server(env, "serve"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	if err := server.waitReady(ctx, "http://"+r.Listen+"/readyz"); err != nil {
		return unlessStopped(ctx, err)
	}
	r.printAddresses(pg, appURL)
	select {
	case <-ctx.Done():
		fmt.Println("\nstopping")
		return nil
	case <-server.ended:
		return fmt.Errorf("the server ended by itself: %w", server.err)
	}
}

// unlessStopped is err, or nil where it only says that we were told to stop.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func stopping(stop func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	return stop(ctx)
}

func checkFree(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s is taken, perhaps by another `make run`: %w", address, err)
	}
	return l.Close()
}

func (p project) build(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", p.serverBinary(), "./cmd/server")
	build.Dir, build.Stdout, build.Stderr = p.root, os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the server: %w", err)
	}
	return nil
}

// server is the built server with these arguments and nothing in its environment
// but env.
func (p project) server(env []string, args ...string) *exec.Cmd {
	c := exec.Command(p.serverBinary(), args...)
	c.Dir, c.Env, c.SysProcAttr = p.root, env, apart()
	return c
}

// prepareDatabase makes the two logins and the database, as an administrator would,
// and answers the URLs of the runtime role and the owner.
func prepareDatabase(ctx context.Context, pg *localpg.Server) (appURL, ownerURL string, err error) {
	appPassword, ownerPassword := rand.Text(), rand.Text()
	if err := pg.CreateLogin(ctx, owner, ownerPassword, true); err != nil {
		return "", "", fmt.Errorf("make the owner: %w", err)
	}
	if err := pg.CreateLogin(ctx, app, appPassword, false); err != nil {
		return "", "", fmt.Errorf("make the runtime role: %w", err)
	}
	if err := pg.CreateDatabase(ctx, database, owner, ""); err != nil && !errors.Is(err, localpg.ErrExists) {
		return "", "", fmt.Errorf("make the database: %w", err)
	}
	return pg.URL(database, app, appPassword), pg.URL(database, owner, ownerPassword), nil
}

type runningSandbox struct {
	sandbox *sandbox.Sandbox
	server  *http.Server
}

func (r *runCommand) startSandbox() (runningSandbox, error) {
	box, err := sandbox.New(sandbox.Options{BaseURL: "http://" + r.Sandbox, AuthorizedParty: consoleAt})
	if err != nil {
		return runningSandbox{}, fmt.Errorf("make the sandbox: %w", err)
	}
	l, err := net.Listen("tcp", r.Sandbox)
	if err != nil {
		return runningSandbox{}, fmt.Errorf("start the sandbox: %w", err)
	}
	server := &http.Server{Handler: box.Handler(), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }() // ends with Shutdown
	return runningSandbox{sandbox: box, server: server}, nil
}

// environment is the server's, as a deployment would set it.
func (r *runCommand) environment(box *sandbox.Sandbox, appURL string) []string {
	return []string{
		"DATABASE_URL=" + appURL,
		"LISTEN_ADDR=" + r.Listen,
		"ADMIN_ADDR=" + r.Admin,
		"CLERK_ISSUER=" + box.Issuer(),
		"CLERK_SECRET_KEY=" + box.SecretKey(),
		"CLERK_API_URL=http://" + r.Sandbox + "/clerk/v1",
		"CLERK_AUTHORIZED_PARTIES=" + consoleAt,
		"CORS_ORIGINS=" + consoleAt,
		"REFLECTION=on",
	}
}

// child is the server under way.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of its end; read after ended is closed
}

func startServer(cmd *exec.Cmd) (*child, error) {
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	c := &child{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The child is told when the thread that started it ends, not the process.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	return c, nil
}

// waitReady polls until the server answers that it is ready.
func (c *child) waitReady(ctx context.Context, url string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("ask whether the server is ready: %w", err)
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			ready := answer.StatusCode == http.StatusOK
			if err := answer.Body.Close(); err == nil && ready {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ended:
			return fmt.Errorf("the server did not start: %w", c.err)
		}
	}
}

// stop asks the server to finish, as Ctrl-C would, and insists if it does not.
func (c *child) stop() error {
	select {
	case <-c.ended:
		return nil
	default:
	}
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(stopWithin):
		return errors.Join(errors.New("the server did not stop and was killed"), c.cmd.Process.Kill())
	}
}
