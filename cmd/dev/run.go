package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/teamtask/teamtask/internal/localpg"
	"github.com/teamtask/teamtask/internal/sandbox"
)

const (
	stopWithin = 30 * time.Second
	pollEvery  = 20 * time.Millisecond // for readiness

	// The frontend's origin, unless APP_URL says another: azp of the tokens, and where
	// checkouts lead back to. Vite prints the second name for the same place.
	frontendAt     = "http://127.0.0.1:5173"
	frontendAtName = "http://localhost:5173"

	clerkEventsAt  = "/webhooks/clerk" // where the server takes Clerk's webhooks
	stripeEventsAt = "/webhooks/stripe"
)

type runCommand struct {
	Listen  string `default:"127.0.0.1:8080" help:"Where the API listens."`
	Admin   string `default:"127.0.0.1:8081" help:"Where metrics and profiles listen."`
	Sandbox string `default:"127.0.0.1:8090" help:"Where the sandbox listens."`
	Data    string `default:".dev" help:"Folder of what is kept between runs."`
	Page    bool   `default:"true" negatable:"" help:"Serve a page where the frontend would be, unless something listens there."`

	AppURL      string `env:"APP_URL" default:"http://127.0.0.1:5173" help:"Origin of your frontend."`
	CorsOrigins string `env:"CORS_ORIGINS" help:"Comma list of origins whose pages may call; default: those of a frontend on this machine."`
	CorsHeaders string `env:"CORS_HEADERS" help:"Comma list of further request headers that they may send."`
}

// origins is the value of CORS_ORIGINS: what the environment says, else the frontend's
// origin and those of Vite.
func (r *runCommand) origins() string {
	if r.CorsOrigins != "" {
		return r.CorsOrigins
	}
	all := []string{frontendAt, frontendAtName}
	if !slices.Contains(all, r.AppURL) {
		all = append(all, r.AppURL)
	}
	return strings.Join(all, ",")
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
	fmt.Println("building the server; the first time this takes minutes")
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
	defer func() {
		box.sandbox.Close()
		err = errors.Join(err, stopping(box.server.Shutdown))
	}()

	env := r.environment(box.sandbox, appURL)
	if err := p.run(append(env, "MIGRATE_DATABASE_URL="+ownerURL), "migrate", "up"); err != nil {
		return unlessStopped(ctx, err)
	}
	// The sandbox begins with people who have their seats already: the ledger takes them over.
	if err := p.run(env, "reconcile", "--apply", "--adopt"); err != nil {
		return unlessStopped(ctx, err)
	}
	server, err := p.serve(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.Background(), stopWithin, syscall.SIGINT)) }()
	if err := server.WaitReady(ctx, "http://"+r.Listen+"/readyz", pollEvery); err != nil {
		return unlessStopped(ctx, fmt.Errorf("wait until the server is ready: %w", err))
	}
	frontend := "not looked for (--no-page)"
	if r.Page {
		stop, serving := startPage(page{app: r.AppURL, api: "http://" + r.Listen, box: "http://" + r.Sandbox, stripeKey: box.sandbox.StripeSecretKey(), client: http.DefaultClient})
		frontend = "yours: something answers there, or it is not on this machine"
		if serving {
			defer func() { err = errors.Join(err, stopping(stop)) }()
			frontend = "nothing of yours answers there: a page of ours does"
		}
	}
	r.printAddresses(pg, appURL, frontend)
	select {
	case <-ctx.Done():
		fmt.Println("\nstopping")
		return nil
	case <-server.Done():
		return errors.Join(errors.New("the server ended by itself"), server.Err())
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
		return fmt.Errorf("%s is taken, perhaps by another `make run`; stop that, or choose other addresses (go run ./cmd/dev --help): %w", address, err)
	}
	return l.Close()
}

type runningSandbox struct {
	sandbox *sandbox.Sandbox
	server  *http.Server
}

func (r *runCommand) startSandbox() (runningSandbox, error) {
	box, err := sandbox.New(sandbox.Options{
		BaseURL: "http://" + r.Sandbox, AuthorizedParty: r.AppURL,
		WebhookURL: "http://" + r.Listen + clerkEventsAt, StripeWebhookURL: "http://" + r.Listen + stripeEventsAt,
	})
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
	env := []string{
		"DATABASE_URL=" + appURL,
		"LISTEN_ADDR=" + r.Listen,
		"ADMIN_ADDR=" + r.Admin,
		"CLERK_ISSUER=" + box.Issuer(),
		"CLERK_SECRET_KEY=" + box.SecretKey(),
		"CLERK_API_URL=http://" + r.Sandbox + "/clerk/v1",
		"CLERK_WEBHOOK_SECRET=" + box.WebhookSecret(),
		"CLERK_AUTHORIZED_PARTIES=" + r.AppURL,
		"STRIPE_SECRET_KEY=" + box.StripeSecretKey(),
		"STRIPE_API_URL=" + box.StripeURL(),
		"STRIPE_WEBHOOK_SECRET=" + box.StripeWebhookSecret(),
		"STRIPE_SEAT_PRICE=" + box.SeatPrice(),
		"APP_URL=" + r.AppURL,
		"CORS_ORIGINS=" + r.origins(),
		"REFLECTION=on",
	}
	if r.CorsHeaders != "" {
		env = append(env, "CORS_HEADERS="+r.CorsHeaders)
	}
	return env
}
