package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/env"
	"github.com/teamtask/teamtask/migrations"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" help:"Apply what is missing, and let the user of DATABASE_URL in. Needs MIGRATE_DATABASE_URL (the owner, who may create roles) and DATABASE_URL."`
	Status migrateStatusCommand `cmd:"" help:"List the migrations and whether they are applied. Needs MIGRATE_DATABASE_URL."`
}

type migrateUpCommand struct{}

// Run implements the command.
func (migrateUpCommand) Run(ctx context.Context) error {
	vars := env.New(os.LookupEnv)
	owner := vars.Required("MIGRATE_DATABASE_URL")
	runtime := vars.Required("DATABASE_URL")
	if err := vars.Err(); err != nil {
		return err
	}
	config, err := pgx.ParseConfig(runtime)
	if err != nil || config.User == "" {
		return errors.New("DATABASE_URL: not a PostgreSQL URL with a user")
	}
	if admin, err := pgx.ParseConfig(owner); err == nil && admin.Database != config.Database {
		return errors.New("MIGRATE_DATABASE_URL and DATABASE_URL name different databases")
	}
	applied, err := migrations.Up(ctx, owner, config.User)
	for _, name := range applied {
		fmt.Println("applied", name)
	}
	if errors.Is(err, migrations.ErrNoRuntimeUser) {
		return err
	}
	if err != nil {
		return fmt.Errorf("MIGRATE_DATABASE_URL: %w", err)
	}
	fmt.Println("the schema is at", migrations.Latest())
	return nil
}

type migrateStatusCommand struct{}

// Run implements the command.
func (migrateStatusCommand) Run(ctx context.Context) error {
	vars := env.New(os.LookupEnv)
	owner := vars.Required("MIGRATE_DATABASE_URL")
	if err := vars.Err(); err != nil {
		return err
	}
	states, err := migrations.Status(ctx, owner)
	if err != nil {
		return fmt.Errorf("MIGRATE_DATABASE_URL: %w", err)
	}
	for _, s := range states {
		word := "missing"
		if s.Applied {
			word = "applied"
		}
		fmt.Println(word, s.Name)
	}
	return nil
}

type versionCommand struct{}

// Run implements the command.
func (versionCommand) Run() error {
	fmt.Printf("teamtask %s, schema %d\n", version(), migrations.Latest())
	return nil
}

// version is the module's version or, in a build from a checkout, the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			return s.Value
		}
	}
	return v
}
