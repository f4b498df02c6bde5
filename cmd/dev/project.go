package main

import (
	"path/filepath"

	"github.com/teamtask/teamtask/internal/process"
)

// project is the checkout and the folder of the data that is kept between runs.
type project struct{ root, data string }

// findProject finds the checkout. A relative data folder is one of the checkout.
func findProject(data string) (project, error) {
	root, err := process.Checkout()
	if err != nil {
		return project{}, err
	}
	if !filepath.IsAbs(data) {
		data = filepath.Join(root, data)
	}
	return project{root: root, data: data}, nil
}

func (p project) postgres() string { return filepath.Join(p.data, "postgres") }

func (p project) serverBinary() string { return filepath.Join(p.data, "bin", "server") }
