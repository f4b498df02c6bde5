package main

import (
	"context"
	"fmt"
	"os"

	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/settings"
)

type serveCommand struct{}

// Run implements the command.
func (serveCommand) Run(ctx context.Context) error {
	c, err := settings.Read(os.LookupEnv)
	if err != nil {
		return fmt.Errorf("the configuration is not usable:\n%w", err)
	}
	c.LogTo, c.Version = os.Stderr, version()
	s, err := server.Open(ctx, c)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Run(ctx)
}
