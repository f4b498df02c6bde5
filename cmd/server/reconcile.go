package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

type reconcileCommand struct {
	Apply bool   `help:"Write what Clerk has. Without it nothing is changed."`
	Org   string `help:"Only the organization with this id." placeholder:"ID"`
}

// Run implements the command.
func (r *reconcileCommand) Run(ctx context.Context) error {
	env := &environment{lookup: os.LookupEnv}
	url := env.required("DATABASE_URL")
	o := clerk.Options{
		SecretKey: env.required("CLERK_SECRET_KEY"),
		URL:       env.checked("CLERK_API_URL", clerkAPI, isURL),
	}
	if err := env.err(); err != nil {
		return fmt.Errorf("the configuration is not usable:\n%w", err)
	}
	client, err := newClerk(o, nil)
	if err != nil {
		return err
	}
	db, err := tenancy.Open(ctx, tenancy.Options{URL: url, Schema: migrations.Latest(), Statements: statements()})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer db.Close()
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	events, err := inbox.Open(ctx, inbox.Options{URL: url, Log: log})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer events.Close()
	copied := directory.New(db, client)
	copied.OnEnd(events.Forget)
	sum, err := copied.Reconcile(ctx, directory.Reconciliation{
		Organization: r.Org,
		Apply:        r.Apply,
		Drift: func(d directory.Drift) {
			fmt.Printf("%s %s %s: %s\n", d.Tenant, d.About, d.ID, d.What)
		},
	})
	fmt.Printf("compared %d organizations and %d people: %d differences, %d written\n", sum.Organizations, sum.People, sum.Drifts, sum.Applied)
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	if sum.Drifts > 0 && !r.Apply {
		fmt.Println("nothing was changed: --apply writes what Clerk has")
	}
	return nil
}
