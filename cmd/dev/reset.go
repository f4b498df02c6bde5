package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/teamtask/teamtask/internal/localpg"
)

type resetCommand struct{}

// Run implements the command. It refuses while the stack is running.
func (resetCommand) Run(context.Context) error {
	p, err := findProject()
	if err != nil {
		return err
	}
	if err := localpg.Remove(p.postgres()); err != nil {
		return err
	}
	entries, err := filepath.Glob(p.dev("*"))
	if err != nil {
		return fmt.Errorf("look into .dev: %w", err)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(entry); err != nil {
			return fmt.Errorf("forget .dev: %w", err)
		}
	}
	fmt.Println(".dev is forgotten")
	return nil
}
