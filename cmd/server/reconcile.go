package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/teamtask/teamtask/internal/billing"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/env"
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/settings"
)

type reconcileCommand struct {
	Apply bool   `help:"Write what Clerk and Stripe have, and have Clerk told who holds a seat. Without it nothing is changed."`
	Adopt bool   `help:"With --apply: take customers that Stripe has for our organizations, and for organizations without seats the members whom Clerk's metadata call isLicensed."`
	Org   string `help:"Only the organization with this id." placeholder:"ID"`
}

// Run implements the command.
func (r *reconcileCommand) Run(ctx context.Context) error {
	vars := env.New(os.LookupEnv)
	c := server.Config{
		LogTo:       os.Stderr,
		LogLevel:    slog.LevelWarn,
		Directory:   true,
		DatabaseURL: vars.Required("DATABASE_URL"),
		Clerk: clerk.Options{
			SecretKey: vars.Required("CLERK_SECRET_KEY"),
			URL:       vars.Checked("CLERK_API_URL", settings.ClerkAPI, env.IsURL),
			Rate:      settings.Rate(vars, "CLERK_RATE"),
		},
		Stripe:  settings.Stripe(vars),
		Billing: vars.Group("Stripe", "STRIPE_SECRET_KEY", "STRIPE_SEAT_PRICE"),
	}
	settings.Grace(vars, &c)
	if r.Adopt && !c.Billing && vars.Err() == nil {
		vars.Refuse("STRIPE_SECRET_KEY, STRIPE_SEAT_PRICE", "are required for --adopt")
	}
	if err := vars.Err(); err != nil {
		return fmt.Errorf("the configuration is not usable:\n%w", err)
	}
	d, closeAll, err := server.OpenDomains(ctx, c)
	if err != nil {
		return err
	}
	defer closeAll()
	if err := errors.Join(r.directory(ctx, d), r.licensing(ctx, d)); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	return nil
}

// directory compares our copy with Clerk.
func (r *reconcileCommand) directory(ctx context.Context, d server.Domains) error {
	sum, err := d.Directory.Reconcile(ctx, directory.Reconciliation{
		Organization: r.Org,
		Apply:        r.Apply,
		Drift: func(found directory.Drift) {
			fmt.Printf("%s %s %s: %s\n", found.Tenant, found.About, found.ID, found.What)
		},
	})
	fmt.Printf("compared %d organizations and %d people: %d differences, %d written\n", sum.Organizations, sum.People, sum.Drifts, sum.Applied)
	if err == nil && sum.Drifts > 0 && !r.Apply {
		fmt.Println("nothing was changed: --apply writes what Clerk has")
	}
	return err
}

// licensing compares the ledger with Stripe and Clerk.
func (r *reconcileCommand) licensing(ctx context.Context, d server.Domains) error {
	if !d.Billed {
		fmt.Println("Stripe is not configured (STRIPE_SECRET_KEY, STRIPE_SEAT_PRICE): seats were not compared")
		return nil
	}
	sum, err := d.Billing.Reconcile(ctx, billing.Reconciliation{
		Organization: r.Org,
		Apply:        r.Apply,
		Adopt:        r.Adopt,
		Drift: func(found billing.Drift) {
			fmt.Printf("%s %s %s: %s\n", found.Tenant, found.About, found.ID, found.What)
		},
	})
	fmt.Printf("compared the seats of %d organizations: %d differences\n", sum.Organizations, sum.Drifts)
	if err == nil && sum.Drifts > 0 && !r.Apply {
		fmt.Println("nothing was changed: --apply writes what Stripe has, and has Clerk told who holds a seat")
	}
	return err
}
