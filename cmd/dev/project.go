package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// project is the checkout that is being worked on.
type project struct{ root string }

// findProject looks for the checkout upwards from where we are.
func findProject() (project, error) {
	dir, err := os.Getwd()
	if err != nil {
		return project{}, fmt.Errorf("find the checkout: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "server", "main.go")); err == nil {
			return project{root: dir}, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return project{}, errors.New("run this inside a checkout of teamtask")
		}
		dir = parent
	}
}

// dev is a path in the folder of what is kept between runs.
func (p project) dev(elements ...string) string {
	return filepath.Join(append([]string{p.root, ".dev"}, elements...)...)
}

func (p project) postgres() string { return p.dev("postgres") }
