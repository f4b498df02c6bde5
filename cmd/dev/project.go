package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// project is the checkout that is being worked on, and the folder of what is kept
// between runs.
type project struct{ root, data string }

// findProject looks for the checkout upwards from where we are. A relative data folder
// is one of the checkout.
func findProject(data string) (project, error) {
	dir, err := os.Getwd()
	if err != nil {
		return project{}, fmt.Errorf("find the checkout: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "server", "main.go")); err == nil {
			if !filepath.IsAbs(data) {
				data = filepath.Join(dir, data)
			}
			return project{root: dir, data: data}, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return project{}, errors.New("run this inside a checkout of teamtask")
		}
		dir = parent
	}
}

func (p project) postgres() string { return filepath.Join(p.data, "postgres") }

func (p project) serverBinary() string { return filepath.Join(p.data, "bin", "server") }
