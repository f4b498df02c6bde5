package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/env"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

type reconcileCommand struct {
	Apply bool   `help:"Write what Clerk and Stripe have, and have Clerk told who holds a seat. Without it nothing is changed."`
	Adopt bool   `help:"With --apply: take customers that Stripe has for our organizations, and for organizations without seats the members whom Clerk's metadata call isLicensed."`
	Org   string `help:"Only the organization with this id." placeholder:"ID"`
}

// Run implements the command.
func (r *reconcileCommand) Run(ctx context.Context) error {
	vars := env.New(os.LookupEnv)
	c := config{
		databaseURL: vars.Required("DATABASE_URL"),
		clerk: clerk.Options{
			SecretKey: vars.Required("CLERK_SECRET_KEY"),
			URL:       vars.Checked("CLERK_API_URL", clerkAPI, env.IsURL),
			Rate:      readRate(vars, "CLERK_RATE"),
		},
		stripe:  readStripe(vars),
		billing: vars.Group("Stripe", "STRIPE_SECRET_KEY", "STRIPE_SEAT_PRICE"),
	}
	c.readGrace(vars)
	if r.Adopt && !c.billing && vars.Err() == nil {
		vars.Refuse("STRIPE_SECRET_KEY, STRIPE_SEAT_PRICE", "are required for --adopt")
	}
	if err := vars.Err(); err != nil {
		return fmt.Errorf("the configuration is not usable:\n%w", err)
	}
	client, err := newClerk(c.clerk, nil)
	if err != nil {
		return err
	}
	db, err := tenancy.Open(ctx, tenancy.Options{URL: c.databaseURL, Schema: migrations.Latest(), Statements: statements()})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer db.Close()
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	queue, err := jobs.Open(ctx, jobs.Options{URL: c.databaseURL, Log: log})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer queue.Close()
	events, err := inbox.New(queue, inbox.Options{Log: log})
	if err != nil {
		return err
	}
	b := newBooks(c, db, people{client: client}, nil, log)
	b.people.OnEnd(events.Forget)
	if err := errors.Join(r.people(ctx, b), r.seats(ctx, b)); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	return nil
}

// people compares our copy with Clerk.
func (r *reconcileCommand) people(ctx context.Context, b books) error {
	sum, err := b.people.Reconcile(ctx, directory.Reconciliation{
		Organization: r.Org,
		Apply:        r.Apply,
		Drift: func(d directory.Drift) {
			fmt.Printf("%s %s %s: %s\n", d.Tenant, d.About, d.ID, d.What)
		},
	})
	fmt.Printf("compared %d organizations and %d people: %d differences, %d written\n", sum.Organizations, sum.People, sum.Drifts, sum.Applied)
	if err == nil && sum.Drifts > 0 && !r.Apply {
		fmt.Println("nothing was changed: --apply writes what Clerk has")
	}
	return err
}

// seats compares the ledger with Stripe and Clerk.
func (r *reconcileCommand) seats(ctx context.Context, b books) error {
	if !b.billed {
		fmt.Println("Stripe is not configured (STRIPE_SECRET_KEY, STRIPE_SEAT_PRICE): seats were not compared")
		return nil
	}
	sum, err := b.seats.Reconcile(ctx, licensing.Reconciliation{
		Organization: r.Org,
		Apply:        r.Apply,
		Adopt:        r.Adopt,
		Drift: func(d licensing.Drift) {
			fmt.Printf("%s %s %s: %s\n", d.Tenant, d.About, d.ID, d.What)
		},
	})
	fmt.Printf("compared the seats of %d organizations: %d differences\n", sum.Organizations, sum.Drifts)
	if err == nil && sum.Drifts > 0 && !r.Apply {
		fmt.Println("nothing was changed: --apply writes what Stripe has, and has Clerk told who holds a seat")
	}
	return err
}
