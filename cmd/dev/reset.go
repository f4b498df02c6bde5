package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/teamtask/teamtask/internal/localpg"
)

type resetCommand struct {
	Data string `default:".dev" help:"Folder of what is kept between runs."`
}

// Run implements the command. It refuses while the stack is running.
func (r *resetCommand) Run(ctx context.Context) error {
	p, err := findProject(r.Data)
	if err != nil {
		return err
	}
	if err := localpg.Remove(ctx, p.postgres()); err != nil {
		return err
	}
	entries, err := filepath.Glob(filepath.Join(p.data, "*"))
	if err != nil {
		return fmt.Errorf("look into the data folder: %w", err)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(entry); err != nil {
			return fmt.Errorf("forget the data folder: %w", err)
		}
	}
	fmt.Println(r.Data, "is forgotten")
	return nil
}
